import type Database from "better-sqlite3"

/** A stream: its number, its last position, what of it is gone, and when its last event was appended. */
export type HeadRow = [stream: number, last: number, compacted: number, at: number]

/** An event that was appended. */
export type EventRow = [position: number, at: number, type: string, data: string]

/** The prepared statements about events, with what each binds and answers. */
export interface LogStatements {
  readonly head: Database.Statement<[collection: string, key: string], HeadRow>
  readonly begin: Database.Statement<[collection: string, key: string], number>
  readonly known: Database.Statement<[stream: number, id: string], [first: number, last: number]>
  readonly insert: Database.Statement<
    [stream: number, position: number, at: number, type: string, data: string, id: string | null, first: number | null]
  >
  readonly advance: Database.Statement<[last: number, at: number, stream: number]>
  readonly forget: Database.Statement<[stream: number, upTo: number]>
  readonly compacted: Database.Statement<[upTo: number, stream: number]>

  readonly events: Database.Statement<[stream: number, after: number, limit: number], EventRow>
  readonly at: Database.Statement<[stream: number, position: number], number>
  /** From a prefix or above a key, whichever comes later. */
  readonly keys: Database.Statement<
    [{ readonly collection: string; readonly from: string; readonly after: string | null; readonly limit: number }],
    string
  >
}

/** Prepares them, once for a connection. */
export const prepare = (db: Database.Database): LogStatements => {
  const run = <P extends Array<unknown>>(sql: string): Database.Statement<P> => db.prepare<P>(sql)
  const rows = <P extends Array<unknown>, R>(sql: string): Database.Statement<P, R> => db.prepare<P, R>(sql).raw()
  const values = <P extends Array<unknown>, A>(sql: string): Database.Statement<P, A> => db.prepare<P, A>(sql).pluck()

  return {
    head: rows("SELECT stream, last, compacted, at FROM dgents_stream WHERE collection = ? AND key = ?"),
    begin: values(
      "INSERT INTO dgents_stream (collection, key, last, compacted, at) VALUES (?, ?, 0, 0, -1e999) RETURNING stream"
    ),
    known: rows("SELECT first, position FROM dgents_event WHERE stream = ? AND id = ?"),
    insert: run("INSERT INTO dgents_event (stream, position, at, type, data, id, first) VALUES (?, ?, ?, ?, ?, ?, ?)"),
    advance: run("UPDATE dgents_stream SET last = ?, at = ? WHERE stream = ?"),
    forget: run("DELETE FROM dgents_event WHERE stream = ? AND position <= ?"),
    compacted: run("UPDATE dgents_stream SET compacted = ? WHERE stream = ?"),

    events: rows(
      "SELECT position, at, type, data FROM dgents_event WHERE stream = ? AND position > ? ORDER BY position LIMIT ?"
    ),
    at: values("SELECT at FROM dgents_event WHERE stream = ? AND position = ?"),
    // One bound, so that the index is entered at the right place.
    keys: values(
      `SELECT key FROM dgents_stream WHERE collection = :collection AND key >= max(:from, coalesce(:after, ''))
       AND key IS NOT :after ORDER BY key LIMIT :limit`
    )
  }
}
