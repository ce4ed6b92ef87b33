/**
 * An engine over faiss-node, by faiss's own factory strings: flat, inverted lists (IVF), graphs (HNSW), and what compresses.
 * For who has a reason to take faiss; without one usearch is faster, smaller and removes.
 *
 * - Promises: what `Engine` says. Scores are exact; which matches are found is up to the index.
 * - Costs: 4 bytes a number for the vectors, and what the index takes of them; calls are synchronous, a search of "Flat" as
 *   well. Recall at 10 over 384 dimensions in clusters: "HNSW32" .975 of 30 000, with `efSearch` 96 1.000 of 10 000; "IVF64,Flat"
 *   1.000 of 10 000. Training keeps the event loop. faiss-node 0.5.1 as published leaks 4 bytes a number with each search.
 * - Fails: with `StorageUnavailable` where the package is missing, does not run here, or an option is wrong.
 */
import { Effect } from "effect"
import { check, optional, rule } from "../../internal/options.ts"
import { StorageUnavailable } from "../../StateError.ts"
import type { MakeEngine } from "../Engine.ts"
import { make } from "../indexed/engine.ts"
import type { NativeIndex, NativeKind } from "../indexed/NativeIndex.ts"
import type { Metric } from "../Stored.ts"
import { type Binding, type Index, metricNumbers } from "./binding.ts"
import { withProbes } from "./probes.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `engine` takes. */
export interface Options {
  /**
   * A factory string of faiss, such as `"Flat"`, `"IVF256,Flat"`, `"HNSW32"` or `"IVF256,SQ8"`; one that maps ids itself (`IDMap`)
   * is not wanted. Default: `"HNSW32"`.
   */
  readonly index?: string | undefined
  /** How many candidates a graph is asked for, which is how far it looks. Default: 64 for HNSW. */
  readonly efSearch?: number | undefined
  /** How many of the lists of an IVF are searched. Default: one in 16. */
  readonly nprobe?: number | undefined
  /**
   * How many vectors an index that has to be trained (IVF, SQ, PQ) is trained by. Until there are so many every search compares
   * with all, and when there are, the event loop waits for the training. Default: 64 a list, and 10 000 where there are no lists or codes are learnt.
   */
  readonly trainedBy?: number | undefined
}

const whole = optional(
  rule("a whole number from 1 to 10000000", (n) => Number.isInteger(n) && Number(n) >= 1 && Number(n) <= 1e7)
)

const rules = {
  index: optional(
    rule('a factory string of faiss without IDMap, such as "HNSW32"', (value) => isText(value) && !/IDMap/.test(value))
  ),
  efSearch: whole,
  nprobe: whole,
  trainedBy: whole
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== ""

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The engine, for the option `engine` of a vector agent. */
export const engine = (options: Options = {}): Effect.Effect<MakeEngine, StorageUnavailable> =>
  Effect.gen(function* () {
    yield* check({ name: "faiss", ...options }, rules)
    const binding = yield* load
    return ({ dimension, metric }) => make({ dimension, metric, kind: kindOf(binding, options, dimension, metric) })
  })

const load: Effect.Effect<Binding, StorageUnavailable> = Effect.tryPromise({
  try: async () => (await import("faiss-node")).default,
  catch: (cause) => {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND"
    const reason = isMissing
      ? 'the package "faiss-node" is not installed; run `npm install faiss-node`, and where that has nothing to download, build it as docs/vectors.md says'
      : 'the package "faiss-node" is installed but does not load; build it for this platform as docs/vectors.md says'
    return new StorageUnavailable({ agent: "faiss", operation: "open", reason, retryable: false, cause })
  }
})

/** How an index of faiss is made. Throws where faiss does not take the factory string. */
export const kindOf = (binding: Binding, options: Options, dimension: number, metric: Metric): NativeKind => {
  const { index: description = "HNSW32" } = options
  // Of vectors of length 1 the inner product is the cosine.
  const number = metric === "euclidean" ? metricNumbers.squaredDistance : metricNumbers.innerProduct
  const isTrained = probe(binding, dimension, description, number).isTrained()
  const lists = Number(/IVF(\d+)/.exec(description)?.[1] ?? 0)
  const nprobe = lists === 0 ? 0 : Math.min(lists, options.nprobe ?? Math.ceil(lists / 16))
  const learnsCodes = lists === 0 || /PQ|RQ|LSQ/.test(description)
  const isGraph = /HNSW|NSG/.test(description)
  return {
    library: "faiss",
    settings: `${description}, nprobe ${nprobe}`,
    breadth: isGraph ? (options.efSearch ?? 64) : 1,
    // Codes are coarse; what they find has to be looked at again.
    rescored: /PQ|RQ|LSQ|SQ4|LSH/.test(description) ? 10 : /SQ/.test(description) ? 4 : 1,
    // Each call looks at all there is, half a millisecond at 100 000, before it adds: many together, as far as the event loop can wait.
    batch: isGraph ? 20 : 64,
    trainedBy: isTrained ? 0 : (options.trainedBy ?? Math.max(64 * lists, learnsCodes ? 10_000 : 0)),
    make: (sample) => {
      const empty = binding.Index.fromFactory(dimension, description, number)
      const index = nprobe > 1 ? withProbes(binding, empty, lists, nprobe) : empty
      if (!isTrained) index.train(Array.from(sample))
      return new FaissIndex(index)
    },
    load: (path) => {
      const index = binding.Index.read(path)
      if (index.getDimension() !== dimension)
        throw new Error(`it has ${index.getDimension()} dimensions and not ${dimension}`)
      return new FaissIndex(index)
    }
  }
}

const probe = (binding: Binding, dimension: number, description: string, metric: number): Index => {
  try {
    return binding.Index.fromFactory(dimension, description, metric)
  } catch (cause) {
    throw new Error(
      `faiss has no index "${description}" for ${dimension} dimensions; see its page "The index factory".`,
      { cause }
    )
  }
}

/**
 * Labels are the order of adding, which is what faiss takes them to be. Nothing is removed: graphs have no removal, and an
 * attempt ends the process with the published build.
 */
class FaissIndex implements NativeIndex {
  readonly #index: Index
  /** What is asked for, as a list, which is what faiss-node takes. */
  readonly #query: Array<number> = []

  constructor(index: Index) {
    this.#index = index
  }

  add(_labels: ReadonlyArray<number>, vectors: Float32Array): void {
    this.#index.add(Array.from(vectors))
  }

  search(query: Float32Array, count: number): ReadonlyArray<number> {
    // By hand, since `Array.from` takes ten microseconds, which is a thirtieth of a search. -1 stands for none where there are fewer.
    const numbers = this.#query
    for (let i = 0; i < query.length; i++) numbers[i] = query[i] as number
    return this.#index.search(numbers, count).labels
  }

  save(path: string): void {
    this.#index.write(path)
  }
}
