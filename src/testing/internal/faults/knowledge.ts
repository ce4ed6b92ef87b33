import { Effect, Option } from "effect"
import { historyLength, historyMost } from "../../../agents/Claims.ts"
import type { Revision, Revisioned } from "../../../agents/Revision.ts"
import { type Broken, broken, type Case } from "../case.ts"
import { show } from "../same.ts"

interface Commit<S> {
  readonly state: S
  /** Whether it is known to have happened. */
  certain: boolean
}

/**
 * What may be stored, as far as the answers tell: an acknowledged write did happen, one that failed for a known reason
 * did not, and an indeterminate one did or did not, which the next look decides for good.
 */
export class Knowledge<in out S> {
  readonly #run: Case<S>
  #possible: ReadonlyArray<Option.Option<S>> = [Option.none()]
  /** Since the last deletion, oldest first. */
  #commits: Array<Commit<S>> = []
  #answered = ""
  #last: { readonly revision: Revision; readonly key: string } | undefined

  constructor(run: Case<S>) {
    this.#run = run
  }

  get mayBeAbsent(): boolean {
    return this.#possible.some(Option.isNone)
  }

  /** What the last write answered, to be told beside what does not fit it. */
  answered(what: string, answer: string): void {
    this.#answered = ` (the ${what} before it ${answer})`
  }

  acknowledged(next: Option.Option<S>): void {
    this.#possible = [next]
    if (Option.isSome(next)) this.#commits.push({ state: next.value, certain: true })
    else this.#commits = []
  }

  indeterminate(next: Option.Option<S>): void {
    this.#possible = [...this.#possible, next]
    if (Option.isSome(next)) this.#commits.push({ state: next.value, certain: false })
    // Whether any of it is still there.
    else for (const commit of this.#commits) commit.certain = false
  }

  /** A state that somebody was shown is one that may be stored; from then on it is the one. */
  saw(what: string, seen: Option.Option<S>): Effect.Effect<void, Broken> {
    return Effect.map(this.#match(what, seen, this.#possible), (fits) => {
      this.#possible = [fits]
      if (Option.isNone(fits)) this.#commits = []
    })
  }

  /** What may be stored as of now, for a copy of the storage: nothing is learned from it about the storage itself. */
  get asOfNow(): (what: string, seen: Option.Option<Revisioned<S>>) => Effect.Effect<void, Broken> {
    const possible = this.#possible
    const answered = this.#answered
    return (what, seen) => {
      const state = Option.map(seen, (found) => found.state)
      return Effect.asVoid(this.#match(what, state, possible, answered))
    }
  }

  #match(
    what: string,
    seen: Option.Option<S>,
    possible: ReadonlyArray<Option.Option<S>>,
    answered = this.#answered
  ): Effect.Effect<Option.Option<S>, Broken> {
    const { same } = this.#run.world
    const fits = possible.find((one) =>
      Option.isSome(one) && Option.isSome(seen)
        ? same.differ(one.value, seen.value) === undefined
        : Option.isNone(one) && Option.isNone(seen)
    )
    if (fits !== undefined) return Effect.succeed(fits)
    const list = possible.map((one) => (Option.isSome(one) ? show(one.value) : "nothing")).join(" or ")
    const got = Option.isSome(seen) ? show(seen.value) : "nothing"
    return broken(`${what}: expected ${list}, got ${got}${answered}`)
  }

  /** As `saw`, with the revision: a revision stands for one state, and never goes back. */
  sawCurrent(what: string, current: Option.Option<Revisioned<S>>): Effect.Effect<void, Broken> {
    const state = Option.map(current, (found) => found.state)
    return Effect.flatMap(this.saw(what, state), () => {
      if (Option.isNone(current)) return Effect.void
      const { revision } = current.value
      const key = this.#run.world.same.key(current.value.state)
      const last = this.#last
      this.#last = { revision, key }
      if (last !== undefined && revision < last.revision)
        return broken(`${what}: revision ${revision} after revision ${last.revision} had been seen`)
      if (last !== undefined && revision === last.revision && key !== last.key)
        return broken(`${what}: revision ${revision} had another state before`)
      return Effect.void
    })
  }

  /** The history holds each acknowledged commit once and no other, newest first, as far back as the claim says. */
  sawHistory(what: string, entries: ReadonlyArray<Revisioned<S>>): Effect.Effect<void, Broken> {
    const { carried, claims, same } = this.#run.world
    const revisions = entries.map(({ revision }) => revision)
    if (revisions.some((revision, i) => i > 0 && revision >= (revisions[i - 1] ?? 0)))
      return broken(`${what}: revisions ${revisions.join(", ")} are not in order`)
    const most = historyLength(claims.history)
    const commits = [...this.#commits].reverse()
    // Each entry is a commit, and what was passed over on the way to the next entry may not have happened.
    const explains = (commit: number, entry: number): boolean => {
      const found = entries[entry]
      if (found === undefined)
        return (entry >= most && entry > 0) || commits.slice(commit).every(({ certain }) => !certain)
      const one = commits[commit]
      if (one === undefined) return false
      if (same.differ(one.state, found.state) === undefined && explains(commit + 1, entry + 1)) return true
      return !one.certain && explains(commit + 1, entry)
    }
    if (entries.length <= historyMost(carried.history) && explains(0, 0)) return Effect.void
    const told = commits.map(({ certain, state }) => `${show(state)}${certain ? "" : " (perhaps)"}`).join(", ")
    return broken(`${what}: [${entries.map(({ state }) => show(state)).join(", ")}] after the commits [${told}]`)
  }
}
