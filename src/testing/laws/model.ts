import { Effect, type Option } from "effect"
import { historyLength, historyMost } from "../../agents/Claims.ts"
import * as Revision from "../../agents/Revision.ts"
import { type Broken, broken, type Case } from "../internal/case.ts"

/** A commit of the model. Revision and time are known once the agent has shown them, and may not change then. */
export interface Commit<S> {
  readonly state: S
  revision?: Revision.Revision
  savedAt?: number
}

/** The pure model of one agent: what has been committed since the last deletion, and which revisions have been seen. */
export class Model<in out S> {
  readonly #run: Case<S>
  /** Oldest first. */
  commits: Array<Commit<S>> = []
  /** Every revision ever seen, in order of appearance, those of deleted states included. */
  readonly known: Array<Revision.Revision> = []
  /** No later commit may have a revision up to this one. */
  #floor = 0

  constructor(run: Case<S>) {
    this.#run = run
  }

  get current(): Commit<S> | undefined {
    return this.commits.at(-1)
  }

  commit(state: S): Commit<S> {
    const commit: Commit<S> = { state }
    this.commits.push(commit)
    return commit
  }

  delete(): void {
    this.#floor = Math.max(this.#floor, ...this.known)
    this.commits = []
  }

  /** The revision `n` steps back among those seen. */
  seen(n: number): Revision.Revision | undefined {
    return this.known.length === 0 ? undefined : this.known[this.known.length - 1 - (n % this.known.length)]
  }

  /** A revision that was never given out. */
  get future(): Revision.Revision {
    return Revision.make(Math.max(this.#floor, ...this.known, 0) + 1_000)
  }

  /** The agent says that a commit has this revision: it must fit what is known of the others. */
  reveal(commit: Commit<S>, revision: Revision.Revision): Effect.Effect<void, Broken> {
    return Effect.suspend(() => {
      if (commit.revision !== undefined)
        return commit.revision === revision
          ? Effect.void
          : broken(
              `a state that had revision ${commit.revision} when it was looked at before now has revision ${revision}`
            )
      if (!Number.isSafeInteger(revision) || revision < 1) return broken(`${revision} is not a revision`)
      const at = this.commits.indexOf(commit)
      const older = Math.max(this.#floor, ...this.commits.slice(0, at).map((other) => other.revision ?? 0))
      const newer = Math.min(...this.commits.slice(at + 1).map((other) => other.revision ?? Number.POSITIVE_INFINITY))
      if (revision <= older)
        return broken(
          this.#floor >= older
            ? `a new state has revision ${revision}, though a state that was deleted had revision ${older} already: revisions grow, and a delete must not forget how far they had come`
            : `a newer state has revision ${revision}, an older one had ${older}: revisions grow with each commit`
        )
      if (revision >= newer)
        return broken(
          `an older state has revision ${revision}, a newer one had ${newer}: revisions grow with each commit`
        )
      commit.revision = revision
      this.known.push(revision)
      return Effect.void
    })
  }

  /** What the agent shows of a commit agrees with the model. */
  match(what: string, commit: Commit<S>, shown: Revision.Revisioned<S>): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      yield* this.#run.same(what, commit.state, shown.state)
      yield* this.reveal(commit, shown.revision)
      if (!Number.isFinite(shown.savedAt)) return yield* broken(`${what}: savedAt is ${shown.savedAt}`)
      commit.savedAt ??= shown.savedAt
      if (commit.savedAt !== shown.savedAt)
        yield* broken(`${what}: savedAt was ${commit.savedAt} before and is ${shown.savedAt}`)
    })
  }

  /** What `current` answers agrees with the model. */
  matchCurrent(shown: Option.Option<Revision.Revisioned<S>>): Effect.Effect<void, Broken> {
    const { current } = this
    if (shown._tag === "None")
      return current === undefined ? Effect.void : broken("current is none though a state was saved")
    return current === undefined
      ? broken(`current is revision ${shown.value.revision} though nothing is stored`)
      : this.match("current", current, shown.value)
  }

  /** What `history` answers agrees with the model: newest first, as far back as claimed, no further than carried. */
  matchHistory(
    what: string,
    shown: ReadonlyArray<Revision.Revisioned<S>>,
    options: Revision.HistoryOptions
  ): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const { carried, claims } = this.#run.world
      const { before, limit = Number.POSITIVE_INFINITY } = options
      const fits = (commit: Commit<S>) =>
        before === undefined || commit.revision === undefined || commit.revision < before
      const select = (keep: number) =>
        this.commits
          .slice(Math.max(0, this.commits.length - keep))
          .filter(fits)
          .reverse()
          .slice(0, limit)
      const most = select(historyMost(carried.history))
      const least = select(historyLength(claims.history)).length
      if (shown.length < least || shown.length > most.length)
        return yield* broken(
          `${what} has ${shown.length} entries (revisions ${shown.map((entry) => entry.revision).join(", ")}), expected ${least === most.length ? least : `${least} to ${most.length}`}`
        )
      const unordered = shown.some((entry, i) => i > 0 && entry.revision >= (shown[i - 1]?.revision ?? 0))
      if (unordered)
        return yield* broken(
          `${what} is not newest first: its revisions are ${shown.map((entry) => entry.revision).join(", ")}`
        )
      for (const [i, entry] of shown.entries()) {
        const commit = most[i]
        if (commit !== undefined) yield* this.match(`${what}, entry ${i} of newest first`, commit, entry)
      }
    })
  }

  /** Where a revision is: kept for certain, perhaps still kept, or gone. */
  find(revision: Revision.Revision): { readonly commit: Commit<S>; readonly certain: boolean } | undefined {
    const { carried, claims } = this.#run.world
    const at = this.commits.findIndex((commit) => commit.revision === revision)
    const commit = this.commits[at]
    const age = this.commits.length - at
    return commit === undefined || age > historyMost(carried.history)
      ? undefined
      : { commit, certain: age <= historyLength(claims.history) }
  }
}
