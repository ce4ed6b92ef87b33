import { Context, type Effect, type Scope } from "effect"
import type { Claims, ExactHistory } from "../Claims.ts"
import type { Where } from "../internal/stateRegister.ts"
import type { Store } from "../Register.ts"
import type { ReadError } from "../StateError.ts"

/** What a driver is told about the states that it is to keep. */
export interface StoreOptions {
  /** Whose states these are: data, to be bound and never pasted into SQL. Any well-formed string. */
  readonly collection: string
  /** How many states of each key are kept. */
  readonly history: ExactHistory
  /** What errors say about the place of a key. */
  readonly where: (key: string) => Where
}

/** What a database has to give so that `SqlAgent` runs on it. */
export interface SqlDriverService {
  /** Names the kind of database: `"sqlite"`. */
  readonly name: string
  /** What holds for every store of this database; the history is up to each store. */
  readonly claims: Omit<Claims, "history">
  /**
   * The states of one collection. Stores of one collection made by one driver see each other's commits in `changes`,
   * which end with the store's scope. Use after that, or after the driver's own scope, fails with `AgentClosed`.
   */
  readonly store: (options: StoreOptions) => Effect.Effect<Store, ReadError, Scope.Scope>
}

/** The database that `SqlAgent` keeps its states in. Its layers come from `dgents/sqlite` and the like. */
export class SqlDriver extends Context.Service<SqlDriver, SqlDriverService>()("dgents/SqlDriver") {}
