import type Database from "better-sqlite3"
import { type LogStatements, prepare as prepareLog } from "./logStatements.ts"

/** A current state: revision, time, payload, and the revision with which it began. */
export type CurrentRow = [revision: number, savedAt: number, state: unknown, since: number]

/** A state of a history: revision, time, payload, and 1 if that is a patch. */
export type PastRow = [revision: number, savedAt: number, state: unknown, isPatch: number]

type Id = [collection: string, key: string]

/** The prepared statements of a connection, with what each binds and answers. */
export interface Statements {
  readonly begin: Database.Statement<[]>
  readonly beginImmediate: Database.Statement<[]>
  readonly commit: Database.Statement<[]>
  readonly rollback: Database.Statement<[]>
  readonly savepoint: Database.Statement<[]>
  readonly release: Database.Statement<[]>
  readonly rollbackTo: Database.Statement<[]>

  readonly read: Database.Statement<Id, CurrentRow>
  readonly revision: Database.Statement<Id, number>
  readonly floor: Database.Statement<[collection: string], number>
  readonly insert: Database.Statement<
    [collection: string, key: string, revision: number, since: number, savedAt: number, state: unknown]
  >
  /** Replaces the state, or inserts it with a first revision; its answer is the revision. */
  readonly upsert: Database.Statement<
    [collection: string, key: string, first: number, since: number, savedAt: number, state: unknown],
    number
  >
  /** Replaces the state of a revision that is known: its answer is whether it was. */
  readonly updateFrom: Database.Statement<[savedAt: number, state: unknown, ...Id, revision: number]>
  readonly remove: Database.Statement<Id, number>

  readonly archive: Database.Statement<Id>
  readonly archivePatch: Database.Statement<[patch: string, collection: string, key: string, base: number]>
  readonly pruneCount: Database.Statement<[collection: string, key: string, through: number]>
  readonly pruneAge: Database.Statement<[...Id, ...Id, from: number]>
  readonly removeHistory: Database.Statement<Id>
  readonly raiseFloor: Database.Statement<[collection: string, revision: number]>

  readonly history: Database.Statement<[...Id, before: number, ...Id, before: number, limit: number], PastRow>
  /** The first superseded state from a revision on. */
  readonly superseded: Database.Statement<[...Id, from: number], [revision: number, savedAt: number]>
  readonly keysFrom: Database.Statement<[collection: string, from: string, limit: number], string>
  readonly keysAfter: Database.Statement<[collection: string, after: string, limit: number], string>
  readonly version: Database.Statement<[], number>
  readonly log: LogStatements
}

/** Prepares every statement, once for a connection. Throws when the tables are not those of `schema.ts`. */
export const prepare = (db: Database.Database): Statements => {
  const run = <P extends Array<unknown>>(sql: string): Database.Statement<P> => db.prepare<P>(sql)
  const rows = <P extends Array<unknown>, R>(sql: string): Database.Statement<P, R> => db.prepare<P, R>(sql).raw()
  const values = <P extends Array<unknown>, A>(sql: string): Database.Statement<P, A> => db.prepare<P, A>(sql).pluck()

  return {
    begin: run("BEGIN"),
    beginImmediate: run("BEGIN IMMEDIATE"),
    commit: run("COMMIT"),
    rollback: run("ROLLBACK"),
    savepoint: run("SAVEPOINT dgents_write"),
    release: run("RELEASE dgents_write"),
    rollbackTo: run("ROLLBACK TO dgents_write"),

    read: rows("SELECT revision, saved_at, state, since FROM dgents_state WHERE collection = ? AND key = ?"),
    revision: values("SELECT revision FROM dgents_state WHERE collection = ? AND key = ?"),
    floor: values("SELECT revision FROM dgents_floor WHERE collection = ?"),
    insert: run(
      "INSERT INTO dgents_state (collection, key, revision, since, saved_at, state) VALUES (?, ?, ?, ?, ?, ?)"
    ),
    upsert: values(
      `INSERT INTO dgents_state (collection, key, revision, since, saved_at, state) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (collection, key)
       DO UPDATE SET revision = revision + 1, saved_at = excluded.saved_at, state = excluded.state
       RETURNING revision`
    ),
    updateFrom: run(
      `UPDATE dgents_state SET revision = revision + 1, saved_at = ?, state = ?
       WHERE collection = ? AND key = ? AND revision = ?`
    ),
    remove: values("DELETE FROM dgents_state WHERE collection = ? AND key = ? RETURNING revision"),

    archive: run(
      `INSERT INTO dgents_history (collection, key, revision, saved_at, state, patch)
       SELECT collection, key, revision, saved_at, state, 0 FROM dgents_state WHERE collection = ? AND key = ?`
    ),
    archivePatch: run(
      `INSERT INTO dgents_history (collection, key, revision, saved_at, state, patch)
       SELECT collection, key, revision, saved_at, ?, 1 FROM dgents_state
       WHERE collection = ? AND key = ? AND revision = ?`
    ),
    pruneCount: run("DELETE FROM dgents_history WHERE collection = ? AND key = ? AND revision <= ?"),
    // From the oldest on, up to the first that is young enough: what stays is not looked at.
    pruneAge: run(
      `DELETE FROM dgents_history WHERE collection = ? AND key = ? AND revision < coalesce(
         (SELECT revision FROM dgents_history WHERE collection = ? AND key = ? AND saved_at >= ? ORDER BY revision LIMIT 1),
         9223372036854775807)`
    ),
    removeHistory: run("DELETE FROM dgents_history WHERE collection = ? AND key = ?"),
    raiseFloor: run(
      `INSERT INTO dgents_floor (collection, revision) VALUES (?, ?)
       ON CONFLICT DO UPDATE SET revision = max(revision, excluded.revision)`
    ),

    history: rows(
      `SELECT revision, saved_at, state, 0 FROM dgents_state WHERE collection = ? AND key = ? AND revision < ?
       UNION ALL
       SELECT revision, saved_at, state, patch FROM dgents_history WHERE collection = ? AND key = ? AND revision < ?
       ORDER BY revision DESC LIMIT ?`
    ),
    superseded: rows(
      `SELECT revision, saved_at FROM dgents_history
       WHERE collection = ? AND key = ? AND revision >= ? ORDER BY revision LIMIT 1`
    ),

    // SQLite orders text by its UTF-8 bytes, in which keys with one prefix lie side by side.
    keysFrom: values("SELECT key FROM dgents_state WHERE collection = ? AND key >= ? ORDER BY key LIMIT ?"),
    keysAfter: values("SELECT key FROM dgents_state WHERE collection = ? AND key > ? ORDER BY key LIMIT ?"),
    version: values("PRAGMA data_version"),
    log: prepareLog(db)
  }
}
