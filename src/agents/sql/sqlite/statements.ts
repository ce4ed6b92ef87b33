import type Database from "better-sqlite3"

/** A stored state: revision, time, payload. */
export type Row = [revision: number, savedAt: number, state: unknown]

/** The prepared statements of a connection, with what each binds and answers. */
export interface Statements {
  readonly begin: Database.Statement<[]>
  readonly beginImmediate: Database.Statement<[]>
  readonly commit: Database.Statement<[]>
  readonly rollback: Database.Statement<[]>

  readonly read: Database.Statement<[collection: string, key: string], Row>
  readonly revision: Database.Statement<[collection: string, key: string], number>
  readonly update: Database.Statement<
    [savedAt: number, state: unknown, collection: string, key: string, expected: number]
  >
  readonly insert: Database.Statement<
    [collection: string, key: string, collection: string, savedAt: number, state: unknown],
    number
  >
  readonly upsert: Statements["insert"]
  readonly remove: Database.Statement<[collection: string, key: string], number>

  readonly archive: Database.Statement<[collection: string, key: string]>
  readonly prune: Database.Statement<[collection: string, key: string, through: number]>
  readonly removeHistory: Database.Statement<[collection: string, key: string]>
  readonly raiseFloor: Database.Statement<[collection: string, revision: number]>
  readonly history: Database.Statement<
    [collection: string, key: string, before: number, collection: string, key: string, before: number, limit: number],
    Row
  >

  readonly keysFrom: Database.Statement<[collection: string, from: string, limit: number], string>
  readonly keysAfter: Database.Statement<[collection: string, after: string, limit: number], string>
}

/** Prepares every statement, once for a connection. Throws when the tables are not those of `schema.ts`. */
export const prepare = (db: Database.Database): Statements => {
  const run = <P extends Array<unknown>>(sql: string): Database.Statement<P> => db.prepare<P>(sql)
  const rows = <P extends Array<unknown>>(sql: string): Database.Statement<P, Row> => db.prepare<P, Row>(sql).raw()
  const values = <P extends Array<unknown>, A>(sql: string): Database.Statement<P, A> => db.prepare<P, A>(sql).pluck()

  const insert = `INSERT INTO dgents_state (collection, key, revision, saved_at, state)
    VALUES (?, ?, coalesce((SELECT revision FROM dgents_floor WHERE collection = ?), 0) + 1, ?, ?)`
  return {
    begin: run("BEGIN"),
    beginImmediate: run("BEGIN IMMEDIATE"),
    commit: run("COMMIT"),
    rollback: run("ROLLBACK"),

    read: rows("SELECT revision, saved_at, state FROM dgents_state WHERE collection = ? AND key = ?"),
    revision: values("SELECT revision FROM dgents_state WHERE collection = ? AND key = ?"),
    update: run(
      `UPDATE dgents_state SET revision = revision + 1, saved_at = ?, state = ?
       WHERE collection = ? AND key = ? AND revision = ?`
    ),
    insert: values(`${insert} ON CONFLICT DO NOTHING RETURNING revision`),
    upsert: values(
      `${insert} ON CONFLICT DO UPDATE SET revision = revision + 1, saved_at = excluded.saved_at, state = excluded.state
       RETURNING revision`
    ),
    remove: values("DELETE FROM dgents_state WHERE collection = ? AND key = ? RETURNING revision"),

    archive: run(
      `INSERT INTO dgents_history (collection, key, revision, saved_at, state)
       SELECT collection, key, revision, saved_at, state FROM dgents_state WHERE collection = ? AND key = ?`
    ),
    prune: run("DELETE FROM dgents_history WHERE collection = ? AND key = ? AND revision <= ?"),
    removeHistory: run("DELETE FROM dgents_history WHERE collection = ? AND key = ?"),
    raiseFloor: run(
      `INSERT INTO dgents_floor (collection, revision) VALUES (?, ?)
       ON CONFLICT DO UPDATE SET revision = max(revision, excluded.revision)`
    ),
    history: rows(
      `SELECT revision, saved_at, state FROM dgents_state WHERE collection = ? AND key = ? AND revision < ?
       UNION ALL
       SELECT revision, saved_at, state FROM dgents_history WHERE collection = ? AND key = ? AND revision < ?
       ORDER BY revision DESC LIMIT ?`
    ),

    // SQLite orders text by its UTF-8 bytes, in which keys with one prefix lie side by side.
    keysFrom: values("SELECT key FROM dgents_state WHERE collection = ? AND key >= ? ORDER BY key LIMIT ?"),
    keysAfter: values("SELECT key FROM dgents_state WHERE collection = ? AND key > ? ORDER BY key LIMIT ?")
  }
}
