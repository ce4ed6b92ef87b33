/** What is compared: stores of vectors under numbers, each behind the same two functions. */
import { join } from "node:path"
import { PGlite } from "@electric-sql/pglite"
import { vector } from "@electric-sql/pglite-pgvector"
import Database from "better-sqlite3"
import { ExactEngine, SqlDriver } from "dgents"
import { Faiss } from "dgents/faiss"
import { Pgvector } from "dgents/pgvector"
import { PgliteDriver } from "dgents/postgres"
import { Usearch } from "dgents/usearch"
import { Effect, Scope } from "effect"
import { importFrom, type Packages } from "../compare/install.ts"
import { dimension, k, type Points, vectorAt } from "./points.ts"

/** The numbers of the nearest, by cosine. */
export type Ask = (query: Float32Array) => ReadonlyArray<number> | Promise<ReadonlyArray<number>>

/** One way to ask what was added. */
export interface Setting {
  readonly label: string
  readonly ask: Ask
}

export interface Store {
  /** Adds all vectors, and returns once they are found by every setting. */
  readonly add: () => Promise<void>
  /** In the order in which they are tried; a later one may change what an earlier one asked. */
  readonly settings: ReadonlyArray<{ readonly label: string; readonly open: () => Promise<Ask> }>
}

export interface Product {
  readonly name: string
  /** Whether it is a row of the table, with its first setting, besides a line of the plot. */
  readonly isInTable: boolean
  /** With more vectors than this it is left out. */
  readonly most?: number
  /** Which of the installations it takes. */
  readonly from?: keyof typeof installations
  readonly open: (points: Points, directory: string, installed: string) => Store | Promise<Store>
}

const versions = { lancedb: "0.37.1", sqliteVec: "0.1.9", langchain: "1.0.50" }

/** What is installed aside. */
export const installations = {
  lancedb: { dependencies: { "@lancedb/lancedb": versions.lancedb, "apache-arrow": "18.1.0" }, compiles: [] },
  sqliteVec: { dependencies: { "sqlite-vec": versions.sqliteVec }, compiles: [] },
  langchain: { dependencies: { "@langchain/classic": versions.langchain, "@langchain/core": "1.4.0" }, compiles: [] }
} satisfies Record<string, Packages>

const countOf = ({ vectors }: Points): number => vectors.length / dimension

// ---------------------------------------------------------------------------------------------------------------------
// Ours

type Engine = ReturnType<Effect.Success<ReturnType<typeof ExactEngine.engine>>>

const made = { dimension, metric: "cosine" } as const

const askOf =
  (engine: Engine): Ask =>
  (query) =>
    Effect.runPromise(
      engine.search(query, { k, minScore: Number.NEGATIVE_INFINITY }, (matches) => matches.map(({ id }) => Number(id)))
    )

const addTo = async (engine: Engine, points: Points): Promise<void> => {
  const entries = Array.from({ length: countOf(points) }, (_, i) => [`${i}`, vectorAt(points, i)] as const)
  // Sound: each of these engines has it.
  await Effect.runPromise((engine.setMany as NonNullable<Engine["setMany"]>)(entries))
}

const exact =
  (quantization: "none" | "int8"): Product["open"] =>
  async (points) => {
    const engine = (await Effect.runPromise(ExactEngine.engine({ quantization })))(made)
    return { add: () => addTo(engine, points), settings: [{ label: "", open: async () => askOf(engine) }] }
  }

/** An engine that keeps its index in a file: made by the first setting, and opened by the others. */
const kept =
  (
    engines: ReadonlyArray<readonly [label: string, make: Effect.Effect<(options: typeof made) => Engine, unknown>]>
  ): Product["open"] =>
  async (points, directory) => {
    const path = join(directory, "index")
    const of = async (make: (typeof engines)[number][1]) => (await Effect.runPromise(make))(made)
    return {
      add: async () => {
        const [first] = engines
        if (first === undefined) return
        const engine = await of(first[1])
        await addTo(engine, points)
        await Effect.runPromise(engine.index?.save(path, "") ?? Effect.void)
      },
      settings: engines.map(([label, make]) => ({
        label,
        open: async () => {
          const engine = await of(make)
          if (engine.index !== undefined) await Effect.runPromise(engine.index.load(path))
          // Sound: an engine over a library has it. It waits until the library has read its part of the file.
          await Effect.runPromise((engine as Engine & { readonly settled: Effect.Effect<void> }).settled)
          return askOf(engine)
        }
      }))
    }
  }

const usearch = kept(
  [64, 16, 32, 128, 256].map((expansionSearch) => [`${expansionSearch}`, Usearch.engine({ expansionSearch })] as const)
)

const faissGraph = kept(
  [64, 16, 32, 128, 256].map((efSearch) => [`${efSearch}`, Faiss.engine({ index: "HNSW32", efSearch })] as const)
)

const faissLists = (nprobe: number): Product["open"] =>
  kept([[`${nprobe}`, Faiss.engine({ index: "IVF256,Flat", nprobe })]])

/** PostgreSQL within this process: a server does the same work in about a third of the time. */
const pgvector =
  (index: "hnsw" | "ivfflat"): Product["open"] =>
  async (points) => {
    const instance = await PGlite.create({ extensions: { vector } })
    const driver = await Effect.runPromise(Scope.provide(PgliteDriver.make({ instance }), Scope.makeUnsafe()))
    const open = async (breadth: number, isFirst: boolean) => {
      const options: Pgvector.Options["index"] =
        index === "hnsw" ? { kind: index, expansionSearch: breadth } : { kind: index, lists: 100, probes: breadth }
      const make = Pgvector.engine({ table: "vectors", index: options })
      const engine = (await Effect.runPromise(Effect.provideService(make, SqlDriver, driver)))(made)
      const { table } = engine
      if (table === undefined) throw new Error("it has no table")
      await Effect.runPromise(table.open("compared"))
      if (isFirst) await addTo(engine, points)
      await Effect.runPromise(
        Effect.andThen(
          table.load(() => undefined),
          table.complete
        )
      )
      return askOf(engine)
    }
    const breadths = index === "hnsw" ? [64, 16, 32, 128, 256] : [10, 1, 3, 30]
    return {
      add: async () => void (await open(breadths[0] ?? 1, true)),
      settings: breadths.map((breadth) => ({ label: `${breadth}`, open: () => open(breadth, false) }))
    }
  }

// ---------------------------------------------------------------------------------------------------------------------
// Others. The casts are sound: the versions are pinned, and each has the exports that are asked for.

const sqliteVec: Product["open"] = async (points, directory, installed) => {
  const { getLoadablePath } = (await importFrom(installed, "sqliteVec", "sqlite-vec")) as {
    readonly getLoadablePath: () => string
  }
  const db = new Database(join(directory, "vectors.db"))
  db.pragma("journal_mode = WAL")
  db.loadExtension(getLoadablePath())
  db.exec(`CREATE VIRTUAL TABLE vectors USING vec0(embedding float[${dimension}] distance_metric=cosine)`)
  const insert = db.prepare("INSERT INTO vectors (rowid, embedding) VALUES (?, ?)")
  const nearest = db
    .prepare<[Buffer, number], number>("SELECT rowid FROM vectors WHERE embedding MATCH ? AND k = ? ORDER BY distance")
    .pluck()
  const bytes = ({ buffer, byteLength, byteOffset }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength)
  const addAll = db.transaction(() => {
    for (let i = 0; i < countOf(points); i++) insert.run(BigInt(i), bytes(vectorAt(points, i)))
  })
  return {
    add: async () => addAll(),
    settings: [{ label: "", open: async () => (query) => nearest.all(bytes(query), k) }]
  }
}

/** What is used of LanceDB. */
interface LanceQuery {
  readonly distanceType: (type: "cosine") => LanceQuery
  readonly select: (columns: ReadonlyArray<string>) => LanceQuery
  readonly limit: (count: number) => LanceQuery
  readonly toArray: () => Promise<ReadonlyArray<{ readonly id: number }>>
}
interface LanceTable {
  readonly add: (rows: ReadonlyArray<object>) => Promise<unknown>
  readonly createIndex: (column: string, options: { readonly config: unknown }) => Promise<void>
  readonly vectorSearch: (vector: Float32Array) => LanceQuery
}
interface Lance {
  readonly connect: (path: string) => Promise<{
    readonly createTable: (name: string, rows: ReadonlyArray<object>) => Promise<LanceTable>
  }>
  readonly Index: { readonly hnswSq: (options: { readonly distanceType: "cosine" }) => unknown }
}

const lanceBatch = 10_000

const lancedb =
  (isIndexed: boolean): Product["open"] =>
  async (points, directory, installed) => {
    const { connect, Index } = (await importFrom(installed, "lancedb", "@lancedb/lancedb")) as Lance
    const db = await connect(join(directory, "lance"))
    let table: LanceTable | undefined
    const rows = (from: number) =>
      Array.from({ length: Math.min(lanceBatch, countOf(points) - from) }, (_, i) => ({
        id: from + i,
        vector: Array.from(vectorAt(points, from + i))
      }))
    return {
      add: async () => {
        table = await db.createTable("vectors", rows(0))
        for (let from = lanceBatch; from < countOf(points); from += lanceBatch) await table.add(rows(from))
        if (isIndexed) await table.createIndex("vector", { config: Index.hnswSq({ distanceType: "cosine" }) })
      },
      settings: [
        {
          label: "",
          open: async () => async (query) => {
            const search = table?.vectorSearch(query).distanceType("cosine").select(["id", "_distance"]).limit(k)
            return ((await search?.toArray()) ?? []).map(({ id }) => id)
          }
        }
      ]
    }
  }

interface MemoryVectorStore {
  readonly addVectors: (vectors: Array<Array<number>>, documents: ReadonlyArray<object>) => Promise<void>
  readonly similaritySearchVectorWithScore: (
    query: ReadonlyArray<number>,
    k: number
  ) => Promise<ReadonlyArray<readonly [{ readonly metadata: { readonly id: number } }, number]>>
}

const langchain: Product["open"] = async (points, _, installed) => {
  const { MemoryVectorStore } = (await importFrom(
    installed,
    "langchain",
    "@langchain/classic/vectorstores/memory"
  )) as { readonly MemoryVectorStore: new (embeddings: object) => MemoryVectorStore }
  const store = new MemoryVectorStore({})
  return {
    add: () => {
      const numbers = Array.from({ length: countOf(points) }, (_, i) => i)
      return store.addVectors(
        numbers.map((i) => Array.from(vectorAt(points, i))),
        numbers.map((id) => ({ pageContent: "", metadata: { id } }))
      )
    },
    settings: [
      {
        label: "",
        open: async () => async (query) =>
          (await store.similaritySearchVectorWithScore(Array.from(query), k)).map(([{ metadata }]) => metadata.id)
      }
    ]
  }
}

// ---------------------------------------------------------------------------------------------------------------------

export const products: Readonly<Record<string, Product>> = {
  exact: { name: "`exact`", isInTable: true, open: exact("none") },
  exactInt8: { name: '`exact`, `"int8"`', isInTable: true, open: exact("int8") },
  usearch: { name: "`Usearch`, `expansionSearch`", isInTable: true, open: usearch },
  faissHnsw: { name: '`Faiss` `"HNSW32"`, `efSearch`', isInTable: true, open: faissGraph },
  faissIvf16: { name: '`Faiss` `"IVF256,Flat"`, `nprobe`', isInTable: true, open: faissLists(16) },
  faissIvf4: { name: '`Faiss` `"IVF256,Flat"`, `nprobe`', isInTable: false, open: faissLists(4) },
  faissIvf1: { name: '`Faiss` `"IVF256,Flat"`, `nprobe`', isInTable: false, open: faissLists(1) },
  pgvectorHnsw: {
    name: '`Pgvector` `"hnsw"` on PGlite, `expansionSearch`',
    isInTable: true,
    most: 20_000,
    open: pgvector("hnsw")
  },
  pgvectorIvf: {
    name: '`Pgvector` `"ivfflat"` on PGlite, `probes`',
    isInTable: true,
    most: 20_000,
    open: pgvector("ivfflat")
  },
  sqliteVec: {
    name: `sqlite-vec ${versions.sqliteVec}, a vec0 table`,
    isInTable: true,
    from: "sqliteVec",
    open: sqliteVec
  },
  lancedb: { name: `LanceDB ${versions.lancedb}, no index`, isInTable: true, from: "lancedb", open: lancedb(false) },
  lancedbHnsw: {
    name: `LanceDB ${versions.lancedb}, IVF_HNSW_SQ as it is by default`,
    isInTable: true,
    from: "lancedb",
    open: lancedb(true)
  },
  langchain: {
    name: `LangChain ${versions.langchain}, MemoryVectorStore`,
    isInTable: true,
    from: "langchain",
    open: langchain
  }
}
