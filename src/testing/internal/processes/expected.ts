import type { Claims } from "../../../agents/Claims.ts"
import { after, type Content, isWrong, matchCurrent, matchHistory, name, nothing, reveal, show } from "./content.ts"
import type { End, News, Op, Start } from "./protocol.ts"

type Found = News & { readonly _tag: "Opened" }

/** What became of the operation that was under way when a process was killed. */
export type Fate = "done" | "not done" | "none"

/**
 * What an agent may show whose process is killed again and again: all that was acknowledged, and what was under way at the
 * kill either done or not. Methods answer what is wrong, if anything is.
 */
export class Expected {
  /** What the law demands; default: what the agent carries. */
  readonly #claims: Claims | undefined
  #content: Content = nothing
  #initial: number | null = null
  /** The operation that has begun, and whose end is not known. */
  #open: Start | undefined
  /** Whether operations may fail, since the server behind the agent is dead. */
  isDown = false
  /** What was done, one operation a line. */
  readonly log: Array<string> = []

  constructor(claims: Claims | undefined) {
    this.#claims = claims
  }

  /** What a process finds that has just opened the agent. */
  found(found: Found): Fate | { readonly wrong: string } {
    const open = this.#open
    this.#open = undefined
    this.#initial = found.initial
    const histories = { claimed: (this.#claims ?? found.claims).history, carried: found.claims.history }
    const match = (content: Content) => {
      const matched = matchCurrent(content, found.current)
      return isWrong(matched) ? matched : matchHistory(matched, found.history, histories)
    }
    const without = match(this.#content)
    if (!isWrong(without)) {
      this.#content = without
      return open === undefined ? "none" : "not done"
    }
    if (open === undefined) return without
    const within = match(this.#after(open))
    if (isWrong(within)) return { wrong: `${without.wrong}; and if "${showOp(open)}" was still done: ${within.wrong}` }
    this.#content = within
    return "done"
  }

  start(op: Start): string | undefined {
    this.#open = op
    this.log.push(showOp(op))
    if (op.expected === undefined) return undefined
    const { commits } = this.#content
    if (commits.length === 0 || op.expected === 0)
      return commits.length === 0 && op.expected === 0
        ? undefined
        : `compareAndSave found revision ${op.expected}, in place of ${show(this.#content)}`
    return this.#reveal(op.expected)
  }

  end(end: End): string | undefined {
    const op = this.#open
    if (op === undefined) return "an operation ended that had not begun"
    if (end.error !== undefined) return this.#failed(op, end.error)
    this.#open = undefined
    this.log.push(`${this.log.pop()}, acknowledged`)
    const last = this.#content.commits.at(-1)?.state ?? this.#initial
    if (end.seen !== undefined && end.seen !== last)
      return `${op.op} saw ${name(end.seen)}, in place of ${last === null ? "nothing" : name(last)}`
    if (end.current !== undefined) {
      const matched = matchCurrent(this.#content, end.current)
      if (isWrong(matched)) return matched.wrong
      this.#content = matched
    }
    this.#content = this.#after(op)
    return end.revision === undefined ? undefined : this.#reveal(end.revision)
  }

  #failed(op: Start, [tag, message]: readonly [string, string]): string | undefined {
    const missing = this.#content.commits.length === 0 && this.#initial === null
    if (tag === "StateNotFound" && missing && (op.op === "load" || op.op === "update" || op.op === "modify")) {
      this.#open = undefined
      this.log.push(`${this.log.pop()}, refused: nothing is stored`)
      return undefined
    }
    if (!this.isDown) return `"${showOp(op)}" failed: ${message}`
    if (tag !== "WriteIndeterminate") this.#open = undefined
    return undefined
  }

  #after(op: Start): Content {
    const needsState = op.op === "update" || op.op === "modify"
    const missing = this.#content.commits.length === 0 && this.#initial === null
    return needsState && missing ? this.#content : after(this.#content, op)
  }

  #reveal(revision: number): string | undefined {
    const revealed = reveal(this.#content, this.#content.commits.length - 1, revision)
    if (isWrong(revealed)) return revealed.wrong
    this.#content = revealed
    return undefined
  }
}

/** An operation as one line. */
export const showOp = (op: Op & { readonly expected?: number | undefined }): string => {
  switch (op.op) {
    case "next":
      return `${op.by} to the next state`
    case "compareAndSave":
      return `compareAndSave state ${op.state}, expecting revision ${op.expected ?? "?"}`
    case "save":
    case "update":
    case "modify":
      return `${op.op} state ${op.state}`
    default:
      return op.op
  }
}
