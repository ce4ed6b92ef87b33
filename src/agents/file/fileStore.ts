import { Clock, Effect, Exit, Option, type Scope, Semaphore, Stream } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import { Hub } from "../internal/hub.ts"
import { KeyedLock } from "../internal/keyedLock.ts"
import type * as Register from "../Register.ts"
import * as Revision from "../Revision.ts"
import { AgentClosed, type ReadError } from "../StateError.ts"
import { FileStates } from "./fileStates.ts"
import { HostStates } from "./hostStates.ts"
import type { KeyFiles } from "./keyFiles.ts"
import type { Recent } from "./recent.ts"
import { within } from "./retention.ts"
import type { OpenFailure, States } from "./states.ts"
import { type Current, copyEntry, type Where, type Writing } from "./stored.ts"

/** Who may have the files open at one time. */
export type FileSharing = "process" | "host"

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
  readonly sharing: FileSharing
  readonly #files: KeyFiles
  readonly #states: States
  readonly #hubs = new Set<Hub<Payload>>()
  readonly #locks = new KeyedLock("file")
  readonly #opening = Semaphore.makeUnsafe(1)
  readonly #gate = Semaphore.makeUnsafe(everyPermit)
  #opened = false
  #dropped = false

  constructor(files: KeyFiles, recent: Recent, sharing: FileSharing) {
    const publish = (key: string, change: Revision.Change<Payload>) => {
      for (const hub of this.#hubs) hub.publish(key, change)
    }
    this.#files = files
    this.sharing = sharing
    this.#states =
      sharing === "process"
        ? new FileStates(files, recent, publish)
        : new HostStates(files, recent, publish, (where, key, effect) => this.#exclusive(where, key, () => effect))
  }

  /** Recovers what is stored, once, whoever comes first. */
  open(name: string, writing: Writing): Effect.Effect<void, OpenFailure> {
    return this.#opening.withPermit(
      Effect.suspend(() =>
        this.#opened
          ? Effect.void
          : Effect.map(this.#states.recover({ agent: name }, writing), () => {
              this.#opened = true
            })
      )
    )
  }

  /** A handle that hears of every commit, until its scope closes. */
  handle(name: string, writing: Writing): Effect.Effect<Handle, never, Scope.Scope> {
    return Effect.flatMap(Hub.make<Payload>(), (hub) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          this.#hubs.add(hub)
          return { ...writing, name, hub }
        }),
        () => Effect.sync(() => this.#hubs.delete(hub))
      )
    )
  }

  /** Waits for what is under way, then lets nothing in and gives up what is held, unless somebody came meanwhile. */
  drop(stillUnused: () => boolean): Effect.Effect<void> {
    return this.#gate.withPermits(everyPermit)(
      Effect.suspend(() => {
        this.#dropped = stillUnused()
        return this.#dropped ? this.#states.close : Effect.void
      })
    )
  }

  #entered<A, E>(where: Where, effect: () => Effect.Effect<A, E>): Effect.Effect<A, E | AgentClosed> {
    return this.#gate.withPermit(
      Effect.suspend(
        (): Effect.Effect<A, E | AgentClosed> => (this.#dropped ? Effect.fail(new AgentClosed(where)) : effect())
      )
    )
  }

  #exclusive<A, E>(where: Where, key: string, effect: () => Effect.Effect<A, E>): Effect.Effect<A, E | AgentClosed> {
    return this.#gate.withPermit(
      this.#locks
        .at(key)
        .hold(
          Effect.suspend(
            (): Effect.Effect<A, E | AgentClosed> => (this.#dropped ? Effect.fail(new AgentClosed(where)) : effect())
          )
        )
    )
  }

  register(handle: Handle, key: string): Register.Register {
    const states = this.#states
    const { retention } = handle
    const where: Where = { agent: handle.name, key: this.#files.naming.keyed ? key : undefined }
    const look = () => states.current(where, key, handle)
    const current = Effect.suspend((): Effect.Effect<Current, ReadError> => {
      if (states.readsAlone) return this.#entered(where, look)
      const known = states.known(key)
      return known === undefined ? this.#exclusive(where, key, look) : Exit.succeed(known)
    })
    const read = Effect.map(
      current,
      Option.map(({ entry }) => copyEntry(entry))
    )
    const earlier = (current: Revision.Revision, since: number) =>
      Effect.map(
        this.#exclusive(where, key, () => states.earlier(where, key, current, since)),
        (all) => within(all, retention)
      )
    const earlierEntry = (revision: number, since: number) =>
      this.#exclusive(where, key, () => states.earlierEntry(where, key, revision, since))
    const oldest = Effect.map(Clock.currentTimeMillis, (now) => now - retention.millis)
    return {
      place: this,
      read,
      write: (next, expected) => this.#exclusive(where, key, () => states.write(where, key, handle, next, expected)),
      remove: this.#exclusive(where, key, () => states.remove(where, key, handle)),
      history: ({ before, limit } = {}) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const now = yield* current
            if (Option.isNone(now)) return Stream.empty
            const { entry, since } = now.value
            const kept = retention.count === 1 ? [] : yield* earlier(entry.revision, since)
            const all = [entry.revision, ...kept.map(({ revision }) => revision)]
            const asked = all.filter((revision) => before === undefined || revision < before)
            const oldestTime = yield* oldest
            return Stream.fromIterable(asked.slice(0, Math.max(0, limit ?? asked.length))).pipe(
              Stream.mapEffect((revision) =>
                revision === entry.revision
                  ? Effect.succeed(Option.some(copyEntry(entry)))
                  : earlierEntry(revision, since)
              ),
              // One that was removed meanwhile.
              Stream.filter(Option.isSome),
              Stream.map(({ value }) => value),
              Stream.takeWhile(({ revision, savedAt }) => revision === entry.revision || savedAt >= oldestTime)
            )
          })
        ),
      at: (revision) =>
        Effect.gen(function* () {
          const now = yield* current
          if (Option.isNone(now)) return Option.none()
          const { entry, since } = now.value
          if (entry.revision === revision) return Option.some(copyEntry(entry))
          if (revision > entry.revision || retention.count === 1) return Option.none()
          const isKept = (yield* earlier(entry.revision, since)).some((kept) => kept.revision === revision)
          if (!isKept) return Option.none()
          const oldestTime = yield* oldest
          return Option.filter(yield* earlierEntry(revision, since), ({ savedAt }) => savedAt >= oldestTime)
        }),
      listen: (listener) =>
        // Others are heard by following alone.
        states.follow === undefined ? Exit.succeed(handle.hub.at(key).listen(listener)) : undefined,
      get changes() {
        const changes = Stream.map(handle.hub.at(key).changes(read), (change) =>
          change._tag === "Deleted" ? change : Revision.saved(copyEntry(change))
        )
        return states.follow === undefined
          ? changes
          : Stream.unwrap(Effect.as(states.follow(where, key, handle), changes))
      }
    }
  }

  /** The keys that have a state. */
  keys(handle: Handle, prefix: string): Stream.Stream<string, ReadError> {
    return Stream.filter(this.#states.keys({ agent: handle.name }), (key) => key.startsWith(prefix))
  }
}
