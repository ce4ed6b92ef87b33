/**
 * The exact engine: the query against every vector, with WebAssembly SIMD where the machine has it and in plain TypeScript
 * where not.
 *
 * - Promises: the best k by definition, recall 1, also with 8-bit codes; the same ids, order and scores on every machine, to
 *   the last bit. WebAssembly only tells which vectors need no score; see scan.ts.
 * - Costs: 4 bytes a number, and a scan a search, which is as fast as memory is read: for 100 000 x 384, k = 10, one thread,
 *   1.02 times the bare kernel (9 ms where plain TypeScript takes 28 to 36), and a third of that with `"int8"`, at 5 bytes a
 *   number. Some 60 to 140 vectors of them are scored. Searches and insertions take turns of 3 ms on the event loop. Memory
 *   grows in place, and is given back as a whole by `clear`.
 * - Fails: with `StorageUnavailable` for a wrong option, and with a `RangeError`, a defect, when the system gives no memory.
 */
import { Effect } from "effect"
import { check, oneOf, optional } from "../internal/options.ts"
import type { StorageUnavailable } from "../StateError.ts"
import type { MakeEngine } from "./Engine.ts"
import { ExactIndex } from "./ExactIndex.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `engine` takes. */
export interface Options {
  /**
   * `"int8"` reads 8-bit codes, and the vectors themselves where those do not tell: half of the time, a quarter more
   * memory, the same answers. It gains most with embeddings, which are about equally long and lie all around the origin;
   * where codes tell little, a search takes somewhat longer than plain TypeScript. Default: `"none"`.
   */
  readonly quantization?: "none" | "int8" | undefined
}

const rules = { quantization: optional(oneOf("none", "int8")) }

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The engine, for the option `engine` of a vector agent. */
export const engine = (options: Options = {}): Effect.Effect<MakeEngine, StorageUnavailable> =>
  Effect.as(
    check({ name: "exact", ...options }, rules),
    ({ dimension, metric }) => new ExactIndex({ dimension, metric, hasCodes: options.quantization === "int8" })
  )

/** The engine as it is by default. */
export const exact: MakeEngine = ({ dimension, metric }) => new ExactIndex({ dimension, metric })
