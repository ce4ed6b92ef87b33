import { Effect, Exit, Option, Stream } from "effect"
import type { Codec } from "../../schema/Codec.ts"
import { memoryMember } from "../internal/memoryStorage.ts"
import type { Owned } from "../internal/owned.ts"
import type { Draft, Saving, StateRegister, Where } from "../internal/stateRegister.ts"
import type { Listener, Listening } from "../Register.ts"
import * as Revision from "../Revision.ts"
import { StateCorrupt } from "../StateError.ts"
import type { Memory } from "./Memory.ts"

// Members on the prototype: the register of a key is made for each use of the key, and kept with each key that is cached.
export class InMemory<in out S> implements StateRegister<S> {
  readonly entries = "states"
  readonly #memory: Memory<S>
  readonly #key: string
  readonly #where: Where
  readonly #codec: Codec<S>

  constructor(memory: Memory<S>, key: string, where: Where, codec: Codec<S>) {
    this.#memory = memory
    this.#key = key
    this.#where = where
    this.#codec = codec
  }

  get read(): StateRegister<S>["read"] {
    return this.#found(() => this.#memory.current(this.#key))
  }

  write(draft: Draft<S>, expected: Revision.Expected): Saving {
    return this.#memory.write(this.#key, this.#where, draft, expected)
  }

  begin(draft: Draft<S>, expected: Revision.Expected, answer: (saving: Saving) => void): boolean {
    return this.#memory.begin(this.#key, this.#where, draft, expected, answer)
  }

  get remove(): StateRegister<S>["remove"] {
    return Effect.sync(() => this.#memory.remove(this.#key))
  }

  history({ before, limit }: Revision.HistoryOptions = {}): ReturnType<StateRegister<S>["history"]> {
    return Stream.suspend(() => {
      const all = this.#memory.revisions(this.#key).toReversed()
      const older = before === undefined ? all : all.filter((kept) => kept.revision < before)
      const shown = older.slice(0, Math.max(0, limit ?? older.length))
      return Stream.mapEffect(Stream.fromIterable(shown), (kept) => this.#hand(kept))
    })
  }

  at(revision: Revision.Revision): StateRegister<S>["read"] {
    return this.#found(() => this.#memory.revisions(this.#key).find((kept) => kept.revision === revision))
  }

  asOf(time: number): StateRegister<S>["read"] {
    return this.#found(() => this.#memory.revisions(this.#key).findLast(({ savedAt }) => savedAt <= time))
  }

  get changes(): StateRegister<S>["changes"] {
    const current = Effect.sync(() => Option.fromUndefinedOr(this.#memory.revisions(this.#key).at(-1)))
    return Stream.mapEffect(this.#memory.announcer(this.#key).changes(current), (change) =>
      change._tag === "Deleted" ? Effect.succeed(change) : Effect.map(this.#hand(change), Revision.saved)
    )
  }

  listen(listener: Listener): Exit.Exit<Listening> {
    return Exit.succeed(this.#memory.announcer(this.#key).listen(listener))
  }

  get member(): StateRegister<S>["member"] {
    const [memory, key, where] = [this.#memory, this.#key, this.#where]
    return memoryMember<S>({
      place: memory,
      key,
      codec: this.#codec,
      where,
      read: this.read,
      revision: () => memory.revision(key),
      save: (state, savedAt, bytes) => memory.commit(key, where, state, savedAt, bytes, "any"),
      remove: () => memory.remove(key)
    })
  }

  #found(find: () => Revision.Revisioned<Owned<S>> | undefined): StateRegister<S>["read"] {
    return Effect.suspend(() => {
      const kept = find()
      return kept === undefined ? Effect.succeed(Option.none()) : Effect.map(this.#hand(kept), Option.some)
    })
  }

  #hand(kept: Revision.Revisioned<Owned<S>>): Effect.Effect<Revision.Revisioned<S>, StateCorrupt> {
    return Effect.mapBoth(kept.state.get, {
      onSuccess: (state): Revision.Revisioned<S> => ({ state, revision: kept.revision, savedAt: kept.savedAt }),
      onFailure: (error) => new StateCorrupt({ ...this.#where, location: "memory", reason: error.reason })
    })
  }
}
