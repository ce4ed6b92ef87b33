// Engines over libraries, against a call of the library on the same index: both sides read it from a file, since a graph that was
// just built lies in memory in another order, and takes a seventh longer to search.
//
//     VECTORS=100000 OMP_NUM_THREADS=1 npm run bench -- vectorEngines
import { findPackageJSON } from "node:module"
import { join } from "node:path"
import { Effect } from "effect"
// What surrounds the library is measured, so both sides are built from the same kind.
import { kindOf as faissKind } from "../../src/agents/vector/faiss/engine.ts"
import { make } from "../../src/agents/vector/indexed/engine.ts"
import type { NativeKind } from "../../src/agents/vector/indexed/NativeIndex.ts"
import { kindOf as usearchKind } from "../../src/agents/vector/usearch/engine.ts"
import { bench, temporaryDirectory } from "../harness.ts"

const count = Number(process.env["VECTORS"] ?? 10_000)
const dimension = 384
const k = 10
const added = 200
const metric = "cosine"

/** Unit vectors in clusters of a hundred, as texts on the same subjects are. */
const points = () => {
  let state = 12_345
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const normal = () => Math.sqrt(-2 * Math.log(uniform() + 1e-12)) * Math.cos(2 * Math.PI * uniform())
  const centres = Array.from({ length: count / 100 }, () => Float32Array.from({ length: dimension }, normal))
  return (): Float32Array => {
    const centre = centres[Math.floor(uniform() * centres.length)]
    const vector = Float32Array.from({ length: dimension }, (_, i) => (centre?.[i] ?? 0) + 0.7 * normal())
    const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0))
    return vector.map((x) => x / length)
  }
}

const kinds: Readonly<Record<string, Effect.Effect<NativeKind, unknown>>> = {
  usearch: Effect.map(
    Effect.tryPromise(() => import("usearch")),
    (library) => usearchKind(library, {}, dimension, metric)
  ),
  faiss: Effect.map(
    Effect.tryPromise(() => import("faiss-node")),
    (library) => faissKind(library.default, {}, dimension, metric)
  )
}

/** An engine that has read a file, the library's part of it as well. */
const opened = (kind: NativeKind, path: string) =>
  Effect.gen(function* () {
    const engine = make({ dimension, metric, kind })
    yield* engine.index.load(path)
    yield* engine.settled
    return engine
  })

/** A file of an engine that holds `count` vectors, and what an engine and the library read from that file. */
const filled = (kind: NativeKind) =>
  Effect.gen(function* () {
    const point = points()
    const filled = make({ dimension, metric, kind })
    yield* filled.setMany(Array.from({ length: count }, (_, i) => [`${i}`, point()] as const))
    yield* filled.settled
    const path = join(yield* temporaryDirectory, "index")
    yield* filled.index.save(path, "")
    const engine = yield* opened(kind, path)
    return { engine, path, point, raw: kind.load(path) }
  })

const isInstalled = (name: string): boolean => findPackageJSON(name, import.meta.url) !== undefined

for (const [name, found] of Object.entries(kinds)) {
  if (name === "faiss" && !isInstalled("faiss-node")) continue
  bench(
    `vectorEngines/${name}: search ${count} x ${dimension}, against the library`,
    Effect.gen(function* () {
      const kind = yield* found
      const { engine, point, raw } = yield* filled(kind)
      const queries = Array.from({ length: 64 }, point)
      const query = (i: number): Float32Array => queries[Math.abs(i) % 64] ?? point()
      return {
        ours: (i) => engine.search(query(i), { k, minScore: Number.NEGATIVE_INFINITY }, (matches) => matches),
        raw: (i) => raw.search(query(i), Math.max(k, kind.breadth))
      }
    })
  )

  bench(
    `vectorEngines/${name}: add ${added} to ${count} x ${dimension}, against the library`,
    Effect.gen(function* () {
      const { engine, point, raw } = yield* filled(yield* found)
      const vectors = Array.from({ length: added }, point)
      const matrix = new Float32Array(added * dimension)
      vectors.forEach((vector, i) => {
        matrix.set(vector, i * dimension)
      })
      let next = count
      return {
        ours: (i) => engine.setMany(vectors.map((vector, j) => [`${i} ${j}`, vector] as const)),
        raw: () => {
          const first = next
          next += added
          raw.add(
            vectors.map((_, j) => first + j),
            matrix
          )
        }
      }
    }),
    { per: added }
  )

  bench(
    `vectorEngines/${name}: open a file of ${count} x ${dimension}, against the library`,
    Effect.gen(function* () {
      const kind = yield* found
      const { path } = yield* filled(kind)
      return { ours: () => opened(kind, path), raw: () => kind.load(path) }
    })
  )
}
