import { resolve } from "node:path"
import { expect, it } from "@effect/vitest"
import { build } from "../../../scripts/faiss.ts"
import type { Binding } from "../../../src/agents/vector/faiss/binding.ts"
import { kindOf, type Options } from "../../../src/agents/vector/faiss/engine.ts"
import { make } from "../../../src/agents/vector/indexed/engine.ts"
import type { Metric } from "../../../src/agents/vector/Stored.ts"
import { conforms, random } from "./engineConformance.ts"
import { files, settled } from "./indexedFiles.ts"
import { sentenceWithout } from "./withoutPackage.ts"

const missing = build(resolve(import.meta.dirname, "../../.."))
if (missing !== undefined) throw new Error(missing)
// Threads that wait for each other by turning in circles, for vectors of six numbers, only stand in the way of other tests.
process.env["OMP_NUM_THREADS"] = "1"
const library: Binding = (await import("faiss-node")).default

const candidates = { mostCandidates: () => Number.POSITIVE_INFINITY, leastWaste: 8 }
const of =
  (options: Options, more?: typeof candidates) =>
  ({ dimension, metric }: { readonly dimension: number; readonly metric: Metric }) =>
    make({ dimension, metric, kind: kindOf(library, options, dimension, metric), ...more })

conforms({ name: "faiss Flat", make: of({ index: "Flat" }, candidates), settled, recall: 0.999 })
conforms({ name: "faiss HNSW", make: of({}, candidates), settled, recall: 0.97 })
conforms({
  name: "faiss IVF",
  make: of({ index: "IVF4,Flat", nprobe: 4, trainedBy: 40 }, candidates),
  settled,
  recall: 0.999
})

files({ name: "faiss HNSW", make: of({}, candidates), other: of({ index: "HNSW16" }, candidates) })
const ivf: Options = { index: "IVF4,Flat", nprobe: 4, trainedBy: 100 }
files({ name: "faiss IVF", make: of(ivf, candidates), other: of({ ...ivf, nprobe: 2 }, candidates) })

it("a number of lists to search is kept by the index, though the binding has no name for it", () => {
  const next = random(1)
  const vectors = Float32Array.from({ length: 2000 * 8 }, () => next() - 0.5)
  const found = [1, 8, 16].map((nprobe) => {
    const index = kindOf(library, { index: "IVF16,Flat", nprobe }, 8, "euclidean").make(vectors)
    index.add([...Array(2000).keys()], vectors)
    return index.search(vectors.subarray(0, 8), 2000).filter((label) => label >= 0).length
  })
  expect(found[0]).toBeLessThan(found[1] ?? 0)
  expect(found[1]).toBeLessThan(found[2] ?? 0)
  expect(found[2]).toBe(2000)
})

it("an index that faiss does not know is refused when the engine is made", () => {
  expect(() => of({ index: "Nonsense" })({ dimension: 8, metric: "dot" })).toThrow('faiss has no index "Nonsense"')
})

it("without the package, one sentence says what to install", () => {
  expect(sentenceWithout("faiss-node", "dgents/faiss", "Faiss")).toContain(
    'the package "faiss-node" is not installed; run `npm install faiss-node`'
  )
})
