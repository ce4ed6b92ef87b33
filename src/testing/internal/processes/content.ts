/** What one agent holds, as far as its answers have told: pure, since after a kill two versions of it are possible. */
import { type History, historyLength, historyMost } from "../../../agents/Claims.ts"
import type { Entry, Op } from "./protocol.ts"

interface Commit {
  readonly state: number
  /** Unknown until the agent has shown it. */
  readonly revision: number | undefined
}

/** The commits since the last deletion, oldest first, and the number above which all their revisions are. */
export interface Content {
  readonly commits: ReadonlyArray<Commit>
  readonly floor: number
}

/** What does not fit. */
export interface Wrong {
  readonly wrong: string
}

export const isWrong = (value: object | undefined): value is Wrong => value !== undefined && "wrong" in value

export const nothing: Content = { commits: [], floor: 0 }

/** How far back an agent promises to remember, and how far back it may. */
export interface Histories {
  readonly claimed: History
  readonly carried: History
}

/** What is there after an operation that succeeds. */
export const after = (content: Content, { op, state }: Op & { readonly state?: number }): Content => {
  if (op === "delete") return { commits: [], floor: lowest(content, content.commits.length - 1) }
  return state === undefined ? content : { ...content, commits: [...content.commits, { state, revision: undefined }] }
}

/** The least revision that a commit can have: every one is above all before it, deleted ones included. */
const lowest = ({ commits, floor }: Content, at: number): number =>
  commits.slice(0, at + 1).reduce((least, { revision }) => revision ?? least + 1, floor)

/** The agent says that a commit has this revision. */
export const reveal = (content: Content, at: number, revision: number): Content | Wrong => {
  const { commits } = content
  const known = commits[at]?.revision
  if (known !== undefined)
    return known === revision
      ? content
      : { wrong: `what was committed at revision ${known} is at revision ${revision}` }
  const least = lowest(content, at)
  const newer = commits.findIndex((commit, i) => i > at && commit.revision !== undefined)
  const most = (commits[newer]?.revision ?? Number.POSITIVE_INFINITY) - (newer - at)
  if (revision < least)
    return { wrong: `revision ${revision} is given out after revision ${least - 1}, and must be above it` }
  if (newer > at && revision > most)
    return { wrong: `revision ${revision} is older than revision ${most + newer - at}` }
  return { ...content, commits: commits.map((commit, i) => (i === at ? { ...commit, revision } : commit)) }
}

/** The agent shows this as its current entry. */
export const matchCurrent = (content: Content, current: Entry | null): Content | Wrong => {
  const last = content.commits.at(-1)
  if (current === null)
    return last === undefined ? content : { wrong: `nothing is stored, in place of ${show(content)}` }
  const [state, revision] = current
  return last?.state === state
    ? reveal(content, content.commits.length - 1, revision)
    : { wrong: `${name(state)} is stored at revision ${revision}, in place of ${show(content)}` }
}

/** The agent shows this as its history, newest first. */
export const matchHistory = (
  content: Content,
  history: ReadonlyArray<Entry>,
  { carried, claimed }: Histories
): Content | Wrong => {
  const { length } = content.commits
  const least = Math.min(length, historyLength(claimed))
  const most = Math.min(length, historyMost(carried))
  if (history.length < least || history.length > most)
    return {
      wrong: `the history has ${history.length} entries, in place of ${least === most ? least : `${least} to ${most}`}`
    }
  let matched: Content = content
  for (const [i, [state, revision]] of history.entries()) {
    const at = length - 1 - i
    const expected = content.commits[at]?.state
    if (expected !== state)
      return { wrong: `entry ${i} of the history is ${name(state)}, in place of ${name(expected ?? -1)}` }
    const revealed = reveal(matched, at, revision)
    if (isWrong(revealed)) return { wrong: `entry ${i} of the history: ${revealed.wrong}` }
    matched = revealed
  }
  return matched
}

/** A state by its number. */
export const name = (state: number): string => (state < 0 ? "a state that was never saved" : `state ${state}`)

/** What is there, for people. */
export const show = ({ commits }: Content): string => {
  const last = commits.at(-1)
  if (last === undefined) return "nothing"
  return last.revision === undefined ? name(last.state) : `${name(last.state)} at revision ${last.revision}`
}
