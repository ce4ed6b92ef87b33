import type Database from "better-sqlite3"
import { Exit } from "effect"
import { CommitFailed } from "./errors.ts"
import { prepare, type Statements } from "./statements.ts"

/** A database that is open, checked and set up, with its statements. */
export class Connection {
  readonly file: string
  readonly statements: Statements
  readonly #db: Database.Database
  #isOpen = true

  constructor(db: Database.Database, file: string) {
    this.#db = db
    this.file = file
    this.statements = prepare(db)
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  close(): void {
    this.#isOpen = false
    this.#db.close()
  }

  /** Reads from one snapshot. */
  snapshot<A>(body: () => A): A {
    this.statements.begin.run()
    try {
      const found = body()
      this.statements.commit.run()
      return found
    } catch (error) {
      this.#rollback()
      throw error
    }
  }

  /**
   * Runs a body with the write lock held from its start, and commits if it succeeds. Throws `CommitFailed` when only the
   * COMMIT failed. Nothing yields inside, so no other fiber finds the transaction open.
   */
  transaction<A, E>(body: () => Exit.Exit<A, E>): Exit.Exit<A, E> {
    this.statements.beginImmediate.run()
    let exit: Exit.Exit<A, E>
    try {
      exit = body()
    } catch (error) {
      this.#rollback()
      throw error
    }
    if (Exit.isFailure(exit)) {
      this.#rollback()
      return exit
    }
    try {
      this.statements.commit.run()
    } catch (error) {
      this.#rollback()
      throw new CommitFailed(error)
    }
    return exit
  }

  // After some errors (a full disk, an I/O error) SQLite has rolled back by itself already.
  #rollback(): void {
    if (!this.#db.inTransaction) return
    try {
      this.statements.rollback.run()
    } catch {
      // The error that led here is the one to report; a transaction that is still open fails the next BEGIN.
    }
  }
}
