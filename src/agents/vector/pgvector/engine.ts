/**
 * An engine over pgvector, in PostgreSQL or in PGlite: vectors in a table, which several processes share, and not in memory. The
 * choice where the items are in PostgreSQL already, and where there are more vectors than one process should hold.
 *
 * - Promises: what `Engine` says. Scores are exact; which matches are found is up to the index. The items are the truth: what the
 *   table lacks, or has of another state of an item, is read from them at each open and `refresh`. Each process answers with the items
 *   that it knows of, as with any other engine; the vectors under their ids are shared, so that one that another process replaced is
 *   found as it is now.
 * - Costs: ids and stamps in memory, and no items; a round trip a search, and another one for the hits. Adding is a copy, written
 *   in the background in batches of 128; with HNSW the database takes a millisecond or more for each. Opening reads ids and stamps.
 *   Recall at 10 of 10 000 x 384 in clusters: HNSW 1.000, with `expansionSearch` 16 .998; IVFFlat of 100 lists 1.000, with one probe
 *   .980. PGlite computes in this process, and keeps its event loop meanwhile.
 * - Fails: with `StorageUnavailable` where the driver is not PostgreSQL, the server lacks pgvector, an option is wrong or the table is
 *   another memory's; with `StateCorrupt` for a table that is not of dgents; a search as the driver does.
 */
import { Effect, Predicate } from "effect"
import { check, oneOf, optional, type Rule, record, rule } from "../../internal/options.ts"
import { StorageUnavailable } from "../../StateError.ts"
import { SqlDriver } from "../../sql/SqlDriver.ts"
import type { MakeEngine } from "../Engine.ts"
import type { Index } from "./layout.ts"
import { TableEngine } from "./TableEngine.ts"
import { Table } from "./table.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `engine` takes. */
export interface Options {
  /** The table, for one memory alone: lower-case letters, digits and `_`, at most 40, a letter first. Made if there is none. */
  readonly table: string
  /** The schema that it is in, which has to exist. Default: the first one of the user's `search_path`. */
  readonly schema?: string | undefined
  /** How the nearest are found. Another one than before is made at the next open, in place of the old one. Default: `"hnsw"`. */
  readonly index?: "exact" | "hnsw" | "ivfflat" | HnswOptions | IvfflatOptions | undefined
}

/** A graph: finds best, takes longest to make. */
export interface HnswOptions {
  readonly kind: "hnsw"
  /** How the index holds numbers: 4 or 2 bytes each. `"f16"` is for `cosine`, and for up to 4000 dimensions in place of 2000. Default: `"f32"`. */
  readonly quantization?: "f32" | "f16" | undefined
  /** Edges of a vector (`m`). Default: 16. */
  readonly connectivity?: number | undefined
  /** How many candidates are kept while a vector is added (`ef_construction`). Default: 64. */
  readonly expansionAdd?: number | undefined
  /** How many candidates are kept during a search (`hnsw.ef_search`). Default: 64. */
  readonly expansionSearch?: number | undefined
  /** Whether a search that has too few goes on (`hnsw.iterative_scan`), from pgvector 0.8 on. Default: `"relaxed"`. */
  readonly iterativeScan?: "off" | "strict" | "relaxed" | undefined
  /** After how many rows it ends all the same (`hnsw.max_scan_tuples`). Default: up to the server, 20 000. */
  readonly mostScanned?: number | undefined
}

/** Lists of neighbours: quickly made, once there are vectors to divide into lists. */
export interface IvfflatOptions {
  readonly kind: "ivfflat"
  /** As of HNSW. */
  readonly quantization?: "f32" | "f16" | undefined
  /** How many lists; some one for each 1000 vectors that there will be. Default: 100. */
  readonly lists?: number | undefined
  /** How many of them are searched (`ivfflat.probes`). Default: one in 10. */
  readonly probes?: number | undefined
  /** How many vectors there have to be at an open or `refresh` for the lists to be made. Until then every search compares with all. Default: 50 a list. */
  readonly trainedBy?: number | undefined
  /** Whether a search that has too few goes on (`ivfflat.iterative_scan`), from pgvector 0.8 on. Default: `"relaxed"`. */
  readonly iterativeScan?: "off" | "relaxed" | undefined
  /** After how many lists it ends all the same (`ivfflat.max_probes`). Default: up to the server, all. */
  readonly mostScanned?: number | undefined
}

const whole = (from: number, to: number) =>
  optional(
    rule(`a whole number from ${from} to ${to}`, (n) => Number.isInteger(n) && Number(n) >= from && Number(n) <= to)
  )

const kinds = oneOf("exact", "hnsw", "ivfflat")

const rulesOf: Readonly<Record<string, Rule>> = {
  hnsw: record({
    kind: oneOf("hnsw", "ivfflat"),
    quantization: optional(oneOf("f32", "f16")),
    connectivity: whole(2, 100),
    expansionAdd: whole(4, 1000),
    expansionSearch: whole(1, 1000),
    iterativeScan: optional(oneOf("off", "strict", "relaxed")),
    mostScanned: whole(1, 2 ** 31 - 1)
  }),
  ivfflat: record({
    kind: oneOf("hnsw", "ivfflat"),
    quantization: optional(oneOf("f32", "f16")),
    lists: whole(1, 32_768),
    probes: whole(1, 32_768),
    trainedBy: whole(1, 2 ** 31 - 1),
    iterativeScan: optional(oneOf("off", "relaxed")),
    mostScanned: whole(1, 32_768)
  })
}

const index: Rule = (option, value) => {
  if (!Predicate.isObject(value)) return kinds(option, value)
  const { kind } = value as { readonly kind?: unknown }
  return (rulesOf[String(kind)] ?? rule('{ kind: "hnsw" } or { kind: "ivfflat" }', () => false))(option, value)
}

const rules = {
  table: rule(
    "a name of lower-case letters, digits and _, at most 40, a letter first",
    (value) => typeof value === "string" && /^[a-z][a-z0-9_]{0,39}$/.test(value)
  ),
  schema: optional(rule("the name of a schema", (value) => typeof value === "string" && value !== "")),
  index: optional(index)
}

const indexOf = (given: NonNullable<Options["index"]>): Index => {
  if (given === "exact") return { kind: "exact", quantization: "f32" }
  const options: HnswOptions | IvfflatOptions =
    given === "hnsw" ? { kind: "hnsw" } : given === "ivfflat" ? { kind: "ivfflat" } : given
  if (options.kind === "hnsw") {
    const { connectivity = 16, expansionAdd = 64, expansionSearch = 64, iterativeScan = "relaxed", kind } = options
    const { mostScanned, quantization = "f32" } = options
    return { kind, quantization, connectivity, expansionAdd, expansionSearch, iterativeScan, mostScanned }
  }
  const { iterativeScan = "relaxed", kind, lists = 100, mostScanned, quantization = "f32" } = options
  const { probes = Math.ceil(lists / 10), trainedBy = 50 * lists } = options
  return { kind, quantization, lists, probes, trainedBy, iterativeScan, mostScanned }
}

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The engine, for the option `engine` of one vector agent, in the database of the driver. */
export const engine = (options: Options): Effect.Effect<MakeEngine, StorageUnavailable, SqlDriver> =>
  Effect.gen(function* () {
    yield* check({ name: "pgvector", ...options }, rules)
    const { engine, name } = yield* SqlDriver
    const session = engine.postgres
    if (session === undefined) {
      const reason = `the driver "${name}" is not PostgreSQL; provide PostgresDriver or PgliteDriver`
      return yield* Effect.fail(
        new StorageUnavailable({ agent: "pgvector", operation: "open", reason, retryable: false })
      )
    }
    const index = indexOf(options.index ?? "hnsw")
    const place = { name: options.table, schema: options.schema }
    return ({ dimension, metric }) => {
      if (index.quantization === "f16" && metric !== "cosine")
        throw new Error(`numbers of 16 bits end at 65 504, and the metric ${metric} may need more: take "f32".`)
      const table = new Table({ ...place, session, dimension, metric, index })
      return new TableEngine({ table, dimension, metric })
    }
  })
