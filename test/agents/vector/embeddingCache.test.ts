import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Embedder, SqlAgent, VectorAgent, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Layer, Logger, Schema } from "effect"
import { tempDirectory } from "./engineConformance.ts"
import { Disk } from "./mapStore.ts"

const counting = (identity = "e", dimension = 2) => {
  const asked: Array<string> = []
  const embedder = Embedder.fromFunction({
    identity,
    dimension,
    embed: (texts) => {
      asked.push(...texts)
      return Effect.succeed(texts.map((text) => Array.from({ length: dimension }, (_, i) => text.length + i + 0.1)))
    }
  })
  return { embedder, asked }
}

const inMemory = {
  vectors: (schema: Schema.Codec<Float32Array, string>) => VolatileAgent.family({ name: "vectors", schema })
}

const expected = (...texts: ReadonlyArray<string>) =>
  texts.map((text) => Float32Array.of(text.length + 0.1, text.length + 1.1))

it.effect("a text is embedded once, and its vector is the same ever after", () =>
  Effect.gen(function* () {
    const { asked, embedder } = counting()
    const cached = yield* Embedder.cached(embedder, inMemory)
    expect(cached).toMatchObject({ identity: "e", dimension: 2 })
    expect(yield* cached.embed(["a", "bb", "a"])).toEqual(expected("a", "bb", "a"))
    expect(yield* cached.embed(["ccc", "bb"])).toEqual(expected("ccc", "bb"))
    expect(yield* cached.embed(["bb", "a"])).toEqual(expected("bb", "a"))
    expect(yield* cached.embed([])).toEqual([])
    // The same character once written as UTF-8.
    yield* cached.embed(["\ud800", "\ud801", "\ufffd"])
    expect(asked).toEqual(["a", "bb", "ccc", "\ud800", "\ud801", "\ufffd"])
  })
)

it.effect("embedders of another name or dimension share a cache and no vector", () =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "vectors", schema: Schema.Any })
    for (const [identity, dimension] of [
      ["e", 2],
      ["f", 2],
      ["e", 3]
    ] as const) {
      const { asked, embedder } = counting(identity, dimension)
      const cached = yield* Embedder.cached(embedder, { vectors: () => Effect.succeed(family) })
      expect((yield* cached.embed(["a"]))[0]).toHaveLength(dimension)
      expect(asked).toEqual(["a"])
    }
  })
)

it.effect("vectors outlive the process that made them, and memories use them through a layer", () =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory
    const { asked, embedder } = counting()
    const driver = SqliteDriver.layer({ filename: join(directory, "cache.db") })
    const layer = Embedder.layerCached({ vectors: (schema) => SqlAgent.family({ name: "vectors", schema }) }).pipe(
      Layer.provide([Embedder.layer(embedder), driver])
    )
    for (let i = 0; i < 3; i++) {
      const memory = VectorAgent.make({
        name: "notes",
        schema: Schema.String,
        text: (text) => text,
        items: (schema) => VolatileAgent.family({ name: "notes", schema })
      })
      const use = Effect.flatMap(memory, (notes) =>
        notes.addMany([
          ["a", "one"],
          ["b", "three"]
        ])
      )
      yield* Effect.scoped(Effect.provide(use, layer))
    }
    expect(asked).toEqual(["one", "three"])
  })
)

it.effect("a cache that cannot be written or read is logged, and what it holds of another length is not used", () =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
    const disk = new Disk()
    const { asked, embedder } = counting()
    const cached = yield* Embedder.cached(embedder, { vectors: (schema) => disk.family(schema) })
    disk.failAt = 1
    expect(yield* Effect.provide(cached.embed(["a"]), logger)).toEqual(expected("a"))
    expect(lines.join()).toContain("cannot be written")
    yield* cached.embed(["a"])
    yield* cached.embed(["a"])
    expect(asked).toEqual(["a", "a"])
    for (const [key, entry] of disk.entries) disk.entries.set(key, { ...entry, state: '"not base64!"' })
    expect(yield* Effect.provide(cached.embed(["a"]), logger)).toEqual(expected("a"))
    expect(lines.join()).toContain("cannot be read")
    for (const [key, entry] of disk.entries) disk.entries.set(key, { ...entry, state: '"AACAPw=="' })
    expect(yield* cached.embed(["a"])).toEqual(expected("a"))
    expect(asked).toHaveLength(4)
  })
)

it.effect("what an embedder gives is checked before it is kept", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    for (const vectors of [
      [],
      [[1]],
      [[1, Number.NaN]],
      [
        [1, 2],
        [3, 4]
      ]
    ]) {
      const embedder = Embedder.fromFunction({ identity: "e", dimension: 2, embed: () => Effect.succeed(vectors) })
      const cached = yield* Embedder.cached(embedder, { vectors: (schema) => disk.family(schema) })
      expect(yield* Effect.flip(cached.embed(["a"]))).toMatchObject({ _tag: "EmbeddingFailed", retryable: false })
    }
    expect(disk.entries.size).toBe(0)
  })
)
