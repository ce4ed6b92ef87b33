// Registers whose writes begin without an effect: what an agent promises holds for them as for all others.
import { expect, it } from "@effect/vitest"
import { type Claims, DataAgent, EntropyConstrained, Register, Revision } from "dgents"
import { Effect, Exit, Fiber, Option, Schema, Stream } from "effect"

const Counter = Schema.Struct({ n: Schema.Number })

const claims: Claims.Claims = {
  durability: "volatile",
  consistency: "linearizable",
  sharing: "process",
  history: "none"
}

/** How a write goes: at once, when it is told to, by `write`, or not at all. */
type Way = "now" | "later" | "declined" | "thrown"

const setup = Effect.gen(function* () {
  let entry: Register.Entry | undefined
  let way: Way = "now"
  const begun: Array<Way> = []
  const answers: Array<() => void> = []
  const put = (next: Register.NewEntry, expected: Revision.Expected) => {
    const actual = entry?.revision ?? Revision.absent
    return Exit.map(Register.check({ agent: "another" }, expected, actual), () => {
      const revision = Revision.make(actual + 1)
      entry = { ...next, revision }
      return revision
    })
  }
  const register: Register.Register = {
    read: Effect.sync(() => Option.fromUndefinedOr(entry)),
    write: (next, expected) =>
      Effect.suspend(() => {
        begun.push("declined")
        return put(next, expected)
      }),
    begin: (next, expected, answer) => {
      if (way === "declined") return false
      begun.push(way)
      if (way === "thrown") throw new Error("a bug")
      if (way === "now") answer(put(next, expected))
      else answers.push(() => answer(put(next, expected)))
      return true
    },
    remove: Effect.sync(() => {
      const removed = Option.fromUndefinedOr(entry?.revision)
      entry = undefined
      return removed
    })
  }
  const agent = yield* DataAgent.fromRegister({ name: "counter", schema: Counter, claims, register })
  const go = (next: Way) => {
    way = next
  }
  return { agent, begun, answers, go }
})

/** Lets the fibers run that can. */
const settle = Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow, { discard: true })

it.effect("each write begins once, and is written in the common way where it does not begin", () =>
  Effect.gen(function* () {
    const { agent, begun, go } = yield* setup
    yield* agent.save({ n: 1 })
    go("declined")
    yield* agent.save({ n: 2 })
    go("now")
    expect(yield* agent.update(({ n }) => ({ n: n + 1 }))).toEqual({ n: 3 })
    expect(yield* agent.modify(({ n }) => Effect.succeed([n, { n: n + 1 }] as const))).toBe(3)
    expect(yield* agent.compareAndSave({ n: 5 }, Revision.make(4))).toBe(5)
    expect(begun).toEqual(["now", "declined", "now", "now", "now"])
    expect(yield* agent.current).toMatchObject({ value: { state: { n: 5 }, revision: 5 } })
  })
)

it.effect("a state that does not fit does not begin, and a conflict names the agent that met it", () =>
  Effect.gen(function* () {
    const { agent, begun } = yield* setup
    expect(yield* Effect.flip(agent.save({ n: "no" as unknown as number }))).toMatchObject({ _tag: "StateInvalid" })
    expect(begun).toEqual([])
    yield* agent.save({ n: 1 })
    expect(yield* Effect.flip(agent.compareAndSave({ n: 2 }, Revision.absent))).toMatchObject({
      _tag: "RevisionConflict",
      agent: "counter",
      expected: 0,
      actual: 1
    })
  })
)

it.effect("savers wait for the one that has begun, in their order, and each is announced once", () =>
  Effect.gen(function* () {
    const { agent, answers, begun, go } = yield* setup
    const seen = yield* Effect.forkChild(Stream.runCollect(Stream.take(agent.changes, 3)))
    yield* settle
    go("later")
    const savers = yield* Effect.forEach([1, 2, 3], (n) => Effect.forkChild(agent.save({ n })))
    // Who had to wait begins at once as well when it is its turn.
    for (const [i, saver] of savers.entries()) {
      yield* settle
      expect(begun).toEqual(Array.from({ length: i + 1 }, () => "later"))
      answers.pop()?.()
      yield* Fiber.join(saver)
    }
    expect((yield* Fiber.join(seen)).map((change) => change._tag === "Saved" && change.state.n)).toEqual([1, 2, 3])
  })
)

it.effect("an interrupt does not cut short what has begun: it is stored, announced, and the lock is free", () =>
  Effect.gen(function* () {
    const { agent, answers, go } = yield* setup
    yield* agent.save({ n: 0 })
    const seen = yield* Effect.forkChild(Stream.runCollect(Stream.take(agent.changes, 3)))
    yield* settle
    for (const write of [agent.save({ n: 1 }), agent.update(({ n }) => ({ n: n + 1 }))]) {
      go("later")
      const writer = yield* Effect.forkChild(write)
      yield* settle
      const interrupt = yield* Effect.forkChild(Fiber.interrupt(writer))
      yield* settle
      expect(writer.pollUnsafe()).toBe(undefined)
      answers.pop()?.()
      yield* Fiber.join(interrupt)
    }
    expect((yield* Fiber.join(seen)).map((change) => change._tag === "Saved" && change.state.n)).toEqual([0, 1, 2])
    go("now")
    yield* agent.save({ n: 3 })
  })
)

it.effect("one that throws is a defect of its save, and leaves the lock free", () =>
  Effect.gen(function* () {
    const { agent, go } = yield* setup
    go("thrown")
    expect(Exit.hasDies(yield* Effect.exit(agent.save({ n: 1 })))).toBe(true)
    go("now")
    yield* agent.save({ n: 2 })
    expect(yield* agent.load).toEqual({ n: 2 })
  })
)

it.effect("a combinator over it is not gone past", () =>
  Effect.gen(function* () {
    const { agent, begun } = yield* setup
    const constrained = EntropyConstrained.make(agent, { maxBytes: 8 })
    yield* constrained.save({ n: 1 })
    expect(yield* Effect.flip(constrained.save({ n: 1000 }))).toMatchObject({ _tag: "StateTooLarge" })
    expect(begun.length).toBe(1)
    expect(yield* agent.load).toEqual({ n: 1 })
  })
)
