import { Embedder, VectorAgent, VolatileAgent } from "dgents"
import { Effect, Schema } from "effect"
// The loop that is measured against is over the same kernel, so that what is compared is all that surrounds it.
import { dot, dotRows } from "../../src/agents/vector/kernels.ts"
import { bench } from "../harness.ts"

const count = 100_000
const dimension = 384
const k = 10

/** Unit vectors, the same in every run. */
const random = (seed: number): Float32Array => {
  let state = seed + 1
  const vector = Float32Array.from({ length: dimension }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return state / 2 ** 31
  })
  const norm = Math.sqrt(dot(vector, 0, vector))
  return vector.map((value) => value / norm)
}

const block = 1_000
const scores = new Float64Array(block)

/** The best scores of all rows, by hand. */
const best = (matrix: Float32Array, query: Float32Array): ReadonlyArray<number> => {
  const top = new Array<number>(k).fill(Number.NEGATIVE_INFINITY)
  for (let start = 0; start < count; start += block) {
    dotRows(matrix, start * dimension, query, scores, block)
    for (const score of scores) {
      if (score <= (top[k - 1] ?? 0)) continue
      top[k - 1] = score
      top.sort((a, b) => b - a)
    }
  }
  return top
}

bench(
  "vector/search 100 000 x 384 exact, against the bare loop",
  Effect.gen(function* () {
    const embedder = Embedder.fromFunction({
      identity: "random",
      dimension,
      batchSize: 1_000,
      embed: (texts) => Effect.succeed(texts.map((text) => random(Number(text))))
    })
    const memory = yield* VectorAgent.make({
      name: "notes",
      schema: Schema.Struct({ text: Schema.String }),
      text: (note) => note.text,
      items: (schema) => VolatileAgent.family({ name: "notes", schema })
    }).pipe(Effect.provideService(Embedder.Embedder, embedder))
    yield* memory.addMany(Array.from({ length: count }, (_, i) => [`note-${i}`, { text: `${i}` }] as const))

    const matrix = new Float32Array(count * dimension)
    for (let i = 0; i < count; i++) matrix.set(random(i), i * dimension)
    const queries = Array.from({ length: 16 }, (_, i) => random(-2 - i))
    const query = (i: number): Float32Array => queries[Math.abs(i) % 16] ?? random(-2)
    return { ours: (i) => memory.search({ vector: query(i), k }), raw: (i) => best(matrix, query(i)) }
  })
)
