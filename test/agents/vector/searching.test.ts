import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Embedder, Query, SqlAgent, VectorAgent, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Usearch } from "dgents/usearch"
import { Effect, Layer, Schema } from "effect"
import { random, tempDirectory } from "./engineConformance.ts"

const Note = Schema.Struct({
  text: Schema.String,
  year: Schema.Number,
  size: Schema.BigInt,
  at: Schema.optionalKey(Schema.Date),
  place: Schema.Struct({ city: Schema.NullOr(Schema.String) })
})
type Note = typeof Note.Type
type Memory = VectorAgent.VectorAgent<Note>
type Search = VectorAgent.Query<Note>

const dimension = 6

/** Reads its vector out of the text. */
const embedder = Embedder.layer(
  Embedder.fromFunction({
    identity: "numbers",
    dimension,
    embed: (texts) => Effect.succeed(texts.map((text) => text.split(" ").map(Number)))
  })
)

const inMemory = (metric: VectorAgent.Metric) =>
  VectorAgent.make({
    name: "notes",
    schema: Note,
    text: (note) => note.text,
    metric,
    items: (schema) => VolatileAgent.family({ name: "notes", schema })
  })

/** Items in SQLite, read when they are needed, and the index in a file. */
const onDisk = (metric: VectorAgent.Metric) =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory
    const driver = yield* Layer.build(SqliteDriver.layer({ filename: join(directory, "notes.db") }))
    return yield* VectorAgent.make({
      name: "notes",
      schema: Note,
      text: (note) => note.text,
      metric,
      items: (schema) => SqlAgent.family({ name: "notes", schema }),
      engine: yield* Usearch.engine(),
      index: { path: join(directory, "index") }
    }).pipe(Effect.provide(driver))
  })

const places = { memory: inMemory, disk: onDisk } as const

const vectorOf = (text: string) => Float32Array.from(text.split(" "), Number)

const scoreOf = (metric: VectorAgent.Metric, a: Float32Array, b: Float32Array): number => {
  let [dot, aa, bb, dd] = [0, 0, 0, 0]
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? 0
    dot += x * y
    aa += x * x
    bb += y * y
    dd += (x - y) ** 2
  }
  return metric === "dot" ? dot : metric === "euclidean" ? -Math.sqrt(dd) : dot / Math.sqrt(aa * bb)
}

const items = (count: number) => {
  const next = random(7)
  const text = () => Array.from({ length: dimension }, () => (next() * 2 - 1).toFixed(3)).join(" ")
  return Array.from({ length: count }, (_, i): readonly [string, Note] => [
    `n${i}`,
    {
      text: text(),
      year: i % 7 === 0 ? Number.NaN : 2000 + (i % 25),
      size: BigInt(i % 3),
      ...(i % 2 === 0 ? { at: new Date(Date.UTC(2020, i % 12)) } : {}),
      place: { city: i % 50 === 0 ? "Bergen" : i % 4 === 0 ? null : "Oslo" }
    }
  ])
}

/** Each condition with what it means. */
const conditions: ReadonlyArray<readonly [NonNullable<Search["where"]>, (note: Note) => boolean]> = [
  [(p) => Query.gte(p.year, 2010), ({ year }) => year >= 2010],
  [(p) => Query.not(Query.lt(p.year, 2010)), ({ year }) => !(year < 2010)],
  [(p) => Query.isMissing(p.year), ({ year }) => Number.isNaN(year)],
  [(p) => Query.eq(p.place.city, "Bergen"), ({ place }) => place.city === "Bergen"],
  [(p) => Query.isMissing(p.place.city), ({ place }) => place.city === null],
  [(p) => Query.eq(p.size, 2n), ({ size }) => size === 2n],
  [
    (p) => Query.lt(p.at, new Date(Date.UTC(2020, 5))),
    ({ at }) => at !== undefined && at.getTime() < Date.UTC(2020, 5)
  ],
  [
    (p) => Query.and(Query.startsWith(p.place.city, "Os"), Query.oneOf(p.year, [2003, 2004])),
    ({ place, year }) => place.city === "Oslo" && (year === 2003 || year === 2004)
  ],
  [(p) => Query.eq(p.place.city, "Rome"), () => false]
]

const answers = (memory: Memory, query: Search) =>
  Effect.map(memory.search(query), (hits) => hits.map(({ id, score }) => ({ id, score: Number(score.toFixed(5)) })))

for (const [place, open] of Object.entries(places))
  for (const metric of ["cosine", "dot", "euclidean"] as const)
    it.effect(`items in ${place}, ${metric}: a search answers what a search through all items by hand answers`, () =>
      Effect.gen(function* () {
        const all = items(400)
        const memory = yield* open(metric)
        yield* memory.addMany(all)
        const next = random(11)
        const whole = (below: number) => Math.floor(next() * below)
        for (let round = 0; round < 60; round++) {
          const query = Float32Array.from({ length: dimension }, () => next() * 2 - 1)
          const like = round % 3 === 0 ? `n${whole(400)}` : undefined
          const from = like === undefined ? query : vectorOf(all.find(([id]) => id === like)?.[1].text ?? "")
          const [where, fits] = conditions[round % (conditions.length + 3)] ?? [undefined, () => true]
          const filter = round % 4 === 1 ? (note: Note) => !note.text.startsWith("0.1") : undefined
          const [k, offset] = [round % 10 === 0 ? Number.POSITIVE_INFINITY : whole(30), whole(8)]
          const scores = all.map(([, { text }]) => scoreOf(metric, from, vectorOf(text))).sort((a, b) => b - a)
          const minScore = round % 5 === 0 ? (scores[whole(60)] ?? 0) - 1e-4 : undefined
          const expected = all
            .filter(([id, note]) => id !== like && fits(note) && filter?.(note) !== false)
            .map(([id, { text }]) => ({ id, score: Number(scoreOf(metric, from, vectorOf(text)).toFixed(5)) }))
            .filter(({ score }) => score >= (minScore ?? Number.NEGATIVE_INFINITY))
            .sort((a, b) => b.score - a.score)
            .slice(offset, offset + k)
          const found = yield* answers(memory, {
            ...(like === undefined ? { vector: query } : { like }),
            k,
            offset,
            minScore,
            where,
            filter
          })
          expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
          for (const [i, { score }] of found.entries()) expect(score).toBeCloseTo(expected[i]?.score ?? 0, 4)
        }
      }).pipe(Effect.provide(embedder))
    )

it.effect("pages follow one another without a gap, and past the end there are none", () =>
  Effect.gen(function* () {
    const memory = yield* inMemory("cosine")
    yield* memory.addMany(items(100))
    const vector = [1, 2, 3, 4, 5, 6]
    const pages = yield* Effect.forEach([0, 30, 60, 90, 120], (offset) => memory.search({ vector, k: 30, offset }))
    expect(pages.map((page) => page.length)).toEqual([30, 30, 30, 10, 0])
    expect(pages.flat()).toEqual(yield* memory.search({ vector, k: Number.POSITIVE_INFINITY }))
  }).pipe(Effect.provide(embedder))
)

it.effect("a radius is a distance, its edge included; a dot product has none", () =>
  Effect.gen(function* () {
    const note = (text: string): Note => ({ text, year: 0, size: 0n, place: { city: null } })
    const ids = (memory: Memory, query: Search) => Effect.map(memory.search(query), (hits) => hits.map(({ id }) => id))
    const far = yield* inMemory("euclidean")
    yield* far.addMany([
      ["0", note("0 0 0 0 0 0")],
      ["3", note("3 0 0 0 0 0")],
      ["4", note("0 4 0 0 0 0")]
    ])
    expect(yield* ids(far, { like: "0", radius: 3 })).toEqual(["3"])
    expect(yield* ids(far, { vector: [0, 0, 0, 0, 0, 0], radius: 4, minScore: -3 })).toEqual(["0", "3"])
    const turned = yield* inMemory("cosine")
    yield* turned.addMany([
      ["same", note("2 0 0 0 0 0")],
      ["square", note("0 1 0 0 0 0")],
      ["against", note("-1 0 0 0 0 0")]
    ])
    expect(yield* ids(turned, { vector: [1, 0, 0, 0, 0, 0], radius: 0 })).toEqual(["same"])
    expect(yield* ids(turned, { vector: [1, 0, 0, 0, 0, 0], radius: 1 })).toEqual(["same", "square"])
    const dot = yield* inMemory("dot")
    const error = yield* Effect.flip(dot.search({ vector: [1, 0, 0, 0, 0, 0], radius: 1 }))
    expect(error).toMatchObject({ _tag: "QueryInvalid" })
    expect(error.message).toContain("use minScore")
  }).pipe(Effect.provide(embedder))
)

it.effect("what is like an item that is not there is a typed error, and an item is not like itself", () =>
  Effect.gen(function* () {
    for (const open of Object.values(places)) {
      const memory = yield* open("cosine")
      expect(yield* Effect.flip(memory.search({ like: "n1" }))).toMatchObject({ _tag: "StateNotFound", key: "n1" })
      yield* memory.addMany(items(3))
      expect((yield* memory.search({ like: "n1" })).map(({ id }) => id).sort()).toEqual(["n0", "n2"])
      yield* memory.remove("n1")
      expect(yield* Effect.flip(memory.search({ like: "n1" }))).toMatchObject({ _tag: "StateNotFound", key: "n1" })
    }
  }).pipe(Effect.provide(embedder))
)

it.effect("options that have no meaning are refused, with what to do", () =>
  Effect.gen(function* () {
    const memory = yield* inMemory("cosine")
    yield* memory.addMany(items(3))
    const vector = [1, 0, 0, 0, 0, 0]
    const refusals: ReadonlyArray<readonly [unknown, string]> = [
      [{ vector, offset: -1 }, "offset is -1"],
      [{ vector, offset: Number.POSITIVE_INFINITY }, "offset is Infinity"],
      [{ vector, radius: -1 }, "radius is -1"],
      [{ vector, radius: Number.NaN }, "radius is NaN"],
      [{ vector, diversity: 1.1 }, "diversity is 1.1"],
      [{ vector, hybrid: true }, "needs a text"],
      [{ text: "1 0 0 0 0 0", hybrid: { words: 2 } }, "hybrid.words is 2"],
      [{ text: "1 0 0 0 0 0", hybrid: true, radius: 1 }, "no distances"],
      [{ vector, like: "n1" }, "exactly one"],
      [{ k: 3 }, "exactly one"],
      [{ vector, where: (p: { readonly nothing: never }) => Query.eq(p.nothing, "x") }, "no such field"]
    ]
    for (const [query, reason] of refusals) {
      // Sound: these are what JavaScript may pass, and the types do not let through.
      const error = yield* Effect.flip(memory.search(query as Search))
      expect(error).toMatchObject({ _tag: "QueryInvalid", agent: "notes" })
      expect(error.message).toContain(reason)
    }
  }).pipe(Effect.provide(embedder))
)

it.effect("fields of a class, and dates that cannot be frozen, are compared as they are", () =>
  Effect.gen(function* () {
    class Person extends Schema.Class<Person>("Person")({ name: Schema.String, born: Schema.Date }) {}
    const people = yield* VectorAgent.make({
      name: "people",
      schema: Person,
      text: (person) => person.name,
      items: (schema) => VolatileAgent.family({ name: "people", schema })
    })
    yield* people.add("a", new Person({ name: "Ada", born: new Date("1815-12-10") }))
    yield* people.add("b", new Person({ name: "Bob", born: new Date("1950-01-01") }))
    const hits = yield* people.search({ text: "who", where: (p) => Query.lt(p.born, new Date("1900-01-01")) })
    expect(hits.map(({ item }) => item)).toEqual([new Person({ name: "Ada", born: new Date("1815-12-10") })])
  }).pipe(Effect.provide(Embedder.layerLexical()))
)
