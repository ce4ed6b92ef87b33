import { Effect, Exit, Option, type Scope, Semaphore, Stream } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import { Hub } from "../internal/hub.ts"
import { KeyedLock } from "../internal/keyedLock.ts"
import type * as Register from "../Register.ts"
import * as Revision from "../Revision.ts"
import { AgentClosed, type ReadError, type StateCorrupt, type StorageUnavailable } from "../StateError.ts"
import type { Disk } from "./disk.ts"
import { type Current, copyEntry, FileStates, type Where, type Writing } from "./fileStates.ts"
import type * as Names from "./names.ts"
import type { Recent } from "./recent.ts"

/** One opening of a store. */
export interface Handle extends Writing {
  /** What its user calls it. */
  readonly name: string
  readonly hub: Hub<Payload>
}

const everyPermit = 2 ** 31

/**
 * What all openings of one place in this process share: a lock for each key, the announcements, and what is known of the
 * states. So compare-and-set and `changes` hold across openings.
 */
export class FileStore {
  readonly #states: FileStates
  readonly #hubs = new Set<Hub<Payload>>()
  readonly #locks = new KeyedLock("file")
  readonly #opening = Semaphore.makeUnsafe(1)
  readonly #gate = Semaphore.makeUnsafe(everyPermit)
  #opened = false
  #dropped = false

  constructor(disk: Disk, directory: string, naming: Names.Naming, recent: Recent) {
    this.#states = new FileStates(disk, directory, naming, recent, (key, change) => {
      for (const hub of this.#hubs) hub.publish(key, change)
    })
  }

  /** Recovers what is stored, once, whoever comes first. */
  open(name: string): Effect.Effect<void, StateCorrupt | StorageUnavailable> {
    return this.#opening.withPermit(
      Effect.suspend(() =>
        this.#opened
          ? Effect.void
          : Effect.map(this.#states.recover({ agent: name }), () => {
              this.#opened = true
            })
      )
    )
  }

  /** A handle that hears of every commit, until its scope closes. */
  handle(options: Omit<Handle, "hub">): Effect.Effect<Handle, never, Scope.Scope> {
    return Effect.flatMap(Hub.make<Payload>(), (hub) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          this.#hubs.add(hub)
          return { ...options, hub }
        }),
        () => Effect.sync(() => this.#hubs.delete(hub))
      )
    )
  }

  /** Waits for what is under way, then lets nothing in. */
  drop(stillUnused: () => boolean): Effect.Effect<void> {
    return this.#gate.withPermits(everyPermit)(
      Effect.sync(() => {
        this.#dropped = stillUnused()
      })
    )
  }

  register(handle: Handle, key: string): Register.Register {
    const where: Where = { agent: handle.name, key: this.#states.naming.keyed ? key : undefined }
    const exclusive = <A, E>(effect: () => Effect.Effect<A, E>): Effect.Effect<A, E | AgentClosed> =>
      this.#gate.withPermit(
        this.#locks
          .at(key)
          .hold(
            Effect.suspend(
              (): Effect.Effect<A, E | AgentClosed> => (this.#dropped ? Effect.fail(new AgentClosed(where)) : effect())
            )
          )
      )
    const read = Effect.suspend((): Effect.Effect<Current, ReadError> => {
      const known = this.#states.known(key)
      const current = known === undefined ? exclusive(() => this.#states.current(where, key)) : Exit.succeed(known)
      return Effect.map(current, Option.map(copyEntry))
    })
    return {
      place: this,
      read,
      write: (next, expected) => exclusive(() => this.#states.write(where, key, handle, next, expected)),
      remove: exclusive(() => this.#states.remove(where, key)),
      history: ({ before, limit } = {}) =>
        Stream.unwrap(
          Effect.gen({ self: this }, function* () {
            const current = yield* read
            if (Option.isNone(current)) return Stream.empty
            const { revision } = current.value
            const earlier = handle.keep === 1 ? [] : yield* this.#states.earlier(where, key, revision, handle.keep)
            const all = [revision, ...earlier].filter((revision) => before === undefined || revision < before)
            return Stream.fromIterable(all.slice(0, Math.max(0, limit ?? all.length))).pipe(
              Stream.mapEffect((each) =>
                each === revision ? Effect.succeed(current) : this.#states.earlierEntry(where, key, each)
              ),
              // One that was pruned meanwhile.
              Stream.filter(Option.isSome),
              Stream.map(({ value }) => value)
            )
          })
        ),
      at: (revision) =>
        Effect.gen({ self: this }, function* () {
          const current = yield* read
          if (Option.isNone(current) || current.value.revision === revision) return current
          if (revision > current.value.revision || handle.keep === 1) return Option.none()
          const kept =
            handle.keep === Number.POSITIVE_INFINITY ||
            (yield* this.#states.earlier(where, key, current.value.revision, handle.keep)).includes(revision)
          return kept ? yield* this.#states.earlierEntry(where, key, revision) : Option.none()
        }),
      get changes() {
        return Stream.map(handle.hub.at(key).changes(read), (change) =>
          change._tag === "Deleted" ? change : Revision.saved(copyEntry(change))
        )
      }
    }
  }

  /** The keys that have a state. */
  keys(handle: Handle, prefix: string): Stream.Stream<string, ReadError> {
    return Stream.filter(this.#states.keys({ agent: handle.name }), (key) => key.startsWith(prefix))
  }
}
