import { expect, it } from "@effect/vitest"
import { Encrypted, Family, Query, SqlAgent, SqlDriver, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, Option, Schema, SchemaTransformation, Stream } from "effect"
import { TestClock } from "effect/testing"

const Person = Schema.Struct({
  name: Schema.String,
  age: Schema.optional(Schema.Number),
  born: Schema.Date,
  address: Schema.NullOr(Schema.Struct({ city: Schema.String })),
  tags: Schema.Array(Schema.String)
})
type Person = typeof Person.Type

const person = (
  name: string,
  age: number | undefined,
  city: string | undefined,
  tags: ReadonlyArray<string> = []
): Person => ({
  name,
  ...(age === undefined ? {} : { age }),
  born: new Date(age || 0),
  address: city === undefined ? null : { city },
  tags
})

const people = Effect.tap(VolatileAgent.family({ name: "people", schema: Person, history: "full" }), (family) =>
  family.saveMany([
    ["c", person("Cy", 40, "Oslo", ["x"])],
    ["a", person("An", 20, "Oslo")],
    ["b", person("Bo", undefined, undefined)],
    ["d", person("Di", Number.NaN, "Rome")]
  ])
)

const keys = <S>(family: Family.Family<S>, where: NonNullable<Query.RunOptions<S, unknown>["where"]>) =>
  Effect.map(Query.run(family, { where, select: (_p, row) => row.key }), (all) => all.join(""))

it.effect("without options, a query answers every state in the order of the keys", () =>
  Effect.gen(function* () {
    const all = yield* Query.run(yield* people)
    expect(all.map(({ key, revision, state }) => [key, revision, state.name])).toEqual([
      ["a", 1, "An"],
      ["b", 1, "Bo"],
      ["c", 1, "Cy"],
      ["d", 1, "Di"]
    ])
  })
)

it.effect("filters, orders, limits and selects", () =>
  Effect.gen(function* () {
    const family = yield* people
    const query = {
      where: (p: Query.Fields<Person>, row: Query.Row) =>
        Query.and(Query.eq(p.address.city, "Oslo"), Query.gte(p.age, 18), Query.lt(row.key, "z")),
      orderBy: (p: Query.Fields<Person>) => [Query.desc(p.age), Query.asc(p.name)]
    }
    const select = (p: Query.Fields<Person>) => ({
      name: p.name,
      more: { born: p.born, tags: p.tags, city: p.address.city }
    })
    expect(yield* Query.run(family, { ...query, select })).toEqual([
      { name: "Cy", more: { born: new Date(40), tags: ["x"], city: "Oslo" } },
      { name: "An", more: { born: new Date(20), tags: [], city: "Oslo" } }
    ])
    expect(yield* Query.run(family, { ...query, limit: 1, offset: 1, select: (p) => p.name })).toEqual(["An"])
  })
)

it.effect("a comparison with a missing value is false, and its not is true", () =>
  Effect.gen(function* () {
    const family = yield* people
    expect(yield* keys(family, (p) => Query.lt(p.age, 100))).toBe("ac")
    expect(yield* keys(family, (p) => Query.not(Query.lt(p.age, 100)))).toBe("bd")
    expect(yield* keys(family, (p) => Query.neq(p.age, 20))).toBe("bcd")
    expect(yield* keys(family, (p) => Query.eq(p.age, Number.NaN))).toBe("")
    expect(yield* keys(family, (p) => Query.isMissing(p.age))).toBe("bd")
    expect(yield* keys(family, (p) => Query.isMissing(p.address))).toBe("b")
    expect(yield* keys(family, (p) => Query.isMissing(p.address.city))).toBe("b")
    expect(yield* keys(family, () => Query.and())).toBe("abcd")
    expect(yield* keys(family, () => Query.or())).toBe("")
    expect(yield* keys(family, (p) => Query.oneOf(p.name, []))).toBe("")
  })
)

it.effect("missing values come first ascending and last descending, and equal rows in the order of their keys", () =>
  Effect.gen(function* () {
    const family = yield* people
    const by = (order: (p: Query.Fields<Person>) => Query.Order) =>
      Effect.map(Query.run(family, { orderBy: order, select: (_p, row) => row.key }), (all) => all.join(""))
    expect(yield* by((p) => Query.asc(p.age))).toBe("bdac")
    expect(yield* by((p) => Query.desc(p.age))).toBe("cabd")
    expect(yield* by((p) => Query.desc(p.address.city))).toBe("dacb")
  })
)

it.effect("aggregates skip missing values, and are undefined over none", () =>
  Effect.gen(function* () {
    const family = yield* people
    const select = (p: Query.Fields<Person>) => ({
      n: Query.count,
      sum: Query.sum(p.age),
      mean: Query.avg(p.age),
      first: Query.min(p.name),
      last: Query.max(p.born)
    })
    expect(yield* Query.aggregate(family, { select })).toEqual({
      n: 4,
      sum: 60,
      mean: 30,
      first: "An",
      last: new Date(40)
    })
    expect(yield* Query.aggregate(family, { select, where: () => Query.or() })).toEqual({
      n: 0,
      sum: undefined,
      mean: undefined,
      first: undefined,
      last: undefined
    })
  })
)

it.effect("groups rows; what is missing is one group", () =>
  Effect.gen(function* () {
    const family = yield* people
    const groups = yield* Query.group(family, {
      by: (p) => ({ city: p.address.city }),
      select: (p) => ({ n: Query.count, mean: Query.avg(p.age) }),
      orderBy: (group) => Query.desc(group.n)
    })
    expect(groups).toEqual([
      { city: "Oslo", n: 2, mean: 30 },
      { city: undefined, n: 1, mean: undefined },
      { city: "Rome", n: 1, mean: undefined }
    ])
    expect(
      yield* Query.group(family, { by: (p) => ({ age: p.age }), select: () => ({ n: Query.count }), limit: 1 })
    ).toEqual([{ age: undefined, n: 2 }])
  })
)

it.effect("asks across the history", () =>
  Effect.gen(function* () {
    const family = yield* people
    yield* TestClock.adjust("1 minute")
    yield* family.at("a").update((state) => ({ ...state, age: 21 }))
    const ages = (over: "current" | "history") =>
      Query.run(family, {
        over,
        where: (_p, row) => Query.eq(row.key, "a"),
        select: (p, row) => ({ age: p.age, at: row.savedAt, revision: row.revision })
      })
    expect(yield* ages("current")).toEqual([{ age: 21, at: 60_000, revision: 2 }])
    expect(yield* ages("history")).toEqual([
      { age: 20, at: 0, revision: 1 },
      { age: 21, at: 60_000, revision: 2 }
    ])
    const { n } = yield* Query.aggregate(family, { over: "history", select: () => ({ n: Query.count }) })
    expect(n).toBe(5)
  })
)

it.effect("streams rows in the order of their keys, also over pages of a store", () =>
  Effect.gen(function* () {
    const Count = Schema.Struct({ n: Schema.Number })
    const asked: Array<number | undefined> = []
    const all = Array.from({ length: 1_000 }, (_, i) => ({ key: `k${String(i).padStart(4, "0")}`, n: i }))
    const paged = yield* Family.fromStore({
      name: "counts",
      schema: Count,
      claims: VolatileAgent.claims(),
      store: {
        at: () => ({
          read: Effect.succeed(Option.none()),
          write: () => Effect.die("write"),
          remove: Effect.die("remove")
        }),
        keys: () => Stream.die("every state was read"),
        query: (plan) =>
          Effect.sync(() => {
            asked.push(plan.limit)
            const after = plan._tag === "Rows" ? (plan.after?.key ?? "") : ""
            const page = all.filter(({ key }) => key > after).slice(0, plan.limit)
            return page.map(({ key, n }) => [String(n), key, 1])
          })
      }
    })
    expect(yield* Stream.runCollect(Query.stream(paged, { select: (p) => p.n }))).toEqual(all.map(({ n }) => n))
    expect(asked.length).toBe(4)
    const inMemory = yield* VolatileAgent.family({ name: "counts", schema: Count })
    yield* inMemory.saveMany([...all].reverse().map(({ key, n }) => [key, { n }] as const))
    const some = Query.stream(inMemory, { where: (p) => Query.gte(p.n, 990), select: (p) => p.n })
    expect(yield* Stream.runCollect(some)).toEqual([990, 991, 992, 993, 994, 995, 996, 997, 998, 999])
  })
)

it.effect("what a store leaves is answered in memory", () =>
  Effect.gen(function* () {
    const Count = Schema.Struct({ n: Schema.Number })
    const payload = JSON.stringify({ n: 1 })
    const entry = Effect.succeed(Option.some({ state: payload, revision: 1 as never, savedAt: 0 }))
    const family = yield* Family.fromStore({
      name: "counts",
      schema: Count,
      claims: VolatileAgent.claims(),
      store: {
        at: () => ({ read: entry, write: () => Effect.die("write"), remove: Effect.die("remove") }),
        keys: () => Stream.make("a", "b"),
        query: () => Effect.succeed(undefined)
      }
    })
    expect(yield* Query.run(family, { select: (p, row) => ({ key: row.key, n: p.n }) })).toEqual([
      { key: "a", n: 1 },
      { key: "b", n: 1 }
    ])
    expect(yield* Stream.runCollect(Query.stream(family, { select: (p) => p.n }))).toEqual([1, 1])
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// What is refused

const refusal = <A, E>(query: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(query), (error) => {
    expect(error).toBeInstanceOf(Query.QueryInvalid)
    return (error as unknown as Query.QueryInvalid).message
  })

/** A predicate as a program without types would write it. */
const untyped = (family: Family.Family<Person>, path: ReadonlyArray<string>, value: unknown = 1) =>
  Query.run(family, {
    where: (p) =>
      Query.eq(
        path.reduce<unknown>((field, name) => Reflect.get(field as object, name), p) as Query.Field<never>,
        value as never
      )
  })

it.effect("a field that does not exist is refused before anything is read", () =>
  Effect.gen(function* () {
    const family = yield* people
    expect(yield* refusal(untyped(family, ["nam"]))).toBe(
      'A query of "people" was refused: field "nam": the schema has no such field; the state has "name", "age", "born", "address", "tags".'
    )
    expect(yield* refusal(untyped(family, ["address", "street"]))).toContain(
      'field "address.street": the schema has no such field; "address" has "city"'
    )
    expect(yield* refusal(untyped(family, ["name", "length"]))).toContain('"name" is not a struct')
    expect(yield* refusal(untyped(family, ["toString"]))).toContain("no such field")
    expect(yield* refusal(Query.run(family, { select: (p) => ({ a: Reflect.get(p, "__proto__") }) }))).toContain(
      "no such field"
    )
    expect(yield* refusal(Query.run(family, { orderBy: (p) => Query.asc(Reflect.get(p, "nope")) }))).toContain(
      "no such field"
    )
    expect(
      yield* refusal(Query.group(family, { by: (p) => ({ x: Reflect.get(p, "nope") }), select: () => ({}) }))
    ).toContain("no such field")
    expect(
      yield* refusal(Query.aggregate(family, { select: (p) => ({ x: Query.sum(Reflect.get(p, "nope")) }) }))
    ).toContain("no such field")
  })
)

it.effect("a comparison that the field's type does not allow is refused", () =>
  Effect.gen(function* () {
    const family = yield* people
    expect(yield* refusal(untyped(family, ["tags"], []))).toContain(
      'field "tags": it is not a string, number, boolean or Date'
    )
    expect(yield* refusal(untyped(family, ["address"], {}))).toContain("cannot be compared")
    expect(yield* refusal(untyped(family, ["name"], 1))).toContain("it is compared with a number, and it is a string")
    expect(yield* refusal(untyped(family, ["born"], "2020-01-01"))).toContain("and it is a Date")
    expect(yield* refusal(untyped(family, ["age"], null))).toContain("use isMissing")
    expect(yield* refusal(untyped(family, []))).toContain("the whole state cannot be compared")
    expect(yield* refusal(Query.aggregate(family, { select: (p) => ({ x: Query.sum(p.name as never) }) }))).toContain(
      "a number was expected"
    )
  })
)

it.effect("no message holds a value", () =>
  Effect.gen(function* () {
    const family = yield* people
    for (const path of [["age"], ["born"], ["tags"], ["nope"]])
      expect(yield* refusal(untyped(family, path, "secret-4711"))).not.toContain("4711")
  })
)

it.effect("limits that are no whole numbers, and predicates that are no predicates, are refused", () =>
  Effect.gen(function* () {
    const family = yield* people
    for (const limit of [-1, Number.NaN, 1.5, Number.NEGATIVE_INFINITY, 2 ** 53])
      expect(yield* refusal(Query.run(family, { limit }))).toContain("its limit is not a whole number")
    expect(yield* refusal(Query.run(family, { offset: Number.POSITIVE_INFINITY }))).toContain("its offset")
    expect((yield* Query.run(family, { limit: Number.POSITIVE_INFINITY })).length).toBe(4)
    expect(yield* refusal(Query.run(family, { where: () => undefined as never }))).toContain("a predicate was expected")
    expect(yield* refusal(Query.run(family, { select: () => "name" as never }))).toContain(
      "its select answers something else"
    )
    let deep = Query.and()
    for (let i = 0; i < 10_000; i++) deep = i % 2 === 0 ? Query.or(deep) : Query.not(deep)
    expect(yield* refusal(Query.run(family, { where: () => deep }))).toContain("levels deep")
    const many = Array.from({ length: 20_000 }, () => Query.and())
    expect(yield* refusal(Query.run(family, { where: () => Query.or(...many) }))).toContain("parts")
  })
)

it.effect("a field of one query is not taken for one of another", () =>
  Effect.gen(function* () {
    const family = yield* people
    const kept: Array<Query.Field<string>> = []
    yield* Query.run(family, {
      select: (p) => {
        kept.push(p.name)
        return p.name
      }
    })
    expect(yield* refusal(Query.run(family, { where: () => Query.eq(kept[0] as Query.Field<string>, "a") }))).toContain(
      "belongs to another query"
    )
  })
)

it.effect("states that are not stored as plain JSON are looked through as they are loaded", () =>
  Effect.gen(function* () {
    const schema = Encrypted.make(Person, { current: "a", keys: { a: new Uint8Array(32) } })
    const family = yield* VolatileAgent.family<Person>({ name: "people", schema })
    const [an, bo] = [person("An", 20, "Oslo"), person("Bo", 30, undefined)]
    yield* family.saveMany([
      ["a", an],
      ["b", bo]
    ])
    expect(yield* Query.run(family, { where: (p) => Query.gt(p.age, 20), select: (p) => p })).toEqual([bo])
    expect(yield* Query.run(family, { where: (p) => Query.eq(p.address.city, "Oslo"), select: (p) => p })).toEqual([an])
  })
)

it.effect("an index on states that are not stored as plain JSON is refused at opening", () =>
  Effect.gen(function* () {
    const schema = Encrypted.make(Person, { current: "a", keys: { a: new Uint8Array(32) } })
    const driver = yield* SqliteDriver.make({ filename: ":memory:" })
    const opening = SqlAgent.family({ name: "people", schema, indexes: (p) => [p.name] })
    const error = yield* Effect.flip(Effect.provideService(opening, SqlDriver, driver))
    expect(error.message).toContain('stored in the format "json+aes-256-gcm"')
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// Schemas

it.effect("follows classes, brands, literals, enums, recursion and unions of structs", () =>
  Effect.gen(function* () {
    class Home extends Schema.Class<Home>("Home")({ city: Schema.String, since: Schema.Date }) {}
    interface Tree {
      readonly value: number
      readonly next?: Tree
    }
    const Tree: Schema.Codec<Tree, unknown> = Schema.Struct({
      value: Schema.Number,
      next: Schema.optionalKey(Schema.suspend((): Schema.Codec<Tree, unknown> => Tree))
    })
    const All = Schema.Struct({
      home: Schema.optionalKey(Home),
      id: Schema.String.pipe(Schema.brand("Id")),
      role: Schema.Literals(["admin", "user"]),
      level: Schema.Enum({ Low: 0, High: 1 }),
      tree: Tree,
      shape: Schema.Union([
        Schema.Struct({
          _tag: Schema.Literal("Circle"),
          name: Schema.String,
          size: Schema.Number,
          text: Schema.Number
        }),
        Schema.Struct({ _tag: Schema.Literal("Box"), name: Schema.String, size: Schema.Boolean, text: Schema.String })
      ]),
      ["toString"]: Schema.Number
    })
    const family = yield* VolatileAgent.family({ name: "all", schema: All })
    const state = (i: number): typeof All.Type => ({
      ...(i === 0 ? {} : { home: new Home({ city: `c${i}`, since: new Date(i) }) }),
      id: `id${i}` as never,
      role: i === 0 ? "admin" : "user",
      level: i === 0 ? 0 : 1,
      tree: { value: i, next: { value: i * 10 } },
      shape:
        i === 0 ? { _tag: "Circle", name: "c", size: 1, text: 1 } : { _tag: "Box", name: "b", size: true, text: "NaN" },
      ["toString"]: i
    })
    yield* family.saveMany([0, 1, 2].map((i) => [`k${i}`, state(i)] as const))
    expect(yield* keys(family, (p) => Query.gte(p.home.since, new Date(2)))).toBe("k2")
    expect(yield* keys(family, (p) => Query.eq(p.role, "admin"))).toBe("k0")
    expect(yield* keys(family, (p) => Query.eq(p.level, 0))).toBe("k0")
    expect(yield* keys(family, (p) => Query.gt(p.tree.next.value, 10))).toBe("k2")
    expect(yield* keys(family, (p) => Query.isMissing(p.tree.next.next))).toBe("k0k1k2")
    expect(yield* keys(family, (p) => Query.eq(p.shape._tag, "Box"))).toBe("k1k2")
    expect(yield* keys(family, (p) => Query.eq(p["toString"], 1))).toBe("k1")
    const rows = yield* Query.run(family, {
      select: (p) => ({ home: p.home, id: p.id, shape: p.shape, size: p.shape.size, tag: p.shape._tag })
    })
    expect(rows[0]).toStrictEqual({ home: undefined, id: "id0", shape: state(0).shape, size: 1, tag: "Circle" })
    expect(rows[1]).toStrictEqual({ home: state(1).home, id: "id1", shape: state(1).shape, size: true, tag: "Box" })
    expect(rows[1]?.home).toBeInstanceOf(Home)
    const untagged = Query.run(family, { where: (p) => Query.eq(p.shape.size as never, 1 as never) })
    expect(yield* refusal(untagged)).toContain(
      'field "shape.size": it is not a string, number, boolean or Date in every member'
    )
    // One member's NaN is stored as another one's text.
    expect(yield* refusal(Query.run(family, { select: (p) => p.shape.text }))).toContain("cannot be told apart")
    expect(yield* refusal(Query.run(family, { select: (p) => Reflect.get(p.shape, "r") }))).toContain("no such field")
  })
)

it.effect("what is stored in another form than it has can be selected, and is not compared", () =>
  Effect.gen(function* () {
    const Renamed = Schema.Struct({ inside: Schema.Number }).pipe(Schema.encodeKeys({ inside: "stored" }))
    const Shifted = Schema.Number.pipe(
      Schema.decodeTo(Schema.Number, SchemaTransformation.transform({ decode: (n) => n - 1, encode: (n) => n + 1 }))
    )
    const All = Schema.Struct({
      renamed: Renamed,
      shifted: Shifted,
      defaulted: Schema.Number.pipe(Schema.withDecodingDefaultKey(Effect.succeed(7))),
      maybe: Schema.Option(Schema.Number),
      map: Schema.ReadonlyMap(Schema.String, Schema.Date)
    })
    const family = yield* VolatileAgent.family({ name: "all", schema: All })
    const state: typeof All.Type = {
      renamed: { inside: 1 },
      shifted: 5,
      defaulted: 3,
      maybe: Option.some(1),
      map: new Map([["\\", new Date(1)]])
    }
    yield* family.at("k").save(state)
    const [row] = yield* Query.run(family, {
      select: (p) => ({ renamed: p.renamed, shifted: p.shifted, defaulted: p.defaulted, maybe: p.maybe, map: p.map })
    })
    expect(row).toStrictEqual(state)
    expect(yield* refusal(Query.run(family, { where: (p) => Query.eq(p.shifted, 5) }))).toContain(
      "stored in another form"
    )
    expect(yield* refusal(Query.run(family, { where: (p) => Query.isMissing(p.defaulted) }))).toContain(
      "stored in another form"
    )
    expect(yield* refusal(Query.run(family, { where: (p) => Query.eq(p.renamed.inside, 1) }))).toContain(
      '"renamed" is stored in another form'
    )
    expect(yield* refusal(Query.run(family, { orderBy: (p) => Query.asc(p.maybe as never) }))).toContain(
      "cannot be compared"
    )
  })
)

it.effect("text is compared by code points, not by UTF-16 units", () =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "texts", schema: Schema.Struct({ t: Schema.String }) })
    const texts = ["", "\0", "a", "\ud7ff", "\ud83d", "\ud83d\ue000", "\ue000", "\uffff", "😀", "😀a", "\u{10ffff}"]
    yield* family.saveMany([...texts].reverse().map((t, i) => [`k${i}`, { t }] as const))
    expect(yield* Query.run(family, { orderBy: (p) => Query.asc(p.t), select: (p) => p.t })).toEqual(texts)
    const found = (where: (p: Query.Fields<{ readonly t: string }>) => Query.Predicate) =>
      Query.run(family, { where, orderBy: (p) => Query.asc(p.t), select: (p) => p.t })
    // Half of a pair is not a part of it.
    expect(yield* found((p) => Query.startsWith(p.t, "\ud83d"))).toEqual(["\ud83d", "\ud83d\ue000"])
    expect(yield* found((p) => Query.contains(p.t, "\ude00"))).toEqual([])
    expect(yield* found((p) => Query.startsWith(p.t, "😀"))).toEqual(["😀", "😀a"])
    expect(yield* found((p) => Query.contains(p.t, "a"))).toEqual(["a", "😀a"])
  })
)

it.effect("a combinator's or a file's states answer as those in memory do", () =>
  Effect.gen(function* () {
    const family = yield* people
    const wrapped = Family.mapAgents(family, (agent) => agent)
    const query = {
      where: (p: Query.Fields<Person>) => Query.gte(p.age, 20),
      select: (p: Query.Fields<Person>) => p.name
    }
    expect(yield* Query.run(wrapped, query)).toEqual(yield* Query.run(family, query))
  })
)

it.effect("a stored value that does not decode is a typed error that says where", () =>
  Effect.gen(function* () {
    const family = yield* Family.fromStore({
      name: "counts",
      schema: Schema.Struct({ n: Schema.Number }),
      claims: VolatileAgent.claims(),
      store: {
        at: () => ({ read: Effect.die("read"), write: () => Effect.die("write"), remove: Effect.die("remove") }),
        keys: () => Stream.die("keys"),
        query: () => Effect.succeed([['"four"', "k", 3]])
      }
    })
    const exit = yield* Effect.exit(Query.run(family, { select: (p) => p.n }))
    expect(Exit.isFailure(exit) && String(exit.cause)).toContain(
      'What is stored for agent "counts", key "k" in revision 3, at "n" cannot be read'
    )
  })
)

it.effect("what an absent property means is the schema's business", () =>
  Effect.gen(function* () {
    const Old = Schema.Struct({
      defaulted: Schema.Number.pipe(Schema.withDecodingDefaultKey(Effect.succeed(7))),
      optional: Schema.optionalKey(Schema.Number),
      required: Schema.Number
    })
    const family = yield* Family.fromStore({
      name: "old",
      schema: Old,
      claims: VolatileAgent.claims(),
      store: {
        at: () => ({ read: Effect.die("read"), write: () => Effect.die("write"), remove: Effect.die("remove") }),
        keys: () => Stream.die("keys"),
        query: () => Effect.succeed([[undefined, "k", 1]])
      }
    })
    expect(yield* Query.run(family, { select: (p) => p.defaulted })).toEqual([7])
    expect(yield* Query.run(family, { select: (p) => p.optional })).toEqual([undefined])
    const exit = yield* Effect.exit(Query.run(family, { select: (p) => p.required }))
    expect(Exit.isFailure(exit) && String(exit.cause)).toContain('at "required"')
  })
)
