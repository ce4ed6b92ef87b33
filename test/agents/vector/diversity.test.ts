import { expect, it } from "@effect/vitest"
import { Embedder, VectorAgent, VolatileAgent } from "dgents"
import { Effect, Fiber, Schema } from "effect"
import { random } from "./engineConformance.ts"
import { Disk } from "./mapStore.ts"

const embedder = Embedder.layer(
  Embedder.fromFunction({
    identity: "numbers",
    dimension: 4,
    embed: (texts) => Effect.succeed(texts.map((text) => text.split(" ").map(Number)))
  })
)

const make = (metric: VectorAgent.Metric) =>
  VectorAgent.make({
    name: "notes",
    schema: Schema.String,
    text: (text) => text,
    metric,
    items: (schema) => VolatileAgent.family({ name: "notes", schema })
  })

const similarity = (metric: VectorAgent.Metric, a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  const dot = (x: ReadonlyArray<number>, y: ReadonlyArray<number>) => x.reduce((sum, v, i) => sum + v * (y[i] ?? 0), 0)
  if (metric === "dot") return dot(a, b)
  if (metric === "cosine") return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
  return -Math.hypot(...a.map((v, i) => v - (b[i] ?? 0)))
}

/** The definition: the best first, then again and again what gains most. */
const marginal = (
  metric: VectorAgent.Metric,
  items: ReadonlyMap<string, ReadonlyArray<number>>,
  query: ReadonlyArray<number>,
  diversity: number
) => {
  const left = new Map(items)
  const chosen: Array<string> = []
  while (left.size > 0) {
    const gains = [...left].map(([id, vector]) => {
      const score = similarity(metric, query, vector)
      const nearest = Math.max(...chosen.map((other) => similarity(metric, vector, items.get(other) ?? [])))
      return { id, gain: chosen.length === 0 ? score : (1 - diversity) * score - diversity * nearest }
    })
    const best = gains.reduce((a, b) => (b.gain > a.gain ? b : a))
    left.delete(best.id)
    chosen.push(best.id)
  }
  return chosen
}

const vectors = (count: number) => {
  const next = random(9)
  return new Map(
    Array.from({ length: count }, (_, i) => [
      `n${i}`,
      Array.from({ length: 4 }, () => Number((next() * 2 - 1).toFixed(4)))
    ])
  )
}

for (const metric of ["cosine", "dot", "euclidean"] as const)
  it.effect(`${metric}: hits come in the order of their marginal relevance, with their plain scores`, () =>
    Effect.gen(function* () {
      const items = vectors(60)
      const memory = yield* make(metric)
      yield* memory.addMany([...items].map(([id, vector]) => [id, vector.join(" ")]))
      const query = [0.3, -0.2, 0.9, 0.1]
      const plain = new Map((yield* memory.search({ vector: query, k: 60 })).map(({ id, score }) => [id, score]))
      for (const diversity of [0.2, 0.5, 0.9, 1]) {
        const hits = yield* memory.search({ vector: query, k: 20, diversity })
        expect(hits.map(({ id }) => id)).toEqual(marginal(metric, items, query, diversity).slice(0, 20))
        for (const { id, score } of hits) expect(score).toBe(plain.get(id))
        expect(yield* memory.search({ vector: query, k: 8, offset: 12, diversity })).toEqual(hits.slice(12))
      }
      expect(yield* memory.search({ vector: query, diversity: 0 })).toEqual(yield* memory.search({ vector: query }))
    }).pipe(Effect.provide(embedder))
  )

it.effect("the same said twice is one hit among others", () =>
  Effect.gen(function* () {
    const memory = yield* make("cosine")
    yield* memory.addMany([
      ["a", "1 0.1 0 0"],
      ["a again", "1 0.1 0 0"],
      ["a almost", "1 0.11 0 0"],
      ["b", "1 0 0.5 0"]
    ])
    const ids = (diversity: number) =>
      Effect.map(memory.search({ vector: [1, 0, 0, 0], k: 2, diversity }), (hits) => hits.map(({ id }) => id))
    expect(yield* ids(0)).toEqual(["a", "a again"])
    expect(yield* ids(0.6)).toEqual(["a", "b"])
  }).pipe(Effect.provide(embedder))
)

it.effect("there are k hits whenever there are k, also more than are put in order, and of a hybrid search", () =>
  Effect.gen(function* () {
    const memory = yield* make("cosine")
    const items = vectors(700)
    yield* memory.addMany([...items].map(([id, vector]) => [id, vector.join(" ")]))
    const all = yield* memory.search({ vector: [1, 0, 0, 0], k: Number.POSITIVE_INFINITY, diversity: 0.5 })
    expect(new Set(all.map(({ id }) => id)).size).toBe(700)
    const text = [...items.values()][0]?.join(" ") ?? ""
    const hits = yield* memory.search({ text, hybrid: true, k: 30, diversity: 0.3 })
    expect(hits).toHaveLength(30)
    expect(hits[0]).toMatchObject({ id: "n0", score: 1 })
  }).pipe(Effect.provide(embedder))
)

it.effect("what is removed or changed while hits are put in order does not show as it was", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    const memory = yield* VectorAgent.make({
      name: "notes",
      schema: Schema.String,
      text: (text) => text,
      items: (schema) => disk.family(schema)
    })
    yield* memory.addMany([...vectors(400)].map(([id, vector]) => [id, vector.join(" ")]))
    for (let steps = 0; steps < 12; steps++) {
      const [best, second] = yield* memory.search({ vector: [1, 0, 0, 0], k: 2 })
      const searching = yield* Effect.forkChild(memory.search({ vector: [1, 0, 0, 0], k: 100, diversity: 0.1 }))
      for (let step = 0; step < steps; step++) yield* Effect.yieldNow
      const isDone = searching.pollUnsafe() !== undefined
      yield* memory.remove(best?.id ?? "")
      yield* memory.add(second?.id ?? "", "-1 0 0 0")
      const hits = yield* Fiber.join(searching)
      expect(hits).toHaveLength(100)
      if (!isDone) expect(hits.map(({ id }) => id)).not.toContain(best?.id)
      if (!isDone) expect(hits.map(({ id }) => id)).not.toContain(second?.id)
    }
  }).pipe(Effect.provide(embedder))
)
