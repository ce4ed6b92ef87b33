/** A table of vectors in PostgreSQL: what is asked of it, as effects. */
import { Effect } from "effect"
import { readError } from "../../internal/failure.ts"
import type { ReadError } from "../../StateError.ts"
import type { Engine, PostgresQuery } from "../../sql/Engine.ts"
import type { Match } from "../Engine.ts"
import type { Metric } from "../Stored.ts"
import type { Stamp } from "../stamps.ts"
import type { Changes } from "./known.ts"
import { type Index, type Layout, nameOf } from "./layout.ts"
import { fromStored, toStored } from "./names.ts"
import { type Place, prepare } from "./preparing.ts"
import { vectorsOf } from "./rows.ts"
import { type Statements, statementsOf } from "./statements.ts"

/** A row without its vector. */
export interface Row {
  readonly stamp: Stamp
  readonly isNowhere: boolean
}

/** Scores the vectors of rows that have just come. */
export type Score = (ids: ReadonlyArray<string>, vectors: Float32Array) => ReadonlyArray<Match>

/** What a table is made for. */
export interface Options extends Place {
  readonly session: NonNullable<Engine["postgres"]>
  readonly dimension: number
  readonly metric: Metric
  readonly index: Index
}

// Rows in one answer: some milliseconds to read, with vectors and without.
const vectorsInPage = 500
const rowsInPage = 5000

// As long as it takes: an index on a large table takes minutes.
const patience = 2 ** 31 - 1

// What comes right behind a text in the order of bytes.
const behind = (text: string): string => `${text}\u0001`

export class Table {
  readonly #options: Options
  readonly #where: { readonly agent: string }
  #layout: Layout | undefined
  #statements: Statements | undefined
  /** Whether there is an index that searches use. */
  #isIndexed = false

  constructor(options: Options) {
    this.#options = options
    this.#where = { agent: `pgvector ${options.name}` }
  }

  get isIndexed(): boolean {
    return this.#isIndexed
  }

  get isOpen(): boolean {
    return this.#statements !== undefined
  }

  #run<A>(
    operation: string,
    statements: (query: PostgresQuery) => Promise<A>,
    millis?: number
  ): Effect.Effect<A, ReadError> {
    return Effect.mapError(this.#options.session(statements, millis), readError(this.#where, operation))
  }

  /** Checks the table, or makes it, for a memory of this name. */
  open(memory: string): Effect.Effect<void, ReadError> {
    const prepared = this.#run("open", (query) => prepare(query, this.#options, memory), patience)
    return Effect.flatMap(prepared, (prepared) => {
      if ("error" in prepared) return Effect.fail(prepared.error(this.#where.agent))
      const { index } = this.#options
      this.#layout = { ...this.#options, ...prepared }
      this.#statements = statementsOf(this.#layout)
      const name = nameOf(index)
      this.#isIndexed = name !== undefined && prepared.indexes.includes(this.#options.name + name.suffix)
      return Effect.void
    })
  }

  get #ready(): Statements {
    if (this.#statements === undefined) throw new Error("the table is used before it is opened")
    return this.#statements
  }

  /** All rows, page by page. */
  get rows(): Effect.Effect<ReadonlyMap<string, Row>, ReadError> {
    return Effect.gen({ self: this }, function* () {
      const rows = new Map<string, Row>()
      for (let start = ""; ; ) {
        const page = yield* this.#run("read", (query) => query(this.#ready.page, [start, rowsInPage]))
        for (const [id, revision, savedAt, isNowhere] of page)
          rows.set(fromStored(String(id)), {
            stamp: { revision: Number(revision), savedAt: Number(savedAt) },
            isNowhere: isNowhere === true || isNowhere === "t"
          })
        if (page.length < rowsInPage) return rows
        start = behind(String(page.at(-1)?.[0]))
      }
    })
  }

  /** Writes changes, one statement for what is set and one for what is removed. */
  write(changes: Changes): Effect.Effect<void, ReadError> {
    return this.#run("write", async (query) => {
      const gone = [...changes].flatMap(([id, fresh]) => (fresh === undefined ? [toStored(id)] : []))
      if (gone.length > 0) await query(this.#ready.remove, [{ type: "text", values: gone }])
      const set = [...changes].flatMap(([id, fresh]) => (fresh === undefined ? [] : [[toStored(id), fresh] as const]))
      if (set.length === 0) return
      const { dimension } = this.#options
      const numbers = new Float32Array(set.length * dimension)
      for (const [i, [, { vector }]] of set.entries()) if (vector !== undefined) numbers.set(vector, i * dimension)
      await query(this.#ready.upsert, [
        { type: "text", values: set.map(([id]) => id) },
        { type: "int8", values: set.map(([, { stamp }]) => stamp.revision) },
        { type: "float8", values: set.map(([, { stamp }]) => stamp.savedAt) },
        { type: "bool", values: set.map(([, { vector }]) => vector !== undefined) },
        { type: "float4", values: Array.from(numbers) }
      ])
    })
  }

  /** Sees to it that there is the index that is wanted, and none of other settings, if there are rows enough for one. */
  get ensureIndex(): Effect.Effect<void, ReadError> {
    return Effect.suspend(() => {
      const { index, name } = this.#options
      const wanted = nameOf(index)
      if (wanted === undefined || this.#isIndexed) return Effect.void
      return Effect.map(
        this.#run(
          "index",
          async (query) => {
            if (index.kind === "ivfflat") {
              const [row] = await query(this.#ready.count, [index.trainedBy])
              if (Number(row?.[0]) < index.trainedBy) return false
            }
            await query(this.#ready.createIndex(name + wanted.suffix, wanted.parameters), [])
            return true
          },
          patience
        ),
        (isIndexed) => {
          this.#isIndexed = isIndexed
        }
      )
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Searching

  /** At most `count` of the nearest, as the index sees it, or with `exactly` as a comparison with all does. */
  nearest(
    query: Float32Array,
    count: number,
    exactly: boolean,
    score: Score
  ): Effect.Effect<ReadonlyArray<Match>, ReadError> {
    const { index } = this.#options
    const vector = { type: "float4", values: Array.from(query) } as const
    const asksIndex = this.#isIndexed && !exactly
    const breadth = index.kind === "hnsw" ? [String(Math.min(1000, Math.max(index.expansionSearch, count)))] : []
    return Effect.map(
      this.#run("search", (run) =>
        asksIndex
          ? run(this.#ready.nearest, [vector, count, ...breadth])
          : run(this.#ready.nearestOfAll, [vector, count])
      ),
      (rows) => this.#scored(rows, score)
    )
  }

  /** Those under these ids, or all that there are. */
  scan(ids: ReadonlyArray<string> | undefined, score: Score): Effect.Effect<ReadonlyArray<Match>, ReadError> {
    return Effect.gen({ self: this }, function* () {
      const found: Array<Match> = []
      for (let at = 0, start = ""; ; ) {
        if (ids !== undefined && at >= ids.length) return found
        const values = ids?.slice(at, at + vectorsInPage).map(toStored)
        const rows = yield* this.#run("search", (query) =>
          values === undefined
            ? query(this.#ready.all, [start, vectorsInPage])
            : query(this.#ready.some, [{ type: "text", values }])
        )
        for (const match of this.#scored(rows, score)) found.push(match)
        if (ids === undefined && rows.length < vectorsInPage) return found
        at += vectorsInPage
        start = behind(String(rows.at(-1)?.[0]))
      }
    })
  }

  #scored(rows: Awaited<ReturnType<PostgresQuery>>, score: Score): ReadonlyArray<Match> {
    const ids = rows.map(([id]) => fromStored(String(id)))
    return score(
      ids,
      vectorsOf(
        rows.map(([, bytes]) => bytes),
        this.#options.dimension
      )
    )
  }
}
