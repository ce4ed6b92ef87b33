import { VolatileAgent } from "dgents"
import { Effect, Ref, Schema } from "effect"
import { bench } from "../harness.ts"
import { Conversation, conversation, conversations } from "../states.ts"

const holding = (bytes: number) =>
  VolatileAgent.make({ name: "conversation", schema: Conversation, initial: conversation(bytes) }).pipe(
    Effect.tap((agent) => agent.save(conversation(bytes)))
  )

const Counter = Schema.Struct({ n: Schema.Number })
const counter = VolatileAgent.make({ name: "counter", schema: Counter, initial: { n: 0 } })

bench(
  "volatile/load 1 MB, against load 1 KB",
  Effect.gen(function* () {
    const large = yield* holding(1_000_000)
    const small = yield* holding(1_000)
    return { ours: () => large.load, raw: () => small.load }
  })
)

bench(
  "volatile/load 1 KB, against Ref.get",
  Effect.gen(function* () {
    const agent = yield* holding(1_000)
    const ref = yield* Ref.make(conversation(1_000))
    return { ours: () => agent.load, raw: () => Ref.get(ref) }
  })
)

bench(
  "volatile/update a counter, against Ref.update",
  Effect.gen(function* () {
    const agent = yield* counter
    const ref = yield* Ref.make({ n: 0 })
    return {
      ours: () => agent.update(({ n }) => ({ n: n + 1 })),
      raw: () => Ref.update(ref, ({ n }) => ({ n: n + 1 }))
    }
  })
)

bench(
  "volatile/modify a counter, against Ref.modify",
  Effect.gen(function* () {
    const agent = yield* counter
    const ref = yield* Ref.make({ n: 0 })
    return {
      ours: () => agent.modify(({ n }) => Effect.succeed([n, { n: n + 1 }] as const)),
      raw: () => Ref.modify(ref, ({ n }) => [n, { n: n + 1 }] as const)
    }
  })
)

for (const [size, bytes] of [
  ["1 KB", 1_000],
  ["100 KB", 100_000]
] as const)
  bench(
    `volatile/save ${size}, against structuredClone`,
    Effect.gen(function* () {
      const agent = yield* holding(bytes)
      const next = conversations(bytes)
      return { ours: (i) => agent.save(next(i)), raw: (i) => structuredClone(next(i)) }
    })
  )

/** A family that keeps so many keys, and a save to each of twice as many in turn: every one makes the family forget another. */
const bounded = (maxKeys: number) =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "counters", schema: Counter, maxKeys })
    const save = (i: number) => family.at(`key-${Math.abs(i) % (2 * maxKeys)}`).save({ n: i })
    for (let i = 0; i < 2 * maxKeys; i++) yield* save(i)
    return save
  })

bench(
  "volatile/save to a family of 100 000 keys at most, against one of 1 000",
  Effect.gen(function* () {
    return { ours: yield* bounded(100_000), raw: yield* bounded(1_000) }
  })
)
