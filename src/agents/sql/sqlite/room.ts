/**
 * Room in the write-ahead log for the commits to come.
 *
 * A commit that makes the log longer waits for the journal of the file system too, which makes a small one take twice as
 * long; until the first checkpoint each of them does, and the log is new whenever the first connection opens. So it is made
 * longer ahead: by a transaction that is too large for the cache, which SQLite writes to the log, and rolls back.
 */
import { statSync } from "node:fs"
import type Database from "better-sqlite3"
import { isBusy } from "./errors.ts"

// Of each frame of the log: a page of 4 KB and its header. A page has 4 bytes less for a large value.
const frameBytes = 4096 + 24
const pageBytes = 4096 - 4
// Who commits less often than this does not need it.
const firstLook = 8
// To write 256 pages blocks the thread for two milliseconds.
const fewestPages = 64
const mostPages = 256
// A small commit writes fewer than this.
const pagesOfCommit = 4

export class Room {
  readonly #file: string
  readonly #open: () => Database.Database
  /** How many commits are to come before the log is looked at. */
  #commits = firstLook
  /** How many pages are known to fit into the file. */
  #pages = 0

  /** `open` opens the database once more: it takes a connection with a small cache, and the first one is to keep its own. */
  constructor(file: string, open: () => Database.Database) {
    this.#file = file
    this.#open = open
  }

  /** Notes a small commit. Answers whether `make` is to be called. */
  isWanted(): boolean {
    return --this.#commits === 0
  }

  /** Makes room if the pages that are in the log leave none. Where that fails, commits are as fast as without. */
  make(used: number): void {
    try {
      if (used + pagesOfCommit * firstLook > this.#pages) this.#pages = this.#lengthOf()
      if (used + pagesOfCommit * firstLook > this.#pages) this.#extend(Math.min(mostPages, Math.max(fewestPages, used)))
    } catch (error) {
      // The next commit tells of a disk that is full or fails.
      if (!isBusy(error)) return
    }
    this.#commits = Math.max(firstLook, Math.floor((this.#pages - used) / pagesOfCommit))
  }

  #extend(pages: number): void {
    const db = this.#open()
    try {
      db.pragma("cache_size = 1")
      db.exec("BEGIN IMMEDIATE; CREATE TABLE dgents_room (zeros)")
      db.prepare("INSERT INTO dgents_room VALUES (zeroblob(?))").run(pages * pageBytes)
      db.exec("ROLLBACK")
    } finally {
      db.close()
    }
    this.#pages = this.#lengthOf()
  }

  #lengthOf(): number {
    return Math.floor((statSync(`${this.#file}-wal`, { throwIfNoEntry: false })?.size ?? 0) / frameBytes)
  }
}
