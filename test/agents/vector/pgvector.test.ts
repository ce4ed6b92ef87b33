import { Effect, Scope } from "effect"
import type { Index } from "../../../src/agents/vector/pgvector/layout.ts"
import { conforms } from "./engineConformance.ts"
import { openDriver, settled, tableEngine } from "./pgvectorDatabase.ts"

const hnsw: Index = {
  kind: "hnsw",
  quantization: "f32",
  connectivity: 16,
  expansionAdd: 64,
  expansionSearch: 64,
  iterativeScan: "relaxed",
  mostScanned: undefined
}
const ivfflat: Index = {
  kind: "ivfflat",
  quantization: "f32",
  lists: 4,
  probes: 2,
  trainedBy: 20,
  iterativeScan: "relaxed",
  mostScanned: undefined
}
const driver = await Effect.runPromise(Scope.provide(openDriver, Scope.makeUnsafe()))
// Few vectors would all be compared; this has the index asked.
const always = { mostCandidates: () => Number.POSITIVE_INFINITY, few: 0 }

conforms({
  name: "pgvector, comparing with all",
  make: tableEngine(driver, { kind: "exact", quantization: "f32" }),
  metrics: ["cosine"],
  settled,
  runs: 10,
  recall: 1
})
conforms({ name: "pgvector, HNSW", make: tableEngine(driver, hnsw, always), settled, runs: 15, recall: 0.97 })
conforms({
  name: "pgvector, IVFFlat",
  make: tableEngine(driver, ivfflat, always),
  metrics: ["dot"],
  settled,
  runs: 10,
  recall: 0.9
})
