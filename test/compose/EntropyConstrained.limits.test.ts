import { expect, expectTypeOf, it } from "@effect/vitest"
import {
  Binary,
  Cached,
  Codec,
  type DataAgent,
  EntropyConstrained,
  type StateError,
  Transactional,
  VolatileAgent
} from "dgents"
import { Effect, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { backend, countingCodec } from "./support.ts"

const Thread = Schema.Struct({
  messages: Schema.Array(Schema.Struct({ text: Schema.String })),
  scores: Schema.optionalKey(Schema.ReadonlyMap(Schema.String, Schema.Number))
})
type Thread = typeof Thread.Type

const thread = (n: number, text = "hi"): Thread => ({ messages: Array.from({ length: n }, () => ({ text })) })
const threads = VolatileAgent.make({ name: "thread", schema: Thread, initial: thread(0) })

/** Drops the oldest half of the messages. */
const forget = ({ messages }: Thread): Thread => ({ messages: messages.slice(Math.ceil(messages.length / 2)) })

it.effect("a collection that is too long is refused, whichever it is, and entries are counted per collection", () =>
  Effect.gen(function* () {
    const agent = EntropyConstrained.make(yield* threads, { maxEntries: 3 })
    const scores = (n: number) => new Map(Array.from({ length: n }, (_, i) => [`k${i}`, i] as const))
    yield* agent.save({ ...thread(3), scores: scores(3) })
    const long = yield* Effect.flip(agent.save(thread(4)))
    expect(long).toMatchObject({ _tag: "StateTooLarge", measure: "entries", size: 4, limit: 3, budget: 1 })
    expect(long.message).toContain("with 4 entries in one collection is over the limit of 3 entries")
    expect(yield* Effect.flip(agent.save({ ...thread(0), scores: scores(5) }))).toMatchObject({ size: 5 })
    expect((yield* agent.load).messages.length).toBe(3)
  })
)

it.effect("commas, brackets and quotes in texts are no structure", () =>
  Effect.gen(function* () {
    const agent = EntropyConstrained.make(yield* threads, { maxEntries: 2, maxLevels: 3 })
    for (const text of [",,,[[[[{{{{", '"],["\\', '\\"', "\\\\", ""]) yield* agent.save(thread(2, text))
  })
)

/** Entries and levels by walking the tree: what is measured in the text. */
const walked = (tree: unknown): { readonly entries: number; readonly levels: number } => {
  if (typeof tree !== "object" || tree === null) return { entries: 0, levels: 0 }
  const inner = Object.values(tree).map(walked)
  return {
    entries: Math.max(inner.length, ...inner.map(({ entries }) => entries)),
    levels: 1 + Math.max(0, ...inner.map(({ levels }) => levels))
  }
}

it.effect("any state measures what walking it says", () =>
  Effect.gen(function* () {
    for (const indent of [0, 2]) {
      const codec = Codec.json(Schema.Json, { indent })
      const below = yield* VolatileAgent.make({ name: "any", schema: codec })
      const agent = EntropyConstrained.make(below, { maxEntries: 1e6, maxLevels: 1e6 })
      const result = yield* Arbitrary.checkEffect(
        Arbitrary.schema(Schema.Json),
        (tree) =>
          Effect.gen(function* () {
            yield* agent.save(tree)
            const { entries, levels } = yield* agent.figures
            expect({ entries: entries?.size, levels: levels?.size }).toEqual(walked(tree))
            return true
          }),
        { runs: 300 }
      )
      expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
    }
  })
)

it.effect("a state that is nested too deeply is refused at every depth of fibers alike", () =>
  Effect.gen(function* () {
    interface Tree {
      readonly next: Tree | null
    }
    const Tree: Schema.Codec<Tree> = Schema.Struct({ next: Schema.NullOr(Schema.suspend(() => Tree)) })
    const tree = (levels: number): Tree => ({ next: levels === 1 ? null : tree(levels - 1) })
    const agent = EntropyConstrained.make(yield* VolatileAgent.make({ name: "tree", schema: Tree }), { maxLevels: 4 })
    yield* EntropyConstrained.child(agent.save(tree(4)))
    const deep = yield* Effect.flip(EntropyConstrained.child(agent.save(tree(5))))
    expect(deep).toMatchObject({ measure: "levels", size: 5, limit: 4, budget: 1 })
    expect(deep.message).toContain("raise maxLevels")
  })
)

it.effect("a child may keep a share of the entries", () =>
  Effect.gen(function* () {
    const agent = EntropyConstrained.make(yield* threads, { maxEntries: 6 })
    const { child } = EntropyConstrained
    yield* child(agent.save(thread(3)))
    expect(yield* Effect.flip(child(agent.save(thread(4))))).toMatchObject({ size: 4, limit: 3, budget: 1 / 2 })
  })
)

it.effect("what is stored as something other than JSON is measured all the same", () =>
  Effect.gen(function* () {
    const codec = Binary.make(Thread)
    const agent = EntropyConstrained.make(yield* backend({ schema: codec }).agent, { maxEntries: 3, maxLevels: 3 })
    yield* agent.save(thread(3))
    expect(yield* Effect.flip(agent.save(thread(4)))).toMatchObject({ measure: "entries", size: 4 })
  })
)

it.effect("limits of entries and levels encode nothing a second time", () =>
  Effect.gen(function* () {
    const { codec, count } = countingCodec(Thread)
    const agent = EntropyConstrained.make(yield* backend({ schema: codec }).agent, { maxEntries: 9, maxLevels: 9 })
    yield* agent.save(thread(3))
    expect((yield* agent.figures).entries).toEqual({ size: 3, limit: 9, used: 1 / 3 })
    expect(count.encodings).toBe(1)
  })
)

it.effect("a limit that is no number refuses every state", () =>
  Effect.gen(function* () {
    for (const limit of [{ maxEntries: Number.NaN }, { maxLevels: Number.NaN }])
      expect((yield* Effect.flip(EntropyConstrained.make(yield* threads, limit).save(thread(0))))._tag).toBe(
        "StateTooLarge"
      )
  })
)

it.effect("shrink makes room once for every kind of write, and what was stored is what is answered", () =>
  Effect.gen(function* () {
    const below = yield* threads
    const excesses: Array<StateError.StateTooLarge> = []
    const agent = EntropyConstrained.make(below, {
      maxEntries: 4,
      shrink: (state, excess) => {
        excesses.push(excess)
        return forget(state)
      }
    })
    const stored = Effect.map(below.load, ({ messages }) => messages.length)
    yield* agent.save(thread(6))
    expect(yield* stored).toBe(3)
    expect(excesses).toMatchObject([{ measure: "entries", size: 6, limit: 4 }])
    expect((yield* agent.update(({ messages }) => thread(messages.length + 4))).messages.length).toBe(3)
    expect(yield* stored).toBe(3)
    let ran = 0
    const answer = yield* agent.modify(({ messages }) =>
      Effect.sync(() => {
        ran++
        return [`had ${messages.length}`, thread(8)] as const
      })
    )
    expect([answer, ran, yield* stored]).toEqual(["had 3", 1, 4])
    const revision = yield* Effect.map(Effect.flatMap(below.current, Effect.fromOption), (found) => found.revision)
    yield* agent.compareAndSave(thread(5), revision)
    expect(yield* stored).toBe(2)
    expect(yield* agent.figures).toMatchObject({ refused: 0, shrunk: 4 })
  })
)

it.effect("a state that shrink leaves too large is refused, and nothing is written", () =>
  Effect.gen(function* () {
    const agent = EntropyConstrained.make(yield* threads, { maxEntries: 2, shrink: forget })
    yield* agent.save(thread(1))
    const writes = [
      agent.save(thread(6)),
      agent.update(() => thread(6)),
      agent.modify(() => Effect.succeed([0, thread(6)] as const))
    ]
    for (const write of writes) expect(yield* Effect.flip(write)).toMatchObject({ _tag: "StateTooLarge", size: 3 })
    expect(yield* agent.load).toEqual(thread(1))
    expect(yield* agent.figures).toMatchObject({ refused: 3, shrunk: 3 })
  })
)

it.effect("what is put on top of it, and may keep what it wrote, is told instead", () =>
  Effect.gen(function* () {
    const below = yield* threads
    const cached = yield* Cached.make(EntropyConstrained.make(below, { maxEntries: 2, shrink: forget }))
    expect((yield* Effect.flip(cached.save(thread(3))))._tag).toBe("StateTooLarge")
    yield* cached.save(thread(2))
    expect(yield* cached.load).toEqual(yield* below.load)
    const outermost = EntropyConstrained.make(yield* Cached.make(below), { maxEntries: 2, shrink: forget })
    yield* outermost.save(thread(4))
    expect([(yield* outermost.load).messages.length, (yield* below.load).messages.length]).toEqual([2, 2])
  })
)

it.effect("with shrink a state that fits costs a save no second encoding", () =>
  Effect.gen(function* () {
    const { codec, count } = countingCodec(Thread)
    const agent = EntropyConstrained.make(yield* backend({ schema: codec }).agent, { maxEntries: 9, shrink: forget })
    yield* agent.save(thread(3))
    yield* agent.update((state) => state)
    expect(count.encodings).toBe(2)
  })
)

it.effect("a family saves many in one go, each shrunk if need be, and none if one is too large", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.family({ name: "threads", schema: Thread })
    const family = EntropyConstrained.family(below, { maxEntries: 2, shrink: forget })
    yield* family.saveMany([
      ["a", thread(2)],
      ["b", thread(4)]
    ])
    expect([...(yield* family.loadMany(["a", "b"])).values()].map(({ messages }) => messages.length)).toEqual([2, 2])
    const tooLarge = family.saveMany([
      ["a", thread(1)],
      ["b", thread(6)]
    ])
    expect(yield* Effect.flip(tooLarge)).toMatchObject({ _tag: "StateTooLarge", key: "b", size: 3 })
    expect((yield* family.at("a").load).messages.length).toBe(2)
    yield* family.at("a").save(thread(3))
    expect((yield* below.at("a").load).messages.length).toBe(1)
    yield* below.at("c").save(thread(9))
    const strict = below.pipe(EntropyConstrained.family({ maxEntries: 2, onLoad: "fail" }))
    expect((yield* Effect.flip(strict.loadMany(["a", "c"])))._tag).toBe("StateTooLarge")
  })
)

it.effect("states that are written together are measured, on either side of the transaction", () =>
  Effect.gen(function* () {
    const limited = EntropyConstrained.make({ maxEntries: 2 })
    const family = yield* VolatileAgent.family({ name: "threads", schema: Thread })
    const inside = (key: string) => family.at(key).pipe(limited, Transactional.make)
    const outside = (key: string) => family.at(key).pipe(Transactional.make, limited)
    for (const at of [inside, outside]) {
      yield* Transactional.run(Effect.andThen(at("a").save(thread(1)), at("b").save(thread(2))))
      const tooLarge = Transactional.run(Effect.andThen(at("a").save(thread(2)), at("b").save(thread(3))))
      expect(yield* Effect.flip(tooLarge)).toMatchObject({ _tag: "StateTooLarge", measure: "entries", key: "b" })
      expect((yield* family.at("a").load).messages.length).toBe(1)
    }
  })
)

it("shrink is typed by the state", () => {
  const of = (agent: DataAgent.DataAgent<Thread>) =>
    agent.pipe(EntropyConstrained.make({ maxBytes: 9, shrink: forget }))
  expectTypeOf(of).returns.toEqualTypeOf<EntropyConstrained.EntropyConstrained<Thread>>()
  const wrong = (agent: DataAgent.DataAgent<Thread>) =>
    // @ts-expect-error a shrink of other states
    EntropyConstrained.make(agent, { shrink: (state: { readonly n: number }) => state })
  expect([of, wrong].length).toBe(2)
})

it.effect("figures tell of entries and levels where they are limited", () =>
  Effect.gen(function* () {
    const agent = EntropyConstrained.make(yield* threads, { maxEntries: 8, maxLevels: 6 })
    expect((yield* agent.figures).entries).toEqual({ size: 0, limit: 8, used: 0 })
    yield* agent.save(thread(4))
    expect(yield* EntropyConstrained.child(agent.figures)).toMatchObject({
      entries: { size: 4, limit: 4, used: 1 },
      levels: { size: 3, limit: 6, used: 1 / 2 },
      refused: 0
    })
    expect((yield* EntropyConstrained.make(yield* threads).figures).levels).toBeUndefined()
  })
)
