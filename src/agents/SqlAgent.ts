/**
 * State in a SQL database: a row for each state, rows for its history. Which database is the layer's business:
 * `SqliteDriver.layer` of `dgents/sqlite`, `PostgresDriver.layer` of `dgents/postgres`.
 *
 * - Promises: what the driver claims, and `linearizable` on all of them. SQLite: `power` (`process` at `synchronous:
 *   "normal"`), shared by the processes of one `host`; in memory `volatile`, shared by the fibers of one `process`. Postgres:
 *   what the server's settings amount to, shared over a `network`. History as far as `history` says. Batches are all or nothing.
 * - Costs: one encoding and one transaction a save, shared with the saves that come at the same time; one row and one decoding a
 *   load, however long the history. A history copies the superseded state into a row of its own.
 * - Fails: with `StorageUnavailable` (says whether a retry makes sense), `StateCorrupt` for a damaged or foreign row or
 *   file, `WriteIndeterminate` when nobody can tell what became of a COMMIT, and `AgentClosed` after its scope.
 */
import { type Context, Effect, Exit, Layer, Predicate, type Scope } from "effect"
import { toCodec } from "../schema/Codec.ts"
import type { Claims } from "./Claims.ts"
import * as DataAgent from "./DataAgent.ts"
import * as Family from "./Family.ts"
import { readError } from "./internal/failure.ts"
import { check, historyOf, optional, rule, schema, text } from "./internal/options.ts"
import { type Indexes, indexes } from "./query/indexes.ts"
import { type ReadError, StateInvalid, StorageUnavailable } from "./StateError.ts"
import * as Retention from "./sql/retention.ts"
import { SqlDriver, type SqlDriverService } from "./sql/SqlDriver.ts"

export type {
  /** `"none"`, `"full"`, or limits: see `Options.history`. */
  History,
  /** Limits of a history: how many states, and how long ago they may have been saved. */
  Limits
} from "./sql/retention.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` and `family` take. The name also says which rows are theirs. */
export interface Options<S> extends DataAgent.Options<S> {
  /**
   * Which earlier states are kept: `"none"` (the default), `"full"`, or those within `{ bounded, maxAge }`: so many states,
   * the current one included, saved no longer ago. Limits are applied by each save to its own key, in its transaction;
   * `"none"` leaves a history that was kept earlier where it is, until the delete.
   */
  readonly history?: Retention.History | undefined
  /**
   * Keeps superseded states as differences (JSON Patch), with each of so many revisions in full: less space and fewer bytes
   * a save where a large state changes a little, for a read before each save and a little work for each state of the
   * history that is read. Default: 0, all in full.
   */
  readonly deltas?: number | undefined
  /**
   * Which fields of the current states the database keeps an index on, for the queries that look for them or order by them:
   * `(p) => [p.age, [p.address.city, p.name]]`, the second one an index over two. Each costs a little at every save. They are made
   * when the agent is opened, which takes a while where there are many states, and stay until somebody drops them.
   */
  readonly indexes?: Indexes<S> | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What an agent promises on a driver. */
export const claims = (
  driver: { readonly claims: Omit<Claims, "history"> },
  options?: { readonly history?: Retention.History | undefined }
): Claims => ({ ...driver.claims, history: Retention.claimOf(options?.history) })

// ---------------------------------------------------------------------------------------------------------------------
// make

/** What opening can fail with: an `initial` or a name that cannot be stored, or a database that does not answer. */
export type OpenError = StateInvalid | ReadError

/** One state. Agents of one name on one driver are the same state, apart from every family of that name. */
export const make = <S>(
  options: Options<S>
): Effect.Effect<DataAgent.DataAgent<S>, OpenError, Scope.Scope | SqlDriver> =>
  Effect.flatMap(open("agent", options, { agent: options.name }), ({ claims, store }) =>
    DataAgent.fromRegister({ ...options, claims, register: store.at("") })
  )

/** A state for each key. Families of one name on one driver hold the same states. */
export const family = <S>(options: Options<S>): Effect.Effect<Family.Family<S>, OpenError, Scope.Scope | SqlDriver> =>
  Effect.flatMap(open("family", options), ({ claims, store }) => Family.fromStore({ ...options, claims, store }))

const rules = {
  name: text,
  schema,
  history: historyOf("bounded", "maxAge"),
  indexes: optional(rule("a function from the fields of a state to a list of them", Predicate.isFunction)),
  deltas: optional(rule("a whole number from 0", (n) => Number.isSafeInteger(n) && Number(n) >= 0))
}

const index = <S>(
  { engine }: SqlDriverService,
  collection: string,
  { name, schema }: Options<S>,
  declared: Indexes<S>
): Effect.Effect<void, ReadError> => {
  const refused = (reason: string) =>
    new StorageUnavailable({
      agent: name,
      operation: "open",
      reason: `the option indexes: ${reason}`,
      retryable: false
    })
  const found = indexes({ name, codec: toCodec(schema) }, declared)
  if (Exit.isFailure(found)) return Effect.mapError(found, ({ message }) => refused(message))
  return Effect.forEach(
    found.value,
    (index) =>
      engine.index === undefined
        ? Effect.fail(refused(`${engine.name} has no indexes; leave it out`))
        : Effect.mapError(engine.index(collection, index), readError({ agent: name }, "open")),
    { discard: true }
  )
}

const open = <S>(kind: "agent" | "family", options: Options<S>, single?: { readonly agent: string }) =>
  Effect.gen(function* () {
    yield* check(options, rules)
    const { deltas = 0, history = "none", name } = options
    if (!name.isWellFormed())
      return yield* new StateInvalid({ agent: name, path: [], reason: "its agent's name has a lone surrogate" })
    const driver = yield* SqlDriver
    if (options.indexes !== undefined) yield* index(driver, `${kind}:${name}`, options, options.indexes)
    const store = yield* driver.store({
      // The kind sets an agent apart from the empty key of a family of the same name.
      collection: `${kind}:${name}`,
      isSingle: single !== undefined,
      retention: Retention.of(history, deltas),
      where: (key) => single ?? { agent: name, key }
    })
    return { claims: claims(driver, { history }), store }
  })

// ---------------------------------------------------------------------------------------------------------------------
// layer

/** A layer for a service tag of one agent. */
export const layer = <Self, S>(
  tag: Context.Key<Self, DataAgent.DataAgent<S>>,
  options: Options<S>
): Layer.Layer<Self, OpenError, SqlDriver> => Layer.effect(tag, make(options))

/** A layer for a service tag of a family. */
export const layerFamily = <Self, S>(
  tag: Context.Key<Self, Family.Family<S>>,
  options: Options<S>
): Layer.Layer<Self, OpenError, SqlDriver> => Layer.effect(tag, family(options))
