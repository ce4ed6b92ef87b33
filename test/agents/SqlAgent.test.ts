import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { type Claims, Codec, DataAgent, Family, Revision, SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Fiber, Layer, Option, Schema, Stream } from "effect"
import { tempFile } from "./sql/temp.ts"

const Counter = Schema.Struct({ n: Schema.Number })
type Counter = typeof Counter.Type

const counter = (history: Claims.ExactHistory = "none") =>
  SqlAgent.make({ name: "counter", schema: Counter, initial: { n: 0 }, history })
const counters = (history: Claims.ExactHistory = "none", name = "counters") =>
  SqlAgent.family({ name, schema: Counter, history })

/** Runs against a file of its own. */
const onFile = <A, E, R>(body: (file: string) => Effect.Effect<A, E, R>) => Effect.flatMap(tempFile, body)
/** One life of a process: opens the file, runs, closes. */
const session = (file: string) => Effect.provide(SqliteDriver.layer({ filename: file }))
const inMemory = Effect.provide(SqliteDriver.layer({ filename: ":memory:" }))

const numbers = (agent: DataAgent.DataAgent<Counter>, options?: Revision.HistoryOptions) =>
  Effect.map(Stream.runCollect(agent.history(options)), (all) => all.map((entry) => [entry.revision, entry.state.n]))

it.effect("a state, its revision and its time are there after closing and opening again", () =>
  onFile((file) =>
    Effect.gen(function* () {
      const saved = yield* Effect.scoped(
        Effect.gen(function* () {
          const agent = yield* counter()
          expect(yield* agent.load).toEqual({ n: 0 })
          yield* agent.save({ n: 7 })
          return yield* agent.current
        })
      ).pipe(session(file))
      const found = yield* Effect.scoped(Effect.flatMap(counter(), (agent) => agent.current)).pipe(session(file))
      expect(found).toEqual(saved)
      expect(Option.getOrThrow(found)).toMatchObject({ state: { n: 7 }, revision: 1 })
    })
  )
)

it.effect("what it claims is what the driver claims, with the history asked for", () =>
  onFile((file) =>
    Effect.gen(function* () {
      const agentOf = (options: Omit<SqliteDriver.Options, "filename">) =>
        Effect.provide(counter({ bounded: 3 }), SqliteDriver.layer({ filename: file, ...options }))
      const base = { consistency: "linearizable", sharing: "host", history: { bounded: 3 } }
      expect((yield* agentOf({})).claims).toEqual({ ...base, durability: "power" })
      expect((yield* agentOf({ synchronous: "normal" })).claims).toEqual({ ...base, durability: "process" })
      expect((yield* counter({ bounded: 3 }).pipe(inMemory)).claims).toEqual({
        ...base,
        durability: "volatile",
        sharing: "process"
      })
    })
  )
)

it.effect("an initial that does not fit, and a name that cannot be stored, are refused", () =>
  Effect.gen(function* () {
    // Sound: the state is wrong on purpose.
    const wrong = { n: "1" } as unknown as Counter
    const bad = SqlAgent.make({ name: "bad", schema: Counter, initial: wrong })
    expect((yield* Effect.flip(bad))._tag).toBe("StateInvalid")
    expect((yield* Effect.flip(SqlAgent.family({ name: "\ud800", schema: Counter })))._tag).toBe("StateInvalid")
  }).pipe(inMemory)
)

it.effect("a history is bounded, full or none; it pages, and at() finds what is kept", () =>
  onFile((file) =>
    Effect.gen(function* () {
      const [none, last3, full] = [
        yield* counters("none", "none"),
        yield* counters({ bounded: 3 }, "bounded"),
        yield* counters("full", "full")
      ].map((family) => family.at("k"))
      if (none === undefined || last3 === undefined || full === undefined) throw new Error("unreachable")
      for (let n = 1; n <= 50; n++) for (const agent of [none, last3, full]) yield* agent.save({ n })

      expect(yield* numbers(none)).toEqual([[50, 50]])
      expect(yield* numbers(none, { before: Revision.make(50) })).toEqual([])
      expect(yield* numbers(last3)).toEqual([50, 49, 48].map((n) => [n, n]))
      expect(yield* numbers(full)).toEqual(Array.from({ length: 50 }, (_, i) => [50 - i, 50 - i]))
      expect(yield* numbers(full, { before: Revision.make(40), limit: 20 })).toEqual(
        Array.from({ length: 20 }, (_, i) => [39 - i, 39 - i])
      )
      expect(yield* numbers(full, { limit: 0 })).toEqual([])

      expect((yield* full.at(Revision.make(1))).state).toEqual({ n: 1 })
      expect((yield* full.at(Revision.make(50))).state).toEqual({ n: 50 })
      expect((yield* Effect.flip(last3.at(Revision.make(47))))._tag).toBe("StateNotFound")
      expect((yield* Effect.flip(none.at(Revision.make(49))))._tag).toBe("StateNotFound")
      const db = new Database(file, { readonly: true })
      const rows = db.prepare("SELECT collection, count(*) AS n FROM dgents_history GROUP BY 1 ORDER BY 1").all()
      db.close()
      expect(rows).toEqual([
        { collection: "family:bounded", n: 2 },
        { collection: "family:full", n: 49 }
      ])
    }).pipe(session(file))
  )
)

it.effect("a history kept by batches and restores is that of single saves", () =>
  Effect.gen(function* () {
    const family = yield* counters("full")
    for (let n = 1; n <= 3; n++) {
      yield* family.saveMany([
        ["a", { n }],
        ["b", { n: 10 * n }]
      ])
    }
    yield* DataAgent.restore(family.at("a"), Revision.make(1))
    expect(yield* numbers(family.at("a"))).toEqual([
      [4, 1],
      [3, 3],
      [2, 2],
      [1, 1]
    ])
    expect(yield* numbers(family.at("b"), { limit: 1 })).toEqual([[3, 30]])
  }).pipe(inMemory)
)

it.effect(
  "a delete takes the state and its history, nothing of a neighbour, and its revisions are not used again",
  () =>
    onFile((file) =>
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const family = yield* counters("full")
            for (let n = 1; n <= 4; n++) for (const key of ["k", "k2", "K"]) yield* family.at(key).save({ n })
            yield* family.at("k").delete
            yield* family.at("k").delete
            expect(yield* DataAgent.exists(family.at("k"))).toBe(false)
            expect(yield* numbers(family.at("k"))).toEqual([])
            expect((yield* numbers(family.at("k2"))).length).toBe(4)
            expect((yield* numbers(family.at("K"))).length).toBe(4)
          })
        ).pipe(session(file))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const family = yield* counters("full")
            expect(yield* family.at("k").compareAndSave({ n: 1 }, Revision.absent)).toBe(5)
            yield* family.at("k").save({ n: 2 })
            yield* family.deleteMany(["k", "k2", "nobody"])
            yield* family.saveMany([["k2", { n: 9 }]])
            expect(Option.getOrThrow(yield* family.at("k2").current).revision).toBe(7)
            expect(yield* numbers(family.at("k2"))).toEqual([[7, 9]])
          })
        ).pipe(session(file))
      })
    )
)

it.effect("of several compareAndSave from one revision one wins, and the others learn the revision found", () =>
  Effect.gen(function* () {
    const agent = yield* counter("full")
    const create = yield* Effect.forEach([1, 2, 3], (n) => Effect.option(agent.compareAndSave({ n }, Revision.absent)))
    expect(create.filter(Option.isSome).length).toBe(1)
    yield* agent.compareAndSave({ n: 5 }, Revision.make(1))
    const conflict = yield* Effect.flip(agent.compareAndSave({ n: 6 }, Revision.make(1)))
    expect(conflict).toMatchObject({ _tag: "RevisionConflict", agent: "counter", expected: 1, actual: 2 })
    // A conflict leaves no trace in the history.
    expect(yield* numbers(agent)).toEqual([
      [2, 5],
      [1, 1]
    ])
  }).pipe(inMemory)
)

const hostile = [
  "",
  "a",
  "ab",
  "a%",
  "a_",
  "A",
  "a\0b",
  "a\0",
  "\u{10ffff}",
  "\uffff",
  "\u{1f600}",
  "\u{1f600}x",
  "'; --",
  '"',
  "..",
  "/",
  "x".repeat(1024)
]

it.effect("hostile keys stay apart, and a prefix lists exactly those that begin with it", () =>
  Effect.gen(function* () {
    const family = yield* counters("full")
    const other = yield* counters("full", "other")
    yield* family.saveMany(hostile.map((key, n) => [key, { n }] as const))
    yield* other.saveMany(hostile.map((key) => [key, { n: -1 }] as const))
    for (const [n, key] of hostile.entries()) expect(yield* family.at(key).load).toEqual({ n })
    expect(yield* family.loadMany(hostile)).toEqual(new Map(hostile.map((key, n) => [key, { n }])))
    for (const prefix of hostile) {
      const keys = yield* Stream.runCollect(family.keys({ prefix }))
      expect(new Set(keys)).toEqual(new Set(hostile.filter((key) => key.startsWith(prefix))))
      expect(keys.length).toBe(new Set(keys).size)
    }
    yield* family.at("a").delete
    expect(yield* DataAgent.exists(family.at("a\0"))).toBe(true)
    expect(yield* other.at("a").load).toEqual({ n: -1 })
  }).pipe(inMemory)
)

it.effect("an agent and a family of one name are apart", () =>
  Effect.gen(function* () {
    const agent = yield* SqlAgent.make({ name: "same", schema: Counter })
    const family = yield* SqlAgent.family({ name: "same", schema: Counter })
    yield* agent.save({ n: 1 })
    expect(yield* DataAgent.exists(family.at(""))).toBe(false)
    expect(yield* Stream.runCollect(family.keys())).toEqual([])
  }).pipe(inMemory)
)

it.effect("keys come in pages, each once, while other keys are written and removed", () =>
  Effect.gen(function* () {
    const family = yield* counters()
    const all = Array.from({ length: 1234 }, (_, i) => `key/${i}`)
    yield* family.saveMany(all.map((key, n) => [key, { n }] as const))
    let seen = 0
    const listed = yield* Stream.runCollect(
      Stream.tap(family.keys({ prefix: "key/" }), () =>
        seen++ % 100 === 0
          ? Effect.andThen(family.at(`other/${seen}`).save({ n: 0 }), family.at(`key/${seen}/x`).save({ n: 0 }))
          : Effect.void
      )
    )
    expect(listed.length).toBe(new Set(listed).size)
    const listedSet = new Set(listed)
    expect(all.every((key) => listedSet.has(key))).toBe(true)
    expect(listed.every((key) => key.startsWith("key/"))).toBe(true)
  }).pipe(inMemory)
)

it.effect("a batch is all or nothing", () =>
  onFile((file) =>
    Effect.gen(function* () {
      const family = yield* counters("full")
      yield* family.saveMany([["a", { n: 1 }]])
      const other = new Database(file)
      other.exec(
        "CREATE TRIGGER no_b BEFORE INSERT ON dgents_state WHEN new.key = 'b' BEGIN SELECT RAISE(ABORT, 'no'); END"
      )
      const error = yield* Effect.flip(
        family.saveMany([
          ["a", { n: 2 }],
          ["b", { n: 2 }]
        ])
      )
      expect(error).toMatchObject({ _tag: "StorageUnavailable", retryable: false })
      expect(yield* numbers(family.at("a"))).toEqual([[1, 1]])
      other.exec("DROP TRIGGER no_b")
      other.close()
      yield* family.saveMany([["b", { n: 3 }]])
      expect(yield* family.loadMany(["a", "b", "c"])).toEqual(
        new Map([
          ["a", { n: 1 }],
          ["b", { n: 3 }]
        ])
      )
    }).pipe(session(file))
  )
)

it.effect("handles of one name on one driver see each other's commits in changes, each once, in order", () =>
  Effect.gen(function* () {
    const [one, two] = [yield* counters(), yield* counters()]
    yield* one.at("k").save({ n: 1 })
    const watching = yield* Effect.forkChild(Stream.runCollect(Stream.take(two.at("k").changes, 5)))
    yield* Effect.yieldNow
    yield* Effect.yieldNow
    yield* two.at("k").save({ n: 2 })
    yield* one.at("k").save({ n: 3 })
    yield* one.at("other").save({ n: 0 })
    yield* one.deleteMany(["k"])
    yield* two.saveMany([["k", { n: 4 }]])
    const seen = yield* Fiber.join(watching)
    expect(
      seen.map((change) => (change._tag === "Saved" ? [change.revision, change.state.n] : [change.revision]))
    ).toEqual([[1, 1], [2, 2], [3, 3], [3], [4, 4]])
  }).pipe(inMemory)
)

it.effect("changes end with the scope of the agent, while another one goes on", () =>
  Effect.gen(function* () {
    const stays = yield* counter()
    const watching = yield* Effect.scoped(
      Effect.gen(function* () {
        const leaves = yield* counter()
        const fiber = yield* Effect.forkDetach(Stream.runCollect(leaves.changes))
        yield* Effect.yieldNow
        yield* Effect.yieldNow
        yield* stays.save({ n: 1 })
        return fiber
      })
    )
    yield* stays.save({ n: 2 })
    expect((yield* Fiber.join(watching)).length).toBe(1)
    expect(yield* stays.load).toEqual({ n: 2 })
  }).pipe(inMemory)
)

it.effect("use after the scope of the agent or of the driver is AgentClosed", () =>
  onFile((file) =>
    Effect.gen(function* () {
      const afterDriver = yield* Effect.scoped(
        Effect.gen(function* () {
          const driver = yield* SqliteDriver.make({ filename: file })
          const layer = Layer.succeed(SqlDriver, driver)
          const agent = yield* Effect.scoped(Effect.provide(counter(), layer))
          expect((yield* Effect.flip(agent.load))._tag).toBe("AgentClosed")
          return driver
        })
      )
      // The agents live in the scope of the test, the driver is gone.
      const family = yield* Effect.provideService(counters("full"), SqlDriver, afterDriver)
      const k = family.at("k")
      const closed: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        k.load,
        k.save({ n: 1 }),
        k.delete,
        k.at(Revision.make(1)),
        Stream.runCollect(k.history()),
        Stream.runCollect(k.changes),
        Stream.runCollect(family.keys()),
        family.loadMany(["k"]),
        family.saveMany([["k", { n: 1 }]]),
        family.deleteMany(["k"])
      ]
      for (const use of closed)
        expect(yield* Effect.flip(use)).toMatchObject({ _tag: "AgentClosed", agent: "counters" })
    })
  )
)

it.effect("bytes are stored as BLOB, text as TEXT, and both come back", () =>
  onFile((file) =>
    Effect.gen(function* () {
      const json = Codec.json(Counter)
      const bytes: Codec.Codec<Counter> = {
        ...json,
        format: "bytes",
        encode: (state) => Effect.map(json.encode(state), (text) => new TextEncoder().encode(String(text)))
      }
      const agent = yield* SqlAgent.make({ name: "bytes", schema: bytes, history: "full" })
      const text = yield* SqlAgent.make({ name: "text", schema: Schema.Struct({ s: Schema.String }) })
      yield* agent.save({ n: 1 })
      yield* agent.save({ n: 2 })
      const strange = { s: "\ud800 \0 \u{1f600} ' \n" }
      yield* text.save(strange)
      expect(yield* text.load).toEqual(strange)
      expect(yield* numbers(agent)).toEqual([
        [2, 2],
        [1, 1]
      ])
      const db = new Database(file, { readonly: true })
      const types = db.prepare("SELECT collection, typeof(state) AS type FROM dgents_state ORDER BY 1").all()
      db.close()
      expect(types).toEqual([
        { collection: "agent:bytes", type: "blob" },
        { collection: "agent:text", type: "text" }
      ])
    }).pipe(session(file))
  )
)

it.effect("a row spoiled by hand is StateCorrupt, is left as it is, and others still load", () =>
  onFile((file) =>
    Effect.gen(function* () {
      const family = yield* counters("full")
      yield* family.saveMany(["json", "schema", "type", "good"].map((key) => [key, { n: 1 }] as const))
      const db = new Database(file)
      const spoil = db.prepare("UPDATE dgents_state SET state = ? WHERE key = ?")
      spoil.run('{"n":secret', "json")
      spoil.run('{"n":"secret"}', "schema")
      spoil.run(12345, "type")
      for (const key of ["json", "schema", "type"]) {
        const error = yield* Effect.flip(family.at(key).load)
        expect(error).toMatchObject({ _tag: "StateCorrupt", agent: "counters", key })
        expect(String(error)).not.toMatch(/secret|12345/)
        if (key === "type") expect(String(error)).toContain("neither text nor bytes")
        expect((yield* Effect.flip(Stream.runCollect(family.at(key).history())))._tag).toBe("StateCorrupt")
        expect((yield* Effect.flip(family.loadMany(["good", key])))._tag).toBe("StateCorrupt")
      }
      expect(yield* family.at("good").load).toEqual({ n: 1 })
      expect(db.prepare("SELECT state FROM dgents_state WHERE key = 'type'").pluck().get()).toBe(12345)
      db.close()
      yield* family.at("json").save({ n: 2 })
      expect(yield* family.at("json").load).toEqual({ n: 2 })
    }).pipe(session(file))
  )
)

it.live("200 increments through two connections give 200", () =>
  onFile((file) =>
    Effect.gen(function* () {
      const agents = yield* Effect.forEach([1, 2], () =>
        Effect.flatMap(SqliteDriver.make({ filename: file }), (driver) =>
          Effect.provideService(counter({ bounded: 5 }), SqlDriver, driver)
        )
      )
      const increment = (agent: DataAgent.DataAgent<Counter>, pure: boolean) =>
        pure
          ? Effect.asVoid(agent.update(({ n }) => ({ n: n + 1 })))
          : agent.modify(({ n }) => Effect.as(Effect.yieldNow, [undefined, { n: n + 1 }] as const), { retries: 1000 })
      yield* Effect.forEach(
        Array.from({ length: 100 }, (_, i) => i % 2 === 0),
        (pure) => Effect.forEach(agents, (agent) => increment(agent, pure), { concurrency: 2 }),
        { concurrency: "unbounded" }
      )
      for (const agent of agents) {
        expect(yield* agent.load).toEqual({ n: 200 })
        expect((yield* numbers(agent)).map(([revision]) => revision)).toEqual([200, 199, 198, 197, 196])
      }
    })
  )
)

it.effect("layers provide an agent and a family by their tags", () => {
  class One extends DataAgent.Service<One, Counter>()("test/One") {}
  class Many extends Family.Service<Many, Counter>()("test/Many") {}
  const layers = Layer.mergeAll(
    SqlAgent.layer(One, { name: "one", schema: Counter, initial: { n: 1 } }),
    SqlAgent.layerFamily(Many, { name: "many", schema: Counter, initial: { n: 2 } })
  ).pipe(Layer.provide(SqliteDriver.layer({ filename: ":memory:" })))
  return Effect.gen(function* () {
    expect(yield* (yield* One).load).toEqual({ n: 1 })
    expect(yield* (yield* Many).at("x").load).toEqual({ n: 2 })
  }).pipe(Effect.provide(layers))
})
