import { expect, it } from "@effect/vitest"
import { Usearch } from "dgents/usearch"
import { Effect } from "effect"
import * as library from "usearch"
import { make } from "../../../src/agents/vector/indexed/engine.ts"
import type { Metric } from "../../../src/agents/vector/Stored.ts"
import { kindOf, type Options } from "../../../src/agents/vector/usearch/engine.ts"
import { conforms } from "./engineConformance.ts"
import { files, settled } from "./indexedFiles.ts"
import { sentenceWithout } from "./withoutPackage.ts"

const candidates = { mostCandidates: () => Number.POSITIVE_INFINITY, leastWaste: 8 }
const of =
  (options: Options, more?: typeof candidates) =>
  ({ dimension, metric }: { readonly dimension: number; readonly metric: Metric }) =>
    make({ dimension, metric, kind: kindOf(library, options, dimension, metric), ...more })

conforms({ name: "usearch, few vectors", make: of({}), settled, recall: 1 })
conforms({ name: "usearch", make: of({}, candidates), settled, recall: 0.97 })
conforms({
  name: "usearch in 8 bits",
  make: ({ metric, ...options }) =>
    of(metric === "cosine" ? { quantization: "i8" } : { quantization: "f16" }, candidates)({ metric, ...options }),
  settled,
  recall: 0.97
})

files({ name: "usearch", make: of({}, candidates), other: of({ connectivity: 8 }, candidates) })

it("8 bits are refused for a metric that needs the length of vectors", () => {
  expect(() => of({ quantization: "i8" })({ dimension: 8, metric: "euclidean" })).toThrow('take "f16" or "f32"')
})

it.effect("an option that is not what it has to be is refused when the engine is made, and named", () =>
  Effect.gen(function* () {
    // @ts-expect-error: there is no such quantization
    const error = yield* Effect.flip(Usearch.engine({ quantization: "f64" }))
    expect(error._tag).toBe("StorageUnavailable")
    expect(error.message).toContain("the option quantization")
    expect((yield* Effect.flip(Usearch.engine({ connectivity: 1.5 }))).message).toContain("the option connectivity")
  })
)

it("without the package, one sentence says what to install", () => {
  expect(sentenceWithout("usearch", "dgents/usearch", "Usearch")).toContain(
    'the package "usearch" is not installed; run `npm install usearch`'
  )
})
