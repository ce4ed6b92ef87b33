import type Database from "better-sqlite3"
import { CommitFailed, resultCode } from "./errors.ts"
import { Known } from "./known.ts"
import { prepare, type Statements } from "./statements.ts"

/** How much is in the write-ahead log, in pages, and how much of that is in the database file as well. */
export interface Log {
  readonly pages: number
  readonly copied: number
}

type Checkpoint = Database.Statement<[], [busy: number, pages: number, copied: number]>

/** A database that is open, checked and set up, with its statements. Free of Effect: the worker has one of its own. */
export class Connection {
  readonly db: Database.Database
  readonly file: string
  readonly statements: Statements
  readonly known = new Known()
  readonly #log: Checkpoint
  readonly #passive: Checkpoint
  readonly #full: Checkpoint
  /** The first revision of new keys, by collection, for as long as the lock is held. */
  readonly #first = new Map<string, number>()
  #isOpen = true

  constructor(db: Database.Database, file: string) {
    this.db = db
    this.file = file
    this.statements = prepare(db)
    this.#log = prepareCheckpoint(db, "NOOP")
    this.#passive = prepareCheckpoint(db, "PASSIVE")
    this.#full = prepareCheckpoint(db, "FULL")
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  close(): void {
    this.#isOpen = false
    this.db.close()
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
   * Runs a body with the write lock held from its start. Commits if it answers that there is something to commit. Throws
   * `CommitFailed` when only the COMMIT failed. Nothing yields inside, so no other fiber finds the transaction open.
   */
  transaction<A>(body: () => A, hasWritten: (answer: A) => boolean): A {
    this.statements.beginImmediate.run()
    this.#first.clear()
    let answer: A
    try {
      answer = body()
    } catch (error) {
      this.#rollback()
      throw error
    }
    if (!hasWritten(answer)) {
      this.#rollback()
      return answer
    }
    try {
      this.statements.commit.run()
    } catch (error) {
      this.#rollback()
      throw new CommitFailed(error)
    }
    return answer
  }

  /** A part of a transaction that is undone alone. What throws here has been undone, if the transaction is still open. */
  part<A>(body: () => A): A {
    this.statements.savepoint.run()
    try {
      return body()
    } catch (error) {
      this.#first.clear()
      if (this.db.inTransaction) this.statements.rollbackTo.run()
      throw error
    } finally {
      if (this.db.inTransaction) this.statements.release.run()
    }
  }

  /** The revision that a new key of a collection begins with, in a transaction: many keys are looked up for once. */
  firstRevision(collection: string): number {
    const known = this.#first.get(collection)
    if (known !== undefined) return known
    const first = (this.statements.floor.get(collection) ?? 0) + 1
    this.#first.set(collection, first)
    return first
  }

  /** To be said when a key of the collection was removed. */
  forgetFloor(collection: string): void {
    this.#first.delete(collection)
  }

  /** Looks only, which takes about a microsecond. Zeros in memory. */
  get log(): Log {
    return asLog(this.#log.get())
  }

  /**
   * Copies the log into the database file, as far as no reader still needs the pages there. Both are synced. What others
   * wrote meanwhile, which is little, is copied with the write lock held: the log begins anew if it is whole when that is let
   * go. Answers whether it was; the lock may be another connection's.
   */
  checkpoint(): boolean {
    this.#passive.get()
    return this.#full.get()?.[0] === 0
  }

  hasIndex(name: string): boolean {
    return this.db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?").get(name) !== undefined
  }

  /** What is wrong with the database, in SQLite's words. Reads all of it. */
  check(): ReadonlyArray<string> {
    try {
      const found = this.db.prepare<[], string>("PRAGMA integrity_check").pluck().all()
      return found.length === 1 && found[0] === "ok" ? [] : found
    } catch (error) {
      const code = resultCode(error)
      if (code?.startsWith("SQLITE_CORRUPT") === true) return [`the file is too damaged to be checked (${code})`]
      throw error
    }
  }

  // After some errors (a full disk, an I/O error) SQLite has rolled back by itself already.
  #rollback(): void {
    if (!this.db.inTransaction) return
    try {
      this.statements.rollback.run()
    } catch {
      // The error that led here is the one to report; a transaction that is still open fails the next BEGIN.
    }
  }
}

const prepareCheckpoint = (db: Database.Database, mode: "NOOP" | "PASSIVE" | "FULL"): Checkpoint =>
  db.prepare<[], [busy: number, pages: number, copied: number]>(`PRAGMA wal_checkpoint(${mode})`).raw()

const asLog = (row: readonly [busy: number, pages: number, copied: number] | undefined): Log =>
  row === undefined || row[1] < 0 ? { pages: 0, copied: 0 } : { pages: row[1], copied: row[2] }
