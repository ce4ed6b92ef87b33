/**
 * An engine over usearch: a graph (HNSW) that is searched in half a millisecond where comparing with every vector takes
 * many. The choice past some 100 000 items; below that the exact engine is as fast, and needs no native code.
 *
 * - Promises: what `Engine` says. Scores are exact; which matches are found is up to the graph.
 * - Costs: 4 bytes a number for the vectors, and in the graph 2 ("f32": 4, "i8": 1) and some 150 a vector; half a millisecond or
 *   less of the library to add one. Recall at 10 over 100 000 x 384 in clusters, "f16": 1.000; of a tenth that passes a filter .993,
 *   of a hundredth .998. With "i8" 1.000 at 10 000, where the library alone has .855. The event loop waits while the library
 *   itself writes or reads a file, 0.1 to 0.2 s for 100 000; it reads after an open, and searches compare with all until then.
 * - Fails: with `StorageUnavailable` where the package is missing, does not run here, or an option is wrong.
 */
import { Effect } from "effect"
import type * as Library from "usearch"
import { check, oneOf, optional, rule } from "../../internal/options.ts"
import { StorageUnavailable } from "../../StateError.ts"
import type { MakeEngine } from "../Engine.ts"
import { make } from "../indexed/engine.ts"
import type { NativeIndex, NativeKind } from "../indexed/NativeIndex.ts"
import type { Metric } from "../Stored.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `engine` takes. */
export interface Options {
  /**
   * How the graph holds numbers: 4, 2 or 1 bytes each. `"i8"` keeps directions only, and is for `cosine`. What is found is
   * scored by the vectors themselves in any case. Default: `"f16"` for `cosine`, otherwise `"f32"`, as `"f16"` ends at 65 504.
   */
  readonly quantization?: "f32" | "f16" | "i8" | undefined
  /** Edges of a vector, at most; more find better and take more memory. Default: 16. */
  readonly connectivity?: number | undefined
  /** How many candidates are kept while a vector is added: more find better, and adding takes longer. Default: 128. */
  readonly expansionAdd?: number | undefined
  /** How many candidates are kept during a search: more find better, and searching takes longer. Default: 64. */
  readonly expansionSearch?: number | undefined
  /**
   * Threads that add vectors. The event loop waits for all of them, for as long as for one, but more gets done.
   * Default: 1.
   */
  readonly threads?: number | undefined
}

const whole = (from: number, to: number) =>
  optional(
    rule(`a whole number from ${from} to ${to}`, (n) => Number.isInteger(n) && Number(n) >= from && Number(n) <= to)
  )

const rules = {
  quantization: optional(oneOf("f32", "f16", "i8")),
  connectivity: whole(2, 512),
  expansionAdd: whole(1, 65_536),
  expansionSearch: whole(1, 65_536),
  threads: whole(1, 256)
}

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The engine, for the option `engine` of a vector agent. */
export const engine = (options: Options = {}): Effect.Effect<MakeEngine, StorageUnavailable> =>
  Effect.gen(function* () {
    yield* check({ name: "usearch", ...options }, rules)
    const library = yield* load
    return ({ dimension, metric }) => make({ dimension, metric, kind: kindOf(library, options, dimension, metric) })
  })

const load: Effect.Effect<typeof Library, StorageUnavailable> = Effect.tryPromise({
  try: () => import("usearch"),
  catch: (cause) => {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND"
    const reason = isMissing
      ? 'the package "usearch" is not installed; run `npm install usearch`'
      : 'the package "usearch" is installed but does not load; install it again for this platform and Node'
    return new StorageUnavailable({ agent: "usearch", operation: "open", reason, retryable: false, cause })
  }
})

/** How an index of usearch is made. Throws where a quantization does not fit the metric. */
export const kindOf = (library: typeof Library, options: Options, dimension: number, metric: Metric): NativeKind => {
  const { connectivity = 16, expansionAdd = 128, expansionSearch = 64, threads = 1 } = options
  const quantization = options.quantization ?? (metric === "cosine" ? "f16" : "f32")
  if (quantization === "i8" && metric !== "cosine")
    throw new Error(
      `usearch with quantization "i8" forgets how long vectors are, and the metric ${metric} needs it: take "f16" or "f32".`
    )
  const { Index, MetricKind, ScalarKind } = library
  const create = () =>
    new Index(
      dimension,
      // Of vectors of length 1 the inner product is the cosine; "i8" scales by the length only for this metric.
      metric === "euclidean" ? MetricKind.L2sq : quantization === "i8" ? MetricKind.Cos : MetricKind.IP,
      { f32: ScalarKind.F32, f16: ScalarKind.F16, i8: ScalarKind.I8 }[quantization],
      connectivity,
      expansionAdd,
      expansionSearch,
      false
    )
  return {
    library: "usearch",
    settings: `${quantization}, connectivity ${connectivity}, expansionAdd ${expansionAdd}`,
    breadth: 1,
    rescored: quantization === "i8" ? 4 : 1.2,
    batch: 4 * threads,
    trainedBy: 0,
    make: () => new UsearchIndex(create(), threads),
    load: (path) => {
      const index = create()
      index.load(path)
      return new UsearchIndex(index, threads)
    }
  }
}

class UsearchIndex implements NativeIndex {
  readonly #index: Library.Index
  readonly #threads: number

  constructor(index: Library.Index, threads: number) {
    this.#index = index
    this.#threads = threads
  }

  add(labels: ReadonlyArray<number>, vectors: Float32Array): void {
    this.#index.add(BigUint64Array.from(labels, BigInt), vectors, this.#threads)
  }

  search(query: Float32Array, count: number): ReadonlyArray<number> {
    const found = this.#index.search(query, count, 1)
    // Sound: one query gives `Matches`, more would give `BatchMatches`.
    return Array.from((found as Library.Matches).keys, Number)
  }

  remove(labels: ReadonlyArray<number>): void {
    this.#index.remove(BigUint64Array.from(labels, BigInt))
  }

  save(path: string): void {
    this.#index.save(path)
  }
}
