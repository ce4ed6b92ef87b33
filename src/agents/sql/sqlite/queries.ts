import type Database from "better-sqlite3"
import { Recency } from "../../internal/recency.ts"
import type { Failure, Statement } from "../Engine.ts"
import { isBusy, resultCode } from "./errors.ts"

// Programs have a few dozen queries; those that paste values into SQL would have any number.
const mostPrepared = 100

/** A row by the names of its columns. */
export type QueryRow = Readonly<Record<string, unknown>>

/** A statement that is not run, and why. */
export class Refused {
  readonly failure: Failure

  constructor(reason: string, cause?: unknown, failure?: Failure) {
    this.failure = failure ?? { _tag: "Unavailable", reason, retryable: false, cause }
  }

  static corrupt(reason: string): Refused {
    return new Refused(reason, undefined, { _tag: "Corrupt", location: "the database", reason })
  }
}

/** Statements that read, prepared once each; of many the ones that were used last. */
export class Queries {
  readonly #db: Database.Database
  readonly #prepared = new Recency<Database.Statement<Array<unknown>, QueryRow>>()

  constructor(db: Database.Database) {
    this.#db = db
  }

  /** Throws `Refused` for what is no statement that reads, and what SQLite throws. */
  run({ params, sql }: Statement): ReadonlyArray<QueryRow> {
    const statement = this.#prepare(sql)
    try {
      return statement.all(...params)
    } catch (error) {
      // The binding says so when there are more or fewer parameters than places for them, or what it cannot bind.
      if (error instanceof RangeError || error instanceof TypeError) throw new Refused(error.message, error)
      throw withMessage(error)
    }
  }

  #prepare(sql: string): Database.Statement<Array<unknown>, QueryRow> {
    const known = this.#prepared.use(sql)
    if (known !== undefined) return known
    const statement = this.#compile(sql)
    this.#prepared.set(sql, statement)
    if (this.#prepared.size > mostPrepared) this.#prepared.deleteOldest()
    return statement
  }

  #compile(sql: string): Database.Statement<Array<unknown>, QueryRow> {
    let statement: Database.Statement<Array<unknown>, QueryRow>
    try {
      statement = this.#db.prepare<Array<unknown>, QueryRow>(sql)
    } catch (error) {
      if (error instanceof RangeError) throw new Refused("there is no statement in it, or more than one", error)
      throw withMessage(error)
    }
    if (!statement.reader || !statement.readonly)
      throw new Refused("only statements that read can be queried; states are written through agents")
    return statement
  }
}

// Unlike elsewhere, what SQLite says is of the statement, which somebody wrote, and not of a state: no such column.
const withMessage = (error: unknown): unknown =>
  resultCode(error) === "SQLITE_ERROR" && error instanceof Error && error.message === "malformed JSON"
    ? Refused.corrupt("a state that the query looks at is not JSON")
    : refusedOr(error)

const refusedOr = (error: unknown): unknown =>
  resultCode(error) === "SQLITE_ERROR" && error instanceof Error && !isBusy(error)
    ? new Refused(`SQLite refuses the statement: ${error.message}`, error)
    : error
