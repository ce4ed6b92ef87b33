import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Embedder, SqlAgent, VectorAgent, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Usearch } from "dgents/usearch"
import { Effect, Layer, Schema } from "effect"
import { tempDirectory } from "./engineConformance.ts"

const Note = Schema.Struct({ text: Schema.String, year: Schema.Number })
type Note = typeof Note.Type

/** Knows numbers in a text, and no words. */
const embedder = Embedder.layer(
  Embedder.fromFunction({
    identity: "numbers",
    dimension: 2,
    embed: (texts) =>
      Effect.succeed(texts.map((text) => [Number(/\b\d+/.exec(text)?.[0] ?? 0), Number(/\d+$/.exec(text)?.[0] ?? 0)]))
  })
)

const options = { name: "notes", schema: Note, text: (note: Note) => note.text }

const open = {
  memory: VectorAgent.make({ ...options, items: (schema) => VolatileAgent.family({ name: "notes", schema }) }),
  disk: Effect.gen(function* () {
    const directory = yield* tempDirectory
    const driver = yield* Layer.build(SqliteDriver.layer({ filename: join(directory, "notes.db") }))
    return yield* VectorAgent.make({
      ...options,
      items: (schema) => SqlAgent.family({ name: "notes", schema }),
      engine: yield* Usearch.engine(),
      index: { path: join(directory, "index") }
    }).pipe(Effect.provide(driver))
  })
}

const notes: ReadonlyArray<readonly [string, Note]> = [
  ["both", { text: "10 errors of type E1234 at 10", year: 2020 }],
  ["words", { text: "1 error of type E1234, seen 50", year: 2021 }],
  ["near", { text: "10 cats and other things of no interest at all 11", year: 2022 }],
  ["far", { text: "1 cat and 99", year: 2023 }]
]

const ranked = (memory: VectorAgent.VectorAgent<Note>, query: VectorAgent.Query<Note>) =>
  Effect.map(memory.search(query), (hits) => hits.map(({ id, score }) => [id, Number(score.toFixed(4))]))

const text = "E1234 10 10"

for (const [place, make] of Object.entries(open)) {
  it.effect(`items in ${place}: a hybrid search ranks by places among vectors and among words, from 0 to 1`, () =>
    Effect.gen(function* () {
      const memory = yield* make
      yield* memory.addMany(notes)
      const share = (place: number) => 60 / (60 + place)
      const by = (...scores: ReadonlyArray<readonly [string, number]>) =>
        scores.map(([id, score]) => [id, Number(score.toFixed(4))])
      // By vectors: both, near, words, far. By words: both, words; "10" is a word as well, so that near is there too.
      const expected = by(
        ["both", 1],
        ["near", (share(1) + share(2)) / 2],
        ["words", (share(2) + share(1)) / 2],
        ["far", share(3) / 2]
      )
      expect(yield* ranked(memory, { text, hybrid: true })).toEqual(expected)
      expect(yield* ranked(memory, { text, hybrid: {} })).toEqual(expected)
      expect(yield* ranked(memory, { text, hybrid: true, minScore: 0.5, k: 3, offset: 1 })).toEqual(
        expected.slice(1, 3)
      )
      expect((yield* ranked(memory, { text, hybrid: { words: 1 } }))[1]?.[0]).toBe("words")
      expect((yield* ranked(memory, { text, hybrid: { words: 0 } }))[2]?.[0]).toBe("words")
      expect(yield* ranked(memory, { text, hybrid: false })).toEqual(yield* ranked(memory, { text }))
    }).pipe(Effect.provide(embedder))
  )

  it.effect(`items in ${place}: words know what was added, changed and removed after the first search`, () =>
    Effect.gen(function* () {
      const memory = yield* make
      yield* memory.addMany(notes)
      const best = (text: string) =>
        Effect.map(memory.search({ text, k: 1, hybrid: { words: 1 } }), (hits) => hits[0]?.id)
      expect(yield* best("E1234")).toBe("both")
      yield* memory.add("new", { text: "a volcano at 3", year: 2024 })
      expect(yield* best("volcano")).toBe("new")
      yield* memory.update("far", (note) => ({ ...note, text: "1 volcano, volcano and 99" }))
      expect(yield* best("volcano")).toBe("far")
      yield* memory.remove("far")
      expect(yield* best("volcano")).toBe("new")
      yield* memory.removeMany(["new", "both"])
      expect(yield* best("E1234")).toBe("words")
      expect(yield* memory.search({ text: "volcano", hybrid: true })).toHaveLength(2)
    }).pipe(Effect.provide(embedder))
  )

  it.effect(`items in ${place}: k items that pass are found by words as by vectors`, () =>
    Effect.gen(function* () {
      const memory = yield* make
      yield* memory.addMany(
        Array.from({ length: 900 }, (_, i) => [`n${i}`, { text: `item ${i} and ${i % 7}`, year: i % 300 }])
      )
      const hits = yield* memory.search({
        text: "item 5",
        k: 3,
        hybrid: true,
        filter: ({ year }) => year === 299
      })
      expect(hits.map(({ id }) => id).sort()).toEqual(["n299", "n599", "n899"])
    }).pipe(Effect.provide(embedder))
  )
}
