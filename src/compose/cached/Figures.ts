/** What a cache has done since it was opened, and what it holds now. */
export interface Figures {
  /** Reads that were answered from the cache by an entry within its `ttl`. */
  readonly hits: number
  /** Reads that were answered from the cache by an entry past its `ttl`. */
  readonly staleHits: number
  /** Reads that waited for the backend. */
  readonly misses: number
  /** Reads of the backend behind a stale answer. */
  readonly refreshes: number
  /** Reads of the backend that failed. */
  readonly failures: number
  /** How many entries are held. */
  readonly entries: number
  /** Milliseconds since the oldest of them was read or written; undefined without one. */
  readonly age: number | undefined
  /** Writes that were acknowledged and have not reached the backend yet. */
  readonly pending: number
  /** Writes to the backend, of one or more acknowledged ones each. */
  readonly flushes: number
  /** Writes to the backend that failed, to be tried again or not. */
  readonly flushFailures: number
  /** Acknowledged writes that will never reach the backend. */
  readonly lost: number
}

/** The part that is counted. A family has one for all of its keys. */
export class Counts {
  hits = 0
  staleHits = 0
  misses = 0
  refreshes = 0
  failures = 0
  pending = 0
  flushes = 0
  flushFailures = 0
  lost = 0

  /** With what is held now: when the oldest entry was loaded, and the time, in milliseconds. */
  figures(loadedAt: ReadonlyArray<number>, now: number): Figures {
    const oldest = loadedAt.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
    return { ...this, entries: loadedAt.length, age: loadedAt.length === 0 ? undefined : now - oldest }
  }
}
