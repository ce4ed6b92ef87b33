/**
 * What finds the nearest vectors. A vector agent keeps items durable, embeds and checks; an engine only ranks. `exact`
 * compares with every vector; an approximate one fits behind the same interface.
 */
import type { Effect } from "effect"
import type { ReadError } from "../StateError.ts"
import type { IndexUnsaved, IndexUnusable } from "./IndexError.ts"
import type { Metric } from "./Stored.ts"
import type { Stamp } from "./stamps.ts"

/** An id with its score, higher is better. */
export interface Match {
  readonly id: string
  readonly score: number
}

/** What to look for. */
export interface Request {
  /** The most matches wanted; 0 or more, `Infinity` for all. */
  readonly k: number
  /** Matches below this score are left out. */
  readonly minScore: number
  /** Which ids may match; asked for the candidates only, not for every id. */
  readonly accept?: ((id: string) => boolean) | undefined
}

/** What is set: a vector under an id, with the stamp of `set`. */
export type Entry = readonly [id: string, vector: Float32Array, stamp?: Stamp | undefined]

/** Vectors by id. Vectors that come in have the engine's dimension and hold finite numbers only; they are copied. */
export interface Engine {
  readonly size: () => number
  /**
   * Adds a vector, or replaces the one under this id. Seen by every search that begins later. The stamp says which state of its
   * item it was made from, as far as that is known, for an engine that has a `table`.
   */
  readonly set: (id: string, vector: Float32Array, stamp?: Stamp) => void
  /**
   * Adds many, as `set` does, and lets other fibers run in between. They are seen all at once, by searches that begin after
   * that, and an interrupt before shows none of them. Of an id given twice the last vector counts. The vectors must not change
   * meanwhile. Without it, call `set`.
   */
  readonly setMany?: (entries: ReadonlyArray<Entry>) => Effect.Effect<void>
  /** Forgets an id. It is in no answer that is given later, not even of a search that began before. */
  readonly delete: (id: string) => void
  /**
   * The best matches, best first, equal scores by id in code-unit order. `answer` runs in the same instant in which they
   * are known to hold, so that what it looks up by id is what was scored. Fails only where vectors are in a database.
   */
  readonly search: <B>(
    query: Float32Array,
    request: Request,
    answer: (matches: ReadonlyArray<Match>) => B
  ) => Effect.Effect<B, ReadError>
  /** Makes room for this many vectors in all, so that loading them does not grow step by step. */
  readonly reserve: (size: number) => void
  /** Forgets everything, also what is being added or loaded at that moment. */
  readonly clear: () => void
  /** Keeps the index in a file, where making it again would take long. */
  readonly index?: IndexFile | undefined
  /** Keeps the vectors in a table of a database, and not in memory. */
  readonly table?: IndexTable | undefined
}

/** An index on disk: what can be made again from the vectors, so that a file that does not fit is no loss but of time. */
export interface IndexFile {
  /**
   * Replaces the file, durably and in one step: whoever reads finds the old one or the new one. It holds the vectors as they
   * are at the call. The mark comes back from `load`: say in it up to which change of the items the index goes. So does what
   * `stampOf` says that the vector of an id was made from.
   */
  readonly save: (
    path: string,
    mark: string,
    stampOf?: (id: string) => Stamp | undefined
  ) => Effect.Effect<void, IndexUnsaved>
  /**
   * Replaces all that the engine holds by what the file holds, and answers its mark; `told` gets every id in the same instant. After
   * a failure nothing has changed. What a library wrote is read after that, and until then every search compares with all; where it
   * is of no use it is made anew from the vectors, and `unread` is told, since the file is worth replacing; without it, the log.
   */
  readonly load: (
    path: string,
    told?: (id: string, stamp: Stamp) => void,
    unread?: (error: IndexUnusable) => void
  ) => Effect.Effect<string, IndexUnusable>
}

/**
 * Vectors in a table that outlives the engine. It follows what is set and deleted, a little later; until then searches take that
 * from memory. Each row says which state of its item it was made from, so that whoever opens it can tell what is missing.
 */
export interface IndexTable {
  /** Checks that the table is the one of this memory, and makes it if there is none. Before anything else. */
  readonly open: (memory: string) => Effect.Effect<void, ReadError>
  /**
   * Takes what the table holds now, whoever wrote it, for what the engine holds, apart from what is still on its way there.
   * `use` is told in the same instant what each vector was made from.
   */
  readonly load: (use: (stamps: ReadonlyMap<string, Stamp>) => void) => Effect.Effect<void, ReadError>
  /** Waits until the table has all that was set and deleted. */
  readonly save: Effect.Effect<void, ReadError>
  /** The same, and sees to it that the database has an index on what came in since it was loaded. */
  readonly complete: Effect.Effect<void, ReadError>
}

/** Makes an engine. */
export type MakeEngine = (options: { readonly dimension: number; readonly metric: Metric }) => Engine
