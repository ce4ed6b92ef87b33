import { Effect, Exit, Option, Stream } from "effect"
import { byteLength, type Codec } from "../../schema/Codec.ts"
import { type ExactHistory, historyLength } from "../Claims.ts"
import type * as Family from "../Family.ts"
import type { Announcer, Hub } from "../internal/hub.ts"
import type { Owned } from "../internal/owned.ts"
import { Recency } from "../internal/recency.ts"
import { type Draft, overwrite, type Saving, type StateRegister, type Where } from "../internal/stateRegister.ts"
import * as Register from "../Register.ts"
import * as Revision from "../Revision.ts"
import type { RevisionConflict } from "../StateError.ts"
import { InMemory } from "./InMemory.ts"

/** What is kept, and of whom. */
export interface Options {
  readonly name: string
  readonly history?: ExactHistory | undefined
  readonly maxKeys?: number | undefined
  readonly maxBytes?: number | undefined
}

interface Cell<S> {
  /** Oldest first; the last one is current. */
  readonly revisions: Array<Revision.Revisioned<Owned<S>>>
  /** Encoded size of the current state, when sizes are limited. */
  bytes: number
}

/** States in memory by key. */
export class Memory<in out S> {
  readonly #codec: Codec<S>
  readonly #name: string
  readonly #keep: number
  readonly #maxKeys: number
  readonly #maxBytes: number | undefined
  readonly #hub: Hub<Owned<S>>
  readonly #cells = new Recency<Cell<S>>()
  #bytes = 0
  // The highest revision of any key that was deleted or forgotten: a key that comes back starts above it.
  #floor = 0

  constructor(codec: Codec<S>, options: Options, hub: Hub<Owned<S>>) {
    this.#codec = codec
    this.#name = options.name
    this.#keep = historyLength(options.history ?? "none")
    this.#maxKeys = options.maxKeys ?? Number.POSITIVE_INFINITY
    this.#maxBytes = options.maxBytes
    this.#hub = hub
  }

  at(key: string, where: Where, codec = this.#codec): StateRegister<S> {
    return new InMemory(this, key, where, codec)
  }

  announcer(key: string): Announcer<Owned<S>> {
    return this.#hub.at(key)
  }

  /** Oldest first. */
  revisions(key: string): ReadonlyArray<Revision.Revisioned<Owned<S>>> {
    return this.#cells.get(key)?.revisions ?? []
  }

  /** The current state, which is used by that. */
  current(key: string): Revision.Revisioned<Owned<S>> | undefined {
    return this.#use(key)?.revisions.at(-1)
  }

  store(): Family.StateStore<S> {
    const at = (key: string, codec?: Codec<S>) => this.at(key, { agent: this.#name, key }, codec)
    return {
      at,
      keys: (prefix) =>
        Stream.suspend(() =>
          Stream.fromIterable(Array.from(this.#cells, ([key]) => key).filter((key) => key.startsWith(prefix)))
        ),
      readMany: (keys) =>
        Effect.gen(function* () {
          const states = new Map<string, S>()
          for (const key of keys) {
            const found = yield* at(key).read
            if (Option.isSome(found)) states.set(key, found.value.state)
          }
          return states
        }),
      writeMany: (drafts) => Effect.forEach(drafts, ([key, draft]) => overwrite(at(key), draft), { discard: true }),
      removeMany: (keys) =>
        Effect.sync(() => {
          for (const key of keys) this.remove(key)
        })
    }
  }

  clear(): void {
    this.#cells.clear()
    this.#bytes = 0
  }

  #use(key: string): Cell<S> | undefined {
    return this.#limited ? this.#cells.use(key) : this.#cells.get(key)
  }

  get #limited(): boolean {
    return this.#maxBytes !== undefined || this.#maxKeys !== Number.POSITIVE_INFINITY
  }

  write(key: string, where: Where, draft: Draft<S>, expected: Revision.Expected): Saving {
    const size = this.#maxBytes === undefined ? Effect.succeed(0) : Effect.map(draft.payload(this.#codec), byteLength)
    return Effect.flatMap(size, (bytes) =>
      Effect.flatMap(
        draft.owned(this.#codec),
        // From the comparison to the insertion nothing yields, which is what makes the step atomic.
        (owned) => Effect.suspend(() => this.commit(key, where, owned, draft.savedAt, bytes, expected))
      )
    )
  }

  /** The same by the call itself, where nothing is to be waited for. */
  begin(
    key: string,
    where: Where,
    draft: Draft<S>,
    expected: Revision.Expected,
    answer: (saving: Saving) => void
  ): boolean {
    const owned = this.#maxBytes === undefined ? draft.ownedNow(this.#codec) : undefined
    if (owned !== undefined) answer(this.commit(key, where, owned, draft.savedAt, 0, expected))
    return owned !== undefined
  }

  revision(key: string): Revision.Revision {
    return this.revisions(key).at(-1)?.revision ?? Revision.absent
  }

  commit(
    key: string,
    where: Where,
    state: Owned<S>,
    savedAt: number,
    bytes: number,
    expected: Revision.Expected
  ): Exit.Exit<Revision.Revision, RevisionConflict> {
    const cell = this.#cells.get(key)
    const actual = this.revision(key)
    const revision = Revision.make((cell === undefined ? this.#floor : actual) + 1)
    return Exit.map(Register.check(where, expected, actual), () => {
      const revisions = cell?.revisions ?? []
      revisions.push({ state, savedAt, revision })
      if (revisions.length > this.#keep) revisions.splice(0, revisions.length - this.#keep)
      this.#bytes += bytes - (cell?.bytes ?? 0)
      this.#cells.set(key, { revisions, bytes })
      this.#hub.publish(key, Revision.saved({ state, savedAt, revision }))
      this.#evict()
      return revision
    })
  }

  // The newest state stays even if it alone is over `maxBytes`: what was just acknowledged can be loaded.
  #evict(): void {
    const over = () => this.#cells.size > this.#maxKeys || this.#bytes > (this.#maxBytes ?? Number.POSITIVE_INFINITY)
    for (let key = this.#cells.oldest; key !== undefined && this.#cells.size > 1 && over(); key = this.#cells.oldest)
      this.remove(key)
  }

  remove(key: string): Option.Option<Revision.Revision> {
    const cell = this.#cells.get(key)
    const revision = cell?.revisions.at(-1)?.revision
    if (cell === undefined || revision === undefined) return Option.none()
    this.#cells.delete(key)
    this.#bytes -= cell.bytes
    this.#floor = Math.max(this.#floor, revision)
    this.#hub.publish(key, Revision.deleted(revision))
    return Option.some(revision)
  }
}
