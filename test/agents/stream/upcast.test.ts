import { expect, it } from "@effect/vitest"
import { StreamAgent } from "dgents"
import { Effect, Schema, Stream } from "effect"
import * as A from "./account.ts"

const V1 = Schema.TaggedStruct("Paid", { amount: Schema.Number })
const V2 = Schema.TaggedStruct("Paid", { cents: Schema.Int })
const V3 = Schema.TaggedStruct("Paid", { cents: Schema.Int, currency: Schema.String })

const toCents = StreamAgent.upcast(V1, V2, ({ amount }) => ({ _tag: "Paid" as const, cents: Math.round(amount * 100) }))
const toCurrency = StreamAgent.upcast(V2, V3, ({ cents }) => ({ _tag: "Paid" as const, cents, currency: "EUR" }))

const first = {
  name: "till",
  events: V1,
  state: Schema.Number,
  initial: 0,
  fold: (total: number, { amount }: typeof V1.Type) => total + amount
}
const second = {
  ...first,
  events: V2,
  fold: (total: number, { cents }: typeof V2.Type) => total + cents,
  upcasters: { Paid: [toCents] }
}
const third = {
  ...first,
  events: V3,
  state: Schema.Record(Schema.String, Schema.Number),
  initial: {},
  fold: (total: { readonly [currency: string]: number }, { cents, currency }: typeof V3.Type) => ({
    ...total,
    [currency]: (total[currency] ?? 0) + cents
  }),
  upcasters: { Paid: [toCents, toCurrency] }
}

it.effect("events of every version are read as the newest one, and stay as they were written", () =>
  Effect.gen(function* () {
    const { log, make } = yield* A.onMemory
    yield* (yield* make(first)).append({ _tag: "Paid", amount: 1.5 })
    yield* (yield* make(second)).append({ _tag: "Paid", cents: 20 })
    const till = yield* make(third)
    yield* till.append({ _tag: "Paid", cents: 3, currency: "USD" })
    expect(yield* till.load).toEqual({ EUR: 170, USD: 3 })
    const events = yield* Stream.runCollect(till.events())
    expect(events.map(({ event }) => event.currency)).toEqual(["EUR", "EUR", "USD"])
    const stored = yield* log.read({ collection: "agent:till", key: "" }, { after: 0, limit: 10 })
    expect(stored.map(({ data, type }) => [type, JSON.parse(data)])).toEqual([
      ["Paid", { _tag: "Paid", amount: 1.5 }],
      ["Paid@2", { _tag: "Paid", cents: 20 }],
      ["Paid@3", { _tag: "Paid", cents: 3, currency: "USD" }]
    ])
  })
)

it.effect("an event of a newer version than is known is unknown", () =>
  Effect.gen(function* () {
    const { make } = yield* A.onMemory
    yield* (yield* make(third)).append({ _tag: "Paid", cents: 3, currency: "USD" })
    expect(yield* Effect.flip((yield* make(second)).load)).toMatchObject({
      _tag: "EventUnknown",
      position: 1,
      type: "Paid@3"
    })
  })
)

it.effect("a type that is retired is read as the one that took its place", () =>
  Effect.gen(function* () {
    const { make } = yield* A.onMemory
    yield* (yield* make(first)).append({ _tag: "Paid", amount: 1.5 })
    const account = yield* make({
      ...A.account,
      name: "till",
      upcasters: {
        Paid: [StreamAgent.upcast(V1, A.Event, ({ amount }) => A.deposited(amount))]
      }
    })
    yield* account.append(A.withdrawn(1))
    expect((yield* account.load).balance).toBe(0.5)
  })
)

it.effect("an upcaster that refuses an event is a corrupt event, and what it holds is not told", () =>
  Effect.gen(function* () {
    const { make } = yield* A.onMemory
    yield* (yield* make(first)).append({ _tag: "Paid", amount: 1.25 })
    const throwing = yield* make({
      ...second,
      upcasters: {
        Paid: [
          () => {
            throw new Error("1.25 is secret")
          }
        ]
      }
    })
    const thrown = yield* Effect.flip(throwing.load)
    expect(thrown).toMatchObject({ _tag: "StateCorrupt", location: 'the event at position 1 ("Paid")' })
    expect(thrown.message).not.toContain("1.25")
    const wrong = yield* make({ ...second, upcasters: { Paid: [StreamAgent.upcast(V2, V2, (event) => event)] } })
    expect((yield* Effect.flip(wrong.load)).message).toContain('"amount"')
  })
)

it.effect("types that look like versions or like a deletion are read as they were written", () =>
  Effect.gen(function* () {
    const { make } = yield* A.onMemory
    const Odd = Schema.Union([
      Schema.TaggedStruct("Paid@2", { n: Schema.Number }),
      Schema.TaggedStruct("dgents/deleted", { n: Schema.Number }),
      Schema.TaggedStruct("__proto__", { n: Schema.Number })
    ])
    const odd = yield* make({
      name: "odd",
      events: Odd,
      state: Schema.Array(Schema.String),
      initial: [],
      fold: (state, { _tag }) => [...state, _tag]
    })
    yield* odd.append([
      { _tag: "Paid@2", n: 1 },
      { _tag: "dgents/deleted", n: 2 },
      { _tag: "__proto__", n: 3 }
    ])
    expect(yield* odd.load).toEqual(["Paid@2", "dgents/deleted", "__proto__"])
  })
)

it.effect("kinds of events may be told apart by another property, or not at all", () =>
  Effect.gen(function* () {
    const { log, make } = yield* A.onMemory
    const types = (name: string) =>
      Effect.map(log.read({ collection: `agent:${name}`, key: "" }, { after: 0, limit: 9 }), (events) =>
        events.map(({ type }) => type)
      )
    const Kinds = Schema.Union([
      Schema.Struct({ kind: Schema.Literal("up"), n: Schema.Number }),
      Schema.Struct({ kind: Schema.Literal("down") })
    ])
    const count = { state: Schema.Number, initial: 0, fold: (n: number) => n + 1 }
    yield* (yield* make({ ...count, name: "kinds", events: Kinds })).append([{ kind: "up", n: 1 }, { kind: "down" }])
    expect(yield* types("kinds")).toEqual(["up", "down"])
    const texts = yield* make({ ...count, name: "texts", events: Schema.String })
    yield* texts.append(["a", "b"])
    expect(yield* types("texts")).toEqual(["Event", "Event"])
    expect(yield* texts.load).toBe(2)
  })
)
