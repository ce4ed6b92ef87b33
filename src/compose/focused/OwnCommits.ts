import { Deferred, Effect, type Scope } from "effect"
import type { Revision } from "../../agents/Revision.ts"

interface Followed {
  readonly listeners: Set<Set<Revision>>
  /** Done when the write under way is. */
  writing: Deferred.Deferred<void> | undefined
}

/**
 * Which commits were made through one agent, or through any handle of a family's key, as long as somebody asks. Writers of a key hold
 * a lock, so there is one at a time.
 */
export class OwnCommits {
  readonly #followed = new Map<string | undefined, Followed>()

  /** Notes what a write commits. */
  note<E>(key: string | undefined, write: Effect.Effect<Revision, E>): Effect.Effect<Revision, E> {
    return Effect.suspend(() => {
      const followed = this.#followed.get(key)
      if (followed === undefined) return write
      const written = Deferred.makeUnsafe<void>()
      followed.writing = written
      return Effect.onExit(write, (exit) =>
        Effect.sync(() => {
          if (exit._tag === "Success") for (const commits of followed.listeners) commits.add(exit.value)
          followed.writing = undefined
          Deferred.doneUnsafe(written, Effect.void)
        })
      )
    })
  }

  /** A question to be asked of each commit in turn, for as long as the scope is open. */
  listen(key: string | undefined): Effect.Effect<(revision: Revision) => Effect.Effect<boolean>, never, Scope.Scope> {
    const begin = Effect.sync(() => {
      const followed = this.#followed.get(key) ?? { listeners: new Set(), writing: undefined }
      this.#followed.set(key, followed)
      const commits = new Set<Revision>()
      followed.listeners.add(commits)
      return { commits, followed }
    })
    const listening = Effect.acquireRelease(begin, ({ commits, followed }) =>
      Effect.sync(() => {
        followed.listeners.delete(commits)
        if (followed.listeners.size === 0 && this.#followed.get(key) === followed) this.#followed.delete(key)
      })
    )
    return Effect.map(
      listening,
      ({ commits, followed }) =>
        (revision: Revision) =>
          // A commit may be announced before the write that made it has returned.
          Effect.map(followed.writing === undefined ? Effect.void : Deferred.await(followed.writing), () =>
            commits.delete(revision)
          )
    )
  }
}
