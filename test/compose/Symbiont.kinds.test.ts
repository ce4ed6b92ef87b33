import { expect, expectTypeOf, it } from "@effect/vitest"
import { type StateError, Symbiont, VolatileAgent } from "dgents"
import { Deferred, Effect, Exit, Fiber, Schema, Stream } from "effect"
import { backend, Counter } from "./support.ts"

const counter = (name: string, n = 0) => VolatileAgent.make({ name, schema: Counter, initial: { n } })

const add = (by: number, { n }: Counter) =>
  by < 0 ? Effect.fail("negative" as const) : Effect.succeed([n + by, { n: n + by }] as const)

// ---------------------------------------------------------------------------------------------------------------------
// batch

it.effect("a batch answers and leaves what one run after the other does, with one write", () =>
  Effect.gen(function* () {
    const below = backend({ schema: Counter, initial: { n: 0 } })
    const memory = yield* below.agent
    const all = Symbiont.batch({ memory, logic: add })
    expect(yield* all.run([1, 2, 3])).toEqual([1, 3, 6])
    expect([yield* memory.load, below.count.writes]).toEqual([{ n: 6 }, 1])
    expect([yield* all.run([]), below.count.writes]).toEqual([[], 1])
  })
)

it.effect("a batch of which one input fails writes nothing", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total", 7)
    expect(yield* Effect.flip(Symbiont.batch({ memory, logic: add }).run([1, -1, 1]))).toBe("negative")
    expect(yield* memory.load).toEqual({ n: 7 })
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// choose

const Notes = Schema.Struct({ notes: Schema.ReadonlyMap(Schema.String, Schema.Number) })
type Notes = typeof Notes.Type

it.effect("each candidate has a copy of its own, and the outcome chosen is what is stored", () =>
  Effect.gen(function* () {
    const memory = yield* VolatileAgent.make({ name: "notes", schema: Notes, initial: { notes: new Map([["a", 1]]) } })
    // What a candidate does to its copy, which the type forbids, reaches no other.
    const spoiling = (n: number) => (key: string, state: Notes) =>
      Effect.sync(() => {
        const notes = state.notes as Map<string, number>
        const size = notes.size
        notes.set(`${key}${n}`, n)
        return [size, { notes }] as const
      })
    const seen: Array<ReadonlyArray<number>> = []
    const best = Symbiont.choose({
      memory,
      candidates: [spoiling(1), spoiling(2), spoiling(3)],
      choose: (outcomes) => {
        seen.push(outcomes.map(({ output }) => output))
        return Effect.succeed(outcomes.find(({ candidate }) => candidate === 1) ?? outcomes[0])
      }
    })
    expect(yield* best.run("k")).toBe(1)
    expect(seen).toEqual([[1, 1, 1]])
    expect([...(yield* memory.load).notes]).toEqual([
      ["a", 1],
      ["k2", 2]
    ])
  })
)

it.effect("candidates that fail are no choice; when all fail, the first failure counts and nothing is stored", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total", 7)
    const failing = (why: string) => (_: number, _state: Counter) => Effect.fail(why)
    const first = <A>([first]: readonly [A, ...ReadonlyArray<A>]) => Effect.succeed(first)
    const one = Symbiont.choose({ memory, candidates: [failing("a"), add, failing("b")], choose: first })
    expect(yield* one.run(2)).toBe(9)
    const none = Symbiont.choose({ memory, candidates: [failing("a"), failing("b")], choose: first })
    expect(yield* Effect.flip(none.run(2))).toBe("a")
    expect(yield* memory.load).toEqual({ n: 9 })
  })
)

it.effect("a choice may be an outcome made of several, or a failure that stores nothing", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total")
    const candidates = [add, (by: number, { n }: Counter) => Effect.succeed([n, { n: n - by }] as const)] as const
    const sum = Symbiont.choose({
      memory,
      candidates,
      choose: (outcomes) =>
        Effect.succeed({ ...outcomes[0], next: { n: outcomes.reduce((all, { next }) => all + next.n, 40) } })
    })
    expect(yield* sum.run(2)).toBe(2)
    expect(yield* memory.load).toEqual({ n: 40 })
    const none = Symbiont.choose({ memory, candidates, choose: () => Effect.fail("none is good enough" as const) })
    expect(yield* Effect.flip(none.run(2))).toBe("none is good enough")
    expect(yield* memory.load).toEqual({ n: 40 })
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// stream

const Thread = Schema.Struct({ said: Schema.Array(Schema.String) })
const thread = VolatileAgent.make({ name: "thread", schema: Thread, initial: { said: [] } })
const words = (question: string) => Stream.fromIterable(question.split(" "))
const remember = ({ said }: typeof Thread.Type, outputs: ReadonlyArray<string>) => ({
  said: [...said, outputs.join(" ")]
})

it.effect("outputs come as they are made, and when the stream ends the memory is written", () =>
  Effect.gen(function* () {
    const memory = yield* thread
    const chat = Symbiont.stream({ memory, logic: words, next: remember })
    expect(chat.name).toBe("thread")
    const seen: Array<string> = []
    yield* Stream.runForEach(chat.run("how are you"), (word) =>
      Effect.gen(function* () {
        expect((yield* memory.load).said).toEqual([])
        seen.push(word)
      })
    )
    expect(seen).toEqual(["how", "are", "you"])
    expect((yield* memory.load).said).toEqual(["how are you"])
  })
)

it.effect("a stream that fails, or that nobody reads to its end, leaves the memory as it was, and unlocked", () =>
  Effect.gen(function* () {
    const memory = yield* thread
    const failing = Symbiont.stream({
      memory,
      logic: (text: string) => Stream.concat(words(text), Stream.fail("lost the line" as const)),
      next: remember
    })
    expect(yield* Effect.flip(Stream.runDrain(failing.run("a b")))).toBe("lost the line")
    const chat = Symbiont.stream({ memory, logic: words, next: remember })
    expect(yield* Stream.runCollect(Stream.take(chat.run("a b c d"), 2))).toEqual(["a", "b"])
    const started = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(chat.run("a b"), () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
    )
    yield* Deferred.await(started)
    yield* Fiber.interrupt(fiber)
    expect((yield* memory.load).said).toEqual([])
    yield* Stream.runDrain(chat.run("hello"))
    expect((yield* memory.load).said).toEqual(["hello"])
  })
)

it.effect("what is out is not taken back: a stream that was overtaken fails, or merges", () =>
  Effect.gen(function* () {
    const below = backend({ schema: Thread, initial: { said: [] } })
    const memory = yield* below.agent
    let runs = 0
    const overtaken = (text: string) =>
      Stream.concat(
        words(text),
        Stream.fromEffectDrain(
          Effect.suspend(() => {
            runs++
            return below.commitElsewhere('{"said":["theirs"]}')
          })
        )
      )
    for (const mode of ["serialize", "optimistic"] as const) {
      const chat = Symbiont.stream({ memory, logic: overtaken, next: remember, mode })
      expect(yield* Effect.flip(Stream.runDrain(chat.run("mine")))).toMatchObject({ _tag: "RevisionConflict" })
    }
    const merging = Symbiont.stream({
      memory,
      logic: overtaken,
      next: remember,
      mode: { merge: ({ base, mine, theirs }) => ({ said: [...theirs.said, ...mine.said.slice(base.said.length)] }) }
    })
    expect(yield* Stream.runCollect(merging.run("mine"))).toEqual(["mine"])
    expect([(yield* memory.load).said, runs]).toEqual([["theirs", "mine"], 3])
  })
)

it.effect("streams on one memory happen one after the other", () =>
  Effect.gen(function* () {
    const memory = yield* thread
    const chat = Symbiont.stream({ memory, logic: words, next: remember })
    yield* Effect.forEach(["a b", "c d", "e"], (text) => Stream.runDrain(chat.run(text)), { concurrency: "unbounded" })
    expect((yield* memory.load).said).toEqual(["a b", "c d", "e"])
  })
)

it.effect("a stream on an empty memory without an initial fails with StateNotFound", () =>
  Effect.gen(function* () {
    const memory = yield* VolatileAgent.make({ name: "empty", schema: Thread })
    const chat = Symbiont.stream({ memory, logic: words, next: remember })
    expect((yield* Effect.flip(Stream.runDrain(chat.run("a"))))._tag).toBe("StateNotFound")
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// use

it.effect("a tool has a memory of its own, and what it learned stays when the run that used it fails", () =>
  Effect.gen(function* () {
    const [notes, total] = [yield* thread, yield* counter("total")]
    const adder = Symbiont.make({ memory: total, logic: add })
    const assistant = Symbiont.make({
      memory: notes,
      logic: (by: number, { said }) =>
        Effect.gen(function* () {
          const sum = yield* adder.pipe(Symbiont.use(by))
          if (sum > 5) return yield* Effect.fail("enough" as const)
          return [sum, { said: [...said, `now ${sum}`] }] as const
        })
    })
    expect(yield* assistant.run(2)).toBe(2)
    expect(yield* Effect.flip(assistant.run(9))).toBe("enough")
    expect([yield* notes.load, yield* total.load]).toEqual([{ said: ["now 2"] }, { n: 11 }])
  })
)

it.effect("a tool whose memory the run holds is MemoryBusy, by whichever handle, and the memory stays usable", () =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "totals", schema: Counter, initial: { n: 0 } })
    const tool = Symbiont.make({ memory: family.at("a"), logic: add, name: "tool" })
    const outer = Symbiont.make({
      memory: family.at("a"),
      logic: (by: number, state) =>
        Effect.map(Effect.flip(Symbiont.use(Symbiont.andThen(tool, tool), by)), (error) => [error, state] as const)
    })
    const busy = yield* outer.run(1)
    expect(busy).toBeInstanceOf(Symbiont.MemoryBusy)
    expect(busy).toMatchObject({ _tag: "MemoryBusy", tool: "tool > tool" })
    expect(String(busy)).toContain('"totals", key "a"')
    expect(yield* tool.run(3)).toBe(3)
  })
)

it.effect("the logic of a stream is told as well", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total")
    const tool = Symbiont.make({ memory, logic: add, name: "tool" })
    const streaming = Symbiont.stream({
      memory,
      logic: (by: number) => Stream.fromEffect(Effect.flip(Symbiont.use(tool, by))),
      next: (state) => state
    })
    expect(yield* Stream.runCollect(streaming.run(1))).toMatchObject([{ _tag: "MemoryBusy", tool: "tool" }])
  })
)

it.effect("two that use each other at the same time do not wait forever: one is told, and both go on", () =>
  Effect.gen(function* () {
    const [a, b] = [yield* counter("a"), yield* counter("b")]
    const both = yield* Deferred.make<void>()
    let entered = 0
    const using = (memory: typeof a, other: typeof a) =>
      Symbiont.make({
        memory,
        logic: (by: number, { n }: Counter) =>
          Effect.gen(function* () {
            if (++entered === 2) yield* Deferred.succeed(both, undefined)
            yield* Deferred.await(both)
            // As a model is told of a tool that failed. A fork of the run waits as the run itself does.
            const used = Symbiont.use(Symbiont.make({ memory: other, logic: add }), by)
            const told = yield* Effect.flatMap(Effect.forkChild(Effect.exit(used)), Fiber.join)
            return [Exit.isSuccess(told), { n: n + 1 }] as const
          })
      })
    const told = yield* Effect.all([using(a, b).run(10), using(b, a).run(10)], { concurrency: 2 })
    expect([...told].sort()).toEqual([false, true])
    expect((yield* a.load).n + (yield* b.load).n).toBe(12)
  })
)

it.effect("a chain of three that ends where it began is found as well", () =>
  Effect.gen(function* () {
    const memories = [yield* counter("a"), yield* counter("b"), yield* counter("c")] as const
    const all = yield* Deferred.make<void>()
    let entered = 0
    const runs = memories.map((memory, i) =>
      Symbiont.make({
        memory,
        logic: (by: number, { n }: Counter) =>
          Effect.gen(function* () {
            if (++entered === 3) yield* Deferred.succeed(all, undefined)
            yield* Deferred.await(all)
            const next = memories[(i + 1) % 3] ?? memory
            const told = yield* Effect.exit(Symbiont.use(Symbiont.make({ memory: next, logic: add }), by))
            return [Exit.isSuccess(told), { n }] as const
          })
      })
    )
    const told = yield* Effect.forEach(runs, (one) => one.run(1), { concurrency: 3 })
    expect(told.filter((ok) => !ok).length).toBe(1)
  })
)

it.live("in the modes that lock nothing, a tool may share the memory", () =>
  Effect.gen(function* () {
    const memory = yield* counter("total")
    const tool = Symbiont.make({ memory, logic: add })
    const outer = Symbiont.make({
      memory,
      mode: { merge: ({ base, mine, theirs }) => ({ n: theirs.n + mine.n - base.n }) },
      logic: (by: number, { n }: Counter) => Effect.map(Symbiont.use(tool, by), (sum) => [sum, { n: n + 1 }] as const)
    })
    expect(yield* outer.run(10)).toBe(10)
    expect(yield* memory.load).toEqual({ n: 11 })
    const endless = Symbiont.make({
      memory,
      mode: "optimistic",
      retries: 2,
      logic: (by: number, { n }: Counter) => Effect.map(Symbiont.use(tool, by), (sum) => [sum, { n }] as const)
    })
    expect(yield* Effect.flip(endless.run(1))).toMatchObject({ _tag: "RevisionConflict" })
  })
)

it("what each kind takes, answers and fails with is inferred", () => {
  const make = (memory: Effect.Success<ReturnType<typeof counter>>) => {
    expectTypeOf(Symbiont.batch({ memory, logic: add })).toEqualTypeOf<
      Symbiont.Symbiont<ReadonlyArray<number>, ReadonlyArray<number>, "negative">
    >()
    const chosen = Symbiont.choose({ memory, candidates: [add], choose: ([first]) => Effect.succeed(first) })
    expectTypeOf(chosen).toEqualTypeOf<Symbiont.Symbiont<number, number, "negative">>()
    const streaming = Symbiont.stream({
      memory,
      logic: (by: number) => Stream.make(String(by)),
      next: (state, outputs, by) => {
        expectTypeOf(outputs).toEqualTypeOf<ReadonlyArray<string>>()
        return { n: state.n + by }
      }
    })
    expectTypeOf(streaming).toEqualTypeOf<Symbiont.Streaming<number, string>>()
    expectTypeOf(Symbiont.use(chosen, 1)).toEqualTypeOf<
      Effect.Effect<number, "negative" | StateError.StateNotFound | StateError.CompareError | Symbiont.MemoryBusy>
    >()
    // @ts-expect-error no candidates
    Symbiont.choose({ memory, candidates: [], choose: ([first]) => Effect.succeed(first) })
  }
  expect(make).toBeTypeOf("function")
})
