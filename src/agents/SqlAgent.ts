/**
 * State in a SQL database: a row for each state, rows for its history. Which database is the layer's business:
 * `SqliteDriver.layer` of `dgents/sqlite`.
 *
 * - Promises: what the driver claims. SQLite: `power` (`process` at `synchronous: "normal"`, `volatile` in memory),
 *   `linearizable`, shared by the fibers of one `process`; history as far as `history` says. Batches are all or nothing.
 * - Costs: one encoding and one transaction a save, one row and one decoding a load. A history copies the superseded
 *   state into a row of its own. SQLite runs in this thread: a commit blocks it for one sync of the disk.
 * - Fails: with `StorageUnavailable` (says whether a retry makes sense), `StateCorrupt` for a damaged or foreign row or
 *   file, `WriteIndeterminate` when a COMMIT fails with an I/O error, and `AgentClosed` after its scope.
 */
import { type Context, Effect, Layer, type Scope } from "effect"
import type { Claims, ExactHistory } from "./Claims.ts"
import * as DataAgent from "./DataAgent.ts"
import * as Family from "./Family.ts"
import { type ReadError, StateInvalid } from "./StateError.ts"
import { SqlDriver } from "./sql/SqlDriver.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` and `family` take. The name also says which rows are theirs. */
export interface Options<S> extends DataAgent.Options<S> {
  /**
   * How many states are kept, the current one included. Default: `"none"`, the current one alone. A bound is applied
   * by each save to its own key; `"none"` leaves a history that was kept earlier where it is, until the delete.
   */
  readonly history?: ExactHistory | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What an agent promises on a driver. */
export const claims = (
  driver: { readonly claims: Omit<Claims, "history"> },
  options?: { readonly history?: ExactHistory | undefined }
): Claims => ({ ...driver.claims, history: options?.history ?? "none" })

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

const open = <S>(
  kind: "agent" | "family",
  { history = "none", name }: Options<S>,
  single?: { readonly agent: string }
) =>
  Effect.gen(function* () {
    if (!name.isWellFormed())
      return yield* new StateInvalid({ agent: name, path: [], reason: "its agent's name has a lone surrogate" })
    const driver = yield* SqlDriver
    const store = yield* driver.store({
      // The kind sets an agent apart from the empty key of a family of the same name.
      collection: `${kind}:${name}`,
      history,
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
