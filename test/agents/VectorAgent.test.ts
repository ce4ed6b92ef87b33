import { expect, it } from "@effect/vitest"
import { type Claims, Embedder, VectorAgent, VectorError, VolatileAgent } from "dgents"
import { Effect, Fiber, type Layer, Option, Schema } from "effect"
import { Disk } from "./vector/mapStore.ts"

const Note = Schema.Struct({ text: Schema.String, tags: Schema.Array(Schema.String) })
const note = (text: string, ...tags: ReadonlyArray<string>) => ({ text, tags })
type Note = typeof Note.Type
type Stored = VectorAgent.Stored<Note>

const options = {
  name: "notes",
  schema: Note,
  text: (item: Note) => item.text,
  items: (schema: Schema.Codec<Stored, unknown>) => VolatileAgent.family({ name: "notes", schema })
}
const onDisk = (disk: Disk) => ({ ...options, items: (schema: Schema.Codec<Stored, unknown>) => disk.family(schema) })
const lexical = Effect.provide(Embedder.layerLexical())

/** An embedder that reads its vector out of the text: "1 2 3". */
const numbers = (dimension = 3, identity = "numbers") =>
  Embedder.layer(
    Embedder.fromFunction({
      identity,
      dimension,
      embed: (texts) => Effect.succeed(texts.map((text) => text.split(" ").map(Number)))
    })
  )

const threeSteps = Effect.forEach([1, 2, 3], () => Effect.yieldNow)

/** The built-in embedder, a few steps away. */
const slowLexical = Embedder.layer({
  ...Embedder.lexical(),
  embed: (texts) => Effect.andThen(threeSteps, Embedder.lexical().embed(texts))
})

const three: ReadonlyArray<readonly [string, Note]> = [
  ["deploy", note("How to deploy the service to production", "ops")],
  ["cat", note("The cat sleeps on the warm windowsill", "home")],
  ["tea", note("A quiet tea ceremony in Kyoto", "travel")]
]

it.effect("an item is found by what its text says", () =>
  Effect.gen(function* () {
    const notes = yield* VectorAgent.make(options)
    yield* notes.addMany(three)
    const hits = yield* notes.search({ text: "deployment of services", k: 2 })
    expect(hits.map(({ id }) => id)[0]).toBe("deploy")
    expect(hits).toHaveLength(2)
    expect(hits[0]?.item).toEqual(three[0]?.[1])
    expect(yield* notes.size).toBe(3)
    expect([...(yield* notes.ids)].sort()).toEqual(["cat", "deploy", "tea"])
    expect(new Map(yield* notes.entries)).toEqual(new Map(three))
  }).pipe(lexical)
)

it.effect("after a restart the answers are the same, scores included", () =>
  Effect.gen(function* () {
    for (const metric of ["cosine", "dot", "euclidean"] as const) {
      const disk = new Disk()
      const use = <A, E, R>(f: (notes: VectorAgent.VectorAgent<Note>) => Effect.Effect<A, E, R>) =>
        Effect.scoped(Effect.flatMap(VectorAgent.make({ ...onDisk(disk), metric }), f))
      const ask = (notes: VectorAgent.VectorAgent<Note>) =>
        Effect.all([notes.search({ text: "the service in Kyoto" }), notes.search({ text: "cats sleep", k: 1 })])
      const before = yield* use((notes) =>
        Effect.gen(function* () {
          yield* notes.addMany(three)
          yield* notes.add("gone", note("The service in Kyoto"))
          yield* notes.update("tea", (tea) => ({ ...tea, text: `${tea.text} and Nara` }))
          yield* notes.remove("gone")
          return yield* ask(notes)
        })
      )
      expect(before[0]).toHaveLength(3)
      expect(yield* use(ask)).toEqual(before)
    }
  }).pipe(lexical)
)

it.effect("opening reads in batches, never item by item", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    const entries = Array.from({ length: 1200 }, (_, i) => [`n${i}`, note(`${i} 1 2`)] as const)
    yield* Effect.scoped(Effect.flatMap(VectorAgent.make(onDisk(disk)), (notes) => notes.addMany(entries)))
    Object.assign(disk.calls, { read: 0, readMany: 0 })
    yield* Effect.scoped(
      Effect.flatMap(VectorAgent.make(onDisk(disk)), (notes) =>
        Effect.map(notes.size, (size) => expect(size).toBe(1200))
      )
    )
    expect(disk.calls).toMatchObject({ read: 1, readMany: 3, writeMany: 1 })
  }).pipe(Effect.provide(numbers()))
)

it.effect("a memory opened with another embedder, dimension or metric is refused, and says both sides", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    const open = (embedder: Layer.Layer<Embedder.Embedder>, metric: VectorAgent.Metric = "cosine") =>
      Effect.scoped(Effect.asVoid(VectorAgent.make({ ...onDisk(disk), metric }))).pipe(Effect.provide(embedder))
    yield* open(numbers())
    yield* open(numbers())
    const stored = { embedder: "numbers", dimension: 3, metric: "cosine" }
    for (const [given, exit] of [
      [{ ...stored, embedder: "numbers-2" }, open(numbers(3, "numbers-2"))],
      [{ ...stored, dimension: 4 }, open(numbers(4))],
      [{ ...stored, metric: "dot" }, open(numbers(), "dot")]
    ] as const) {
      const error = yield* Effect.flip(exit)
      expect(error).toMatchObject({ _tag: "EmbedderMismatch", agent: "notes", stored, given })
      expect(error.message).toContain("make a new memory")
    }
  })
)

it.effect("two that open an empty memory at once agree on one embedder", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    disk.pause = Effect.yieldNow
    const open = (identity: string) =>
      Effect.exit(Effect.provide(Effect.scoped(VectorAgent.make(onDisk(disk))), numbers(3, identity)))
    const exits = yield* Effect.all([open("a"), open("b"), open("c")], { concurrency: "unbounded" })
    expect(exits.filter((exit) => exit._tag === "Success")).toHaveLength(1)
    for (const exit of exits) if (exit._tag === "Failure") expect(String(exit)).toContain("EmbedderMismatch")
  })
)

it.effect("any string is an id, and none reaches the settings", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    const ids = ["", "settings", "i/", "i/settings", "../x", "%", "*", "__proto__", "é", "a\u0000b", "x".repeat(1024)]
    yield* Effect.scoped(
      Effect.flatMap(VectorAgent.make(onDisk(disk)), (notes) =>
        notes.addMany(ids.map((id, i) => [id, note(`1 ${i} 0`)]))
      )
    )
    const notes = yield* VectorAgent.make(onDisk(disk))
    for (const [i, id] of ids.entries()) expect(yield* notes.get(id)).toEqual(Option.some(note(`1 ${i} 0`)))
    yield* notes.removeMany(ids)
    expect(yield* notes.size).toBe(0)
    expect((yield* Effect.flip(notes.add("\ud800", note("1 1 1"))))._tag).toBe("StateInvalid")
    expect(yield* notes.size).toBe(0)
  }).pipe(Effect.provide(numbers()))
)

it.effect("a query without an answer is refused, typed", () =>
  Effect.gen(function* () {
    const notes = yield* VectorAgent.make(options)
    const refused = (query: VectorAgent.Query<Note>) => Effect.flip(notes.search(query))
    for (const filled of [false, true]) {
      if (filled) yield* notes.add("a", note("1 2 3"))
      expect(yield* refused({ vector: [1, 2] })).toMatchObject({ _tag: "DimensionMismatch", expected: 3, actual: 2 })
      for (const query of [
        { text: "" },
        { text: " \n\t" },
        { vector: [1, Number.NaN, 0] },
        { vector: [1, Number.POSITIVE_INFINITY, 0] },
        { vector: [1, 1e300, 0] },
        { text: "1 1 1", k: -1 },
        { text: "1 1 1", k: 1.5 },
        { text: "1 1 1", k: Number.NaN },
        { text: "1 1 1", minScore: Number.NaN }
      ]) {
        expect((yield* refused(query))._tag).toBe("QueryInvalid")
      }
    }
  }).pipe(Effect.provide(numbers()))
)

it.effect("k of 0, k past the end, an empty memory and a zero vector all have an answer", () =>
  Effect.gen(function* () {
    const notes = yield* VectorAgent.make(options)
    expect(yield* notes.search({ text: "1 0 0" })).toEqual([])
    yield* notes.addMany([
      ["b", note("0 0 0")],
      ["a", note("3 0 0")],
      ["c", note("-1 0 0")]
    ])
    const ranked = (query: VectorAgent.Query<Note>) =>
      Effect.map(notes.search(query), (hits) => hits.map(({ id, score }) => [id, score]))
    expect(yield* ranked({ text: "1 0 0", k: 0 })).toEqual([])
    const all = [
      ["a", 1],
      ["b", 0],
      ["c", -1]
    ]
    expect(yield* ranked({ text: "1 0 0", k: 1000 })).toEqual(all)
    expect(yield* ranked({ vector: Float32Array.of(5, 0, 0), k: Number.POSITIVE_INFINITY })).toEqual(all)
    expect(yield* ranked({ text: "1 0 0", minScore: 0 })).toEqual(all.slice(0, 2))
    expect(yield* ranked({ vector: [0, 0, 0], k: 2 })).toEqual([
      ["a", 0],
      ["b", 0]
    ])
  }).pipe(Effect.provide(numbers()))
)

it.effect("euclidean scores are minus the distance, so that minScore searches a radius", () =>
  Effect.gen(function* () {
    const notes = yield* VectorAgent.make({ ...options, metric: "euclidean" })
    yield* notes.addMany([
      ["here", note("1 1 1")],
      ["near", note("1 1 3")],
      ["far", note("1 1 9")]
    ])
    const hits = yield* notes.search({ text: "1 1 1", minScore: -2 })
    expect(hits.map(({ id, score }) => [id, score])).toEqual([
      ["here", 0],
      ["near", -2]
    ])
  }).pipe(Effect.provide(numbers()))
)

it.effect("a filter sees the item and its id, and k hits come whenever k items pass", () =>
  Effect.gen(function* () {
    const notes = yield* VectorAgent.make(options)
    yield* notes.addMany(
      Array.from({ length: 60 }, (_, i) => [`n${i}`, note(`1 ${i} 0`, i % 20 === 19 ? "rare" : "common")])
    )
    const hits = yield* notes.search({ text: "1 0 0", k: 3, filter: (item) => item.tags[0] === "rare" })
    expect(hits.map(({ id }) => id)).toEqual(["n19", "n39", "n59"])
    expect(yield* notes.search({ text: "1 0 0", filter: (_, id) => id === "n7" })).toHaveLength(1)
    const bug = yield* Effect.exit(
      notes.search({
        text: "1 0 0",
        filter: () => {
          throw new Error("a bug in the filter")
        }
      })
    )
    expect(String(bug)).toContain("a bug in the filter")
    expect(yield* notes.size).toBe(60)
  }).pipe(Effect.provide(numbers()))
)

it.effect("an item that does not fit, or has no text, is refused and nothing of its batch is written", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    const notes = yield* VectorAgent.make(onDisk(disk))
    const bad = JSON.parse(`{"text": "1 2 3", "tags": [4]}`)
    const error = yield* Effect.flip(
      notes.addMany([
        ["good", note("1 2 3")],
        ["bad", bad]
      ])
    )
    expect(error).toMatchObject({ _tag: "StateInvalid", agent: "notes", key: "bad", path: ["tags", 0] })
    expect((yield* Effect.flip(notes.add("blank", note("  \n"))))._tag).toBe("StateInvalid")
    expect(yield* notes.size).toBe(0)
    expect([...disk.entries.keys()]).toEqual(["settings"])
  }).pipe(Effect.provide(numbers()))
)

it.effect("what an embedder gives is checked: how many, how long, finite", () =>
  Effect.gen(function* () {
    const answering = (vectors: ReadonlyArray<Embedder.EmbeddedVector>) =>
      Effect.gen(function* () {
        const notes = yield* VectorAgent.make(options)
        const failed = yield* Effect.flip(notes.add("a", note("x")))
        expect(yield* notes.size).toBe(0)
        return failed
      }).pipe(
        Effect.provide(
          Embedder.layer(Embedder.fromFunction({ identity: "e", dimension: 2, embed: () => Effect.succeed(vectors) }))
        )
      )
    for (const [vectors, reason] of [
      [[], "0 vectors for 1 texts"],
      [[[1, 2], Float32Array.of(3, 4)], "2 vectors for 1 texts"],
      [[[1, 2, 3]], "3 numbers instead of 2"],
      [[[1, Number.NaN]], "not a finite"],
      [[[1, 1e39]], "not a finite"]
    ] as const) {
      const error = yield* answering(vectors)
      expect(error).toMatchObject({ _tag: "EmbeddingFailed", embedder: "e", retryable: false })
      expect(error.message).toContain(reason)
    }
    const none = Embedder.layer({ identity: "none", dimension: 0, embed: () => Effect.succeed([]) })
    expect((yield* Effect.flip(Effect.provide(VectorAgent.make(options), none)))._tag).toBe("EmbeddingFailed")
  })
)

it.effect("an embedder that fails leaves the memory as it was, with the cause", () =>
  Effect.gen(function* () {
    const down = Embedder.fromFunction({ identity: "e", dimension: 2, embed: () => Effect.fail(new Error("offline")) })
    const notes = yield* Effect.provide(VectorAgent.make(options), Embedder.layer(down))
    const error = yield* Effect.flip(notes.add("a", note("x")))
    expect(error).toBeInstanceOf(VectorError.EmbeddingFailed)
    expect(error).toMatchObject({ reason: "offline", retryable: true })
    expect(yield* notes.size).toBe(0)
  })
)

it.effect("an update is atomic, and a text that stays is not embedded again", () =>
  Effect.gen(function* () {
    let embedded = 0
    const counting = Embedder.fromFunction({
      identity: "counting",
      dimension: 1,
      embed: (texts) => {
        embedded += texts.length
        return Effect.as(
          Effect.yieldNow,
          texts.map((text) => [text.length])
        )
      }
    })
    const notes = yield* Effect.provide(VectorAgent.make(options), Embedder.layer(counting))
    yield* notes.add("a", note("ab"))
    yield* Effect.forEach(
      Array.from({ length: 20 }),
      () => notes.update("a", (a) => ({ ...a, tags: [...a.tags, "x"] })),
      { concurrency: "unbounded" }
    )
    expect(embedded).toBe(1)
    expect((yield* notes.search({ vector: [1] }))[0]?.item.tags).toHaveLength(20)
    yield* Effect.forEach(Array.from({ length: 20 }), () => notes.update("a", (a) => ({ ...a, text: `${a.text}c` })), {
      concurrency: "unbounded"
    })
    expect((yield* notes.get("a")).pipe(Option.map((a) => a.text.length))).toEqual(Option.some(22))
    expect(embedded).toBe(21)
    expect(yield* Effect.flip(notes.update("b", (b) => b))).toMatchObject({ _tag: "StateNotFound", key: "b" })
  })
)

it.effect("of an id given twice the last item counts, and adding again replaces", () =>
  Effect.gen(function* () {
    const notes = yield* VectorAgent.make(options)
    yield* notes.addMany([
      ["a", note("1 0 0")],
      ["a", note("0 1 0")]
    ])
    expect((yield* notes.search({ text: "0 1 0" })).map(({ score }) => score)).toEqual([1])
    yield* notes.add("a", note("0 0 1"))
    expect((yield* notes.search({ text: "0 0 1" })).map(({ score }) => score)).toEqual([1])
    yield* notes.addMany([])
    yield* notes.removeMany([])
    yield* notes.remove("never there")
    expect(yield* notes.size).toBe(1)
  }).pipe(Effect.provide(numbers()))
)

it.effect("an item that came out, or went in, cannot change the one inside", () =>
  Effect.gen(function* () {
    const Event = Schema.Struct({ text: Schema.String, at: Schema.Date, tags: Schema.Array(Schema.String) })
    const events = yield* VectorAgent.make({
      name: "events",
      schema: Event,
      text: (event) => event.text,
      items: (schema) => VolatileAgent.family({ name: "events", schema })
    })
    const mine = { text: "a launch", at: new Date(0), tags: ["a"] }
    yield* events.add("a", mine)
    mine.at.setTime(1)
    mine.tags.push("b")
    const [hit] = yield* events.search({ text: "launch" })
    hit?.item.at.setTime(2)
    yield* events.search({ text: "launch", filter: (event) => event.at.setTime(3) > 0 })
    expect(yield* events.get("a")).toEqual(Option.some({ text: "a launch", at: new Date(0), tags: ["a"] }))
    const disk = new Disk()
    const slow = yield* Effect.provide(VectorAgent.make(onDisk(disk)), slowLexical)
    const tags = ["before"]
    const adding = yield* Effect.forkChild(slow.add("a", { text: "a launch", tags }))
    yield* Effect.yieldNow
    tags.push("after")
    yield* Fiber.join(adding)
    expect(yield* slow.get("a")).toEqual(Option.some(note("a launch", "before")))
    expect(String(disk.entries.get("i/a")?.state)).not.toContain("after")
    const plain = yield* VectorAgent.make(options)
    yield* plain.add("a", note("a launch"))
    expect(Object.isFrozen((yield* plain.search({ text: "launch" }))[0]?.item)).toBe(true)
  }).pipe(lexical)
)

it.effect("use after the scope has closed is typed", () =>
  Effect.gen(function* () {
    const notes = yield* Effect.scoped(VectorAgent.make(options))
    const uses: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
      notes.add("a", note("x")),
      notes.addMany([]),
      notes.update("a", (a) => a),
      notes.remove("a"),
      notes.removeMany([]),
      notes.get("a"),
      notes.ids,
      notes.entries,
      notes.size,
      notes.search({ text: "x" })
    ]
    for (const use of uses) expect((yield* Effect.flip(use))._tag).toBe("AgentClosed")
  }).pipe(lexical)
)

it.effect("the claims are those of the family, for the fibers of one process and without a history", () =>
  Effect.gen(function* () {
    const notes = yield* VectorAgent.make(onDisk(new Disk()))
    const expected: Claims.Claims = {
      durability: "power",
      consistency: "linearizable",
      sharing: "process",
      history: "none"
    }
    expect(notes.claims).toEqual(expected)
    expect(notes.settings).toEqual({ embedder: "dgents/lexical-1", dimension: 384, metric: "cosine" })
    expect(VectorAgent.isVectorAgent(notes)).toBe(true)
    expect(VectorAgent.isVectorAgent(yield* VolatileAgent.make({ name: "x", schema: Note }))).toBe(false)
  }).pipe(lexical)
)

class Notes extends VectorAgent.Service<Notes, Note>()("test/Notes") {}

it.effect("a program asks for a memory by its tag, and functions pipe", () =>
  Effect.gen(function* () {
    const notes = yield* Notes
    yield* notes.pipe(VectorAgent.addMany(three))
    yield* notes.pipe(VectorAgent.add("more", note("A dog in the yard")))
    yield* VectorAgent.update(notes, "more", (more) => ({ ...more, tags: ["home"] }))
    yield* notes.pipe(VectorAgent.removeMany(["cat", "tea"]))
    yield* notes.pipe(VectorAgent.remove("deploy"))
    expect(yield* notes.pipe(VectorAgent.get("more"))).toEqual(Option.some(note("A dog in the yard", "home")))
    expect(yield* notes.pipe(VectorAgent.search({ text: "dog" }))).toHaveLength(1)
    expect(yield* VectorAgent.search(notes, { text: "dog" })).toHaveLength(1)
  }).pipe(Effect.provide(VectorAgent.layer(Notes, options)), lexical)
)
