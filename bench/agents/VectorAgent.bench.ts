import { Embedder, VectorAgent, VolatileAgent } from "dgents"
import { Effect, Schema } from "effect"
// What is measured against is over the same kernels, so that what is compared is all that surrounds them.
import { ExactIndex, type ExactOptions } from "../../src/agents/vector/ExactIndex.ts"
import { dot } from "../../src/agents/vector/kernels.ts"
import { encodeQuery, encodeRow, factBytes } from "../../src/agents/vector/quantize.ts"
import { hostMemory } from "../../src/agents/vector/wasm/host.ts"
import { bench } from "../harness.ts"

const count = 100_000
const dimension = 384
const k = 10
const block = 1024

/** Numbers from -1 to 1, the same in every run. */
const numbers = (seed: number) => {
  let state = Math.imul(seed + 1, 2_654_435_761)
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return state / 2 ** 31
  }
}

const perCluster = 100

/** Unit vectors in clusters: a number gives the same vector each time. */
const clustered = (seed: number): Float32Array => {
  const [centre, next] = [numbers(seed % (count / perCluster)), numbers(seed + count)]
  const vector = Float32Array.from({ length: dimension }, () => centre() + 0.7 * next())
  const norm = Math.sqrt(dot(vector, 0, vector))
  return vector.map((value) => value / norm)
}

const queries = Array.from({ length: 16 }, (_, i) => clustered(count + 37 * i))
const query = (i: number): Float32Array => queries[Math.abs(i) % queries.length] ?? new Float32Array(dimension)

const entries = (size: number) => Array.from({ length: size }, (_, i) => [`note-${i}`, clustered(i)] as const)

const indexOf = (size: number, options?: Partial<ExactOptions>) => {
  const index = new ExactIndex({ dimension, metric: "cosine", ...options })
  for (const [id, vector] of entries(size)) index.set(id, vector)
  return (i: number) => index.search(query(i), { k, minScore: Number.NEGATIVE_INFINITY }, (matches) => matches)
}

/** The best of all rows, by hand: keys from a kernel, and a list of k numbers. */
const best = (keysOf: (query: Float32Array, first: number, rows: number) => Float32Array, query: Float32Array) => {
  const top = new Array<number>(k).fill(Number.NEGATIVE_INFINITY)
  for (let first = 0; first < count; first += block)
    for (const key of keysOf(query, first, Math.min(block, count - first))) {
      if (key <= (top[k - 1] ?? 0)) continue
      top[k - 1] = key
      top.sort((a, b) => b - a)
    }
  return top
}

/** A memory of so many bytes, which the system gives anew. */
const freshMemory = (bytes: number) => {
  const pages = Math.ceil(bytes / 65_536)
  const made = hostMemory()?.(pages, pages)
  if (made === undefined) throw new Error("there is no WebAssembly here")
  const { buffer } = made.memory
  return { ...made, floats: new Float32Array(buffer), buffer }
}

/** One with a query and keys at its beginning, then rows of so many bytes. */
const memoryOf = (rowBytes: number) => {
  const [keys, head] = [16_384, 65_536]
  return { ...freshMemory(head + count * rowBytes), head, keys }
}

const bareFloats = () => {
  const { floats, head, kernels, keys } = memoryOf(4 * dimension)
  for (let i = 0; i < count; i++) floats.set(clustered(i), head / 4 + i * dimension)
  return (query: Float32Array, first: number, rows: number) => {
    floats.set(query)
    const bytes = 4 * dimension
    kernels.dot(0, head + first * bytes, bytes, bytes, rows, keys, 0, 0)
    return floats.subarray(keys / 4, keys / 4 + rows)
  }
}

const bareCodes = () => {
  const rowBytes = dimension + factBytes
  const { buffer, floats, head, kernels, keys } = memoryOf(rowBytes)
  const query16 = new Int16Array(buffer, 0, dimension)
  for (let i = 0; i < count; i++) {
    const codes = head + i * rowBytes
    // The vector itself is only needed until it is encoded.
    floats.set(clustered(i))
    encodeRow({ floats, kernels, at: 0, bytes: 4 * dimension, codes, facts: codes + dimension }, false)
  }
  return (query: Float32Array, first: number, rows: number) => {
    const { codes, scale } = encodeQuery(query)
    query16.set(codes)
    kernels.codes(0, head + first * rowBytes, rowBytes, 2 * dimension, rows, keys, scale, 1)
    return floats.subarray(keys / 4, keys / 4 + rows)
  }
}

bench(
  "vector/search 100 000 x 384 exact, against the bare kernel",
  Effect.gen(function* () {
    const embedder = Embedder.fromFunction({
      identity: "clustered",
      dimension,
      batchSize: 1_000,
      embed: (texts) => Effect.succeed(texts.map((text) => clustered(Number(text))))
    })
    const memory = yield* VectorAgent.make({
      name: "notes",
      schema: Schema.Struct({ text: Schema.String }),
      text: (note) => note.text,
      items: (schema) => VolatileAgent.family({ name: "notes", schema })
    }).pipe(Effect.provideService(Embedder.Embedder, embedder))
    yield* memory.addMany(Array.from({ length: count }, (_, i) => [`note-${i}`, { text: `${i}` }] as const))
    const keysOf = bareFloats()
    return { ours: (i) => memory.search({ vector: query(i), k }), raw: (i) => best(keysOf, query(i)) }
  })
)

bench(
  "vector/search 100 000 x 384 exact, against plain TypeScript",
  Effect.sync(() => ({ ours: indexOf(count), raw: indexOf(count, { makeMemory: "none" }) }))
)

bench(
  "vector/search 100 000 x 384 exact int8, against the bare kernel",
  Effect.sync(() => {
    const keysOf = bareCodes()
    return { ours: indexOf(count, { hasCodes: true }), raw: (i) => best(keysOf, query(i)) }
  })
)

bench(
  "vector/search 100 000 x 384 exact int8, against floats",
  Effect.sync(() => ({ ours: indexOf(count, { hasCodes: true }), raw: indexOf(count) }))
)

const batch = 10_000

bench(
  "vector/add 10 000 x 384 exact, against normalising into an array",
  Effect.sync(() => {
    const all = entries(batch)
    const index = new ExactIndex({ dimension, metric: "cosine" })
    return {
      ours: () => {
        index.clear()
        return index.setMany(all)
      },
      raw: () => {
        // As ours is: from the second round on, an ordinary array would get pages that are there already.
        const matrix = freshMemory(4 * batch * dimension).floats
        const rows = new Map<string, number>()
        for (const [id, vector] of all) {
          const start = rows.size * dimension
          const norm = Math.sqrt(dot(vector, 0, vector))
          // Sound: `i` is below the length.
          for (let i = 0; i < dimension; i++) matrix[start + i] = (vector[i] as number) / norm
          rows.set(id, rows.size)
        }
        return rows
      }
    }
  }),
  { per: batch }
)
