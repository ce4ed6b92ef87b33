/**
 * Any agent as a cache in front of any agent. Reads are answered from the cache, the absence of a state included; writes
 * go to the backend first and then to the cache, or as `write` says.
 *
 * - Promises: what the backend promises, `linearizable` where the backend is, to all who use this agent. Commits made
 *   around it are seen late: on the backend's own handle or in another process, when the backend tells of them; where it
 *   does not, after `ttl`. Hence shared by one `process`. No update is lost even then: `modify` and `compareAndSave` compare
 *   revisions in the backend, and a conflict empties the cache, so that the function of a `modify` runs again on what is
 *   there. A stale answer is never older than what was read or written through this agent. Writes behind are `volatile`,
 *   without history, and lost when somebody else wrote meanwhile.
 * - Costs: nothing in the backend a hit, and next to nothing where entries are kept in memory; a load from the backend and a
 *   copy of the state a miss, one for all fibers that miss together. A write decodes what it stored, and copies that. The
 *   backend tells of commits by a call; one that has `changes` alone takes a fiber a key, and so does `shared`: it reads the
 *   backend when it begins, and decodes each commit. A write behind costs an encoding and a copy, and another encoding when it reaches the
 *   backend.
 * - Fails: as the backend does, and with `StorageUnavailable` when an option is not what it has to be. A cache that fails
 *   is a miss, logged at debug level, and never fails an operation. Writes behind fail after they were acknowledged:
 *   `onFailure`, `flush` and `figures` tell.
 *
 * Law: it is transparent: over any agent it keeps every law that the agent keeps, and so it does when the cache loses
 * everything or always fails. What the cache holds is used only when this agent put it there and has since seen nothing
 * newer, so that a cache that outlives the process begins empty. What was read before an invalidation is never kept after.
 * With `shared`, what others put there is used too, within `ttl`, unless something newer is known here; it is then `lastWriteWins`.
 */
import { Effect, Exit, Function, type Schema, type Scope } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import { Hub } from "../agents/internal/hub.ts"
import * as Lifetime from "../agents/internal/lifetime.ts"
import { bytes, count, optional } from "../agents/internal/options.ts"
import type { Owned } from "../agents/internal/owned.ts"
import type { CompareError, StorageUnavailable } from "../agents/StateError.ts"
import * as VolatileAgent from "../agents/VolatileAgent.ts"
import { Cell } from "./cached/Cell.ts"
import { Cells } from "./cached/Cells.ts"
import { Entry } from "./cached/Entry.ts"
import type { Figures } from "./cached/Figures.ts"
import { overCells } from "./cached/family.ts"
import { behindOf, checkPolicy, type Policy } from "./cached/Policy.ts"
import { Shared } from "./cached/Shared.ts"
import { trusted } from "./cached/trusted.ts"
import { refusePerFiber } from "./internal/perFiber.ts"

export type { BehindOptions, Failure, Policy } from "./cached/Policy.ts"
export { Entry, type Figures }

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes besides the backend. */
export interface Options<S, E, R> extends Policy {
  /** Makes the agent that keeps the entries. Default: they are kept in memory. */
  readonly cache?:
    | ((schema: Schema.Codec<Entry<S>, unknown>) => Effect.Effect<DataAgent.DataAgent<Entry<S>>, E, R>)
    | undefined
}

/** What `family` takes besides the backend. */
export interface FamilyOptions<S, E, R> extends Policy {
  /** Makes the family that keeps the entries. Default: they are kept in memory. */
  readonly cache?:
    | ((schema: Schema.Codec<Entry<S>, unknown>) => Effect.Effect<Family.Family<Entry<S>>, E, R>)
    | undefined
  /** How many keys are cached, from 1; past it the least recently used ones are forgotten. Default: 10 000. */
  readonly maxKeys?: number | undefined
  /** How many bytes of entries are kept in memory by default, as JSON; costs one encoding an entry. Default: no limit. */
  readonly maxBytes?: number | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over a backend: the same, to the fibers of one process; written behind, nothing past that. */
export const claims = (backend: Claims, policy: Policy = {}): Claims => ({
  ...backend,
  sharing: "process",
  ...(policy.shared === true ? ({ consistency: "lastWriteWins" } as const) : {}),
  ...(behindOf(policy) === undefined ? {} : ({ durability: "volatile", history: "none" } as const))
})

// ---------------------------------------------------------------------------------------------------------------------
// make

/** What a cache can do besides. */
export interface Controls {
  /** What it has done and what it holds. */
  readonly figures: Effect.Effect<Figures>
  /**
   * Forgets what is cached, and what is being read for it. What waits to be written behind is kept. For commits made
   * around the cache of which no `changes` tell.
   */
  readonly invalidate: Effect.Effect<void>
  /**
   * Writes what waits to be written behind, once: done when what was acknowledged before is in the backend. Of many keys
   * that fail, the first failure is told.
   */
  readonly flush: Effect.Effect<void, CompareError>
}

/** An agent with a cache in front. */
export interface Cached<in out S> extends DataAgent.DataAgent<S>, Controls {}

/** A family with a cache in front of each key. */
export interface CachedFamily<in out S> extends Family.Family<S>, Controls {}

/** The backend with a cache in front. The two handles share lock and announcements. Fails when the cache cannot open. */
export const make: {
  <S, E = never, R = never>(
    options?: Options<S, E, R>
  ): (backend: DataAgent.DataAgent<S>) => Effect.Effect<Cached<S>, E | StorageUnavailable, R | Scope.Scope>
  <S, E = never, R = never>(
    backend: DataAgent.DataAgent<S>,
    options?: Options<S, E, R>
  ): Effect.Effect<Cached<S>, E | StorageUnavailable, R | Scope.Scope>
} = Function.dual(
  (args) => DataAgent.isDataAgent(args[0]),
  <S, E = never, R = never>(backend: DataAgent.DataAgent<S>, options: Options<S, E, R> = {}) =>
    Effect.gen(function* () {
      yield* checkPolicy(backend.name, options)
      yield* refusePerFiber(backend, "Cached")
      const { schema } = backend.codec
      const cache = options.cache && (yield* options.cache(Entry(schema)))
      const lifetime = yield* Lifetime.make
      const hub = yield* Hub.make<Owned<S>>()
      const shared = new Shared(backend.name, schema, options, yield* Effect.scope)
      const cell = new Cell(backend, cache, shared, hub.at(""))
      yield* Effect.acquireRelease(cell.follow, () => cell.end)
      const where = { agent: backend.name, key: backend.key }
      const guarded = Lifetime.guard(cell.register, where, lifetime)
      const agent = DataAgent.wrap(backend, () => guarded, claims(backend.claims, options))
      return Object.assign(agent, yield* controls(shared, () => [cell]))
    })
)

/** A family with a cache in front of each key that is used, for as long as it is among the last ones used. */
export const family: {
  <S, E = never, R = never>(
    options?: FamilyOptions<S, E, R>
  ): (backend: Family.Family<S>) => Effect.Effect<CachedFamily<S>, E | StorageUnavailable, R | Scope.Scope>
  <S, E = never, R = never>(
    backend: Family.Family<S>,
    options?: FamilyOptions<S, E, R>
  ): Effect.Effect<CachedFamily<S>, E | StorageUnavailable, R | Scope.Scope>
} = Function.dual(
  (args) => Family.isFamily(args[0]),
  <S, E = never, R = never>(backend: Family.Family<S>, options: FamilyOptions<S, E, R> = {}) =>
    Effect.gen(function* () {
      const { maxBytes, maxKeys = 10_000 } = options
      yield* refusePerFiber(backend.at(""), "Cached")
      yield* checkPolicy(backend.name, options, { maxKeys: optional(count), maxBytes: optional(bytes) })
      const { schema } = backend.codec
      const measured = { name: `cache of ${backend.name}`, schema: trusted(Entry(schema)), maxBytes }
      const cache =
        options.cache !== undefined
          ? yield* options.cache(Entry(schema))
          : maxBytes === undefined
            ? undefined
            : // Its options were checked.
              yield* Effect.orDie(VolatileAgent.family(measured))
      const lifetime = yield* Lifetime.make
      const hub = yield* Hub.make<Owned<S>>()
      const shared = new Shared(backend.name, schema, options, yield* Effect.scope)
      const cells = new Cells(backend, cache, shared, hub, maxKeys)
      yield* Effect.addFinalizer(() => cells.end)
      const family = overCells(backend, cells, lifetime, claims(backend.claims, options), shared.behind !== undefined)
      return Object.assign(family, yield* controls(shared, () => cells.all))
    })
)

/** What a cache can do besides. What waits is written when the scope closes. */
const controls = <S>(
  shared: Shared<S>,
  cells: () => ReadonlyArray<Cell<S>>
): Effect.Effect<Controls, never, Scope.Scope> => {
  const { counts, room } = shared
  const concurrency = 16
  const close = Effect.suspend(() => {
    room.isClosed = true
    return Effect.forEach([...room.waiting], ({ close }) => close, { concurrency, discard: true })
  })
  return Effect.as(
    Effect.addFinalizer(() => close),
    {
      figures: Effect.clockWith((clock) => {
        const loadedAt = cells().flatMap(({ front }) => front.standing.held?.loadedAt ?? [])
        return Effect.succeed(counts.figures(loadedAt, clock.currentTimeMillisUnsafe()))
      }),
      invalidate: Effect.sync(() => {
        for (const { front } of cells()) front.standing.invalidate()
      }),
      flush: Effect.suspend(() => {
        const exits = Effect.forEach([...room.waiting], ({ flush }) => Effect.exit(flush), { concurrency })
        return Effect.flatMap(exits, Exit.asVoidAll)
      })
    }
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// Functions, agent or family first or last

/** What a cache has done and what it holds. */
export const figures = (self: Controls): Effect.Effect<Figures> => self.figures

/** Forgets what is cached. */
export const invalidate = (self: Controls): Effect.Effect<void> => self.invalidate

/** Writes what waits to be written behind. */
export const flush = (self: Controls): Effect.Effect<void, CompareError> => self.flush
