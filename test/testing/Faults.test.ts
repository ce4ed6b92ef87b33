import { expect, it } from "@effect/vitest"
import { DataAgent, Register, Revision, type StateError, VolatileAgent } from "dgents"
import { Faults } from "dgents/testing"
import { Effect, Exit, Fiber, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"

const Counter = Schema.Struct({ n: Schema.Number })
const n = (n: number) => ({ n })

/** An agent, and the same agent behind faults. */
const setUp = Effect.gen(function* () {
  const below = yield* VolatileAgent.make({ name: "counter", schema: Counter, history: "full" })
  const faults = Faults.make()
  yield* below.save(n(0))
  return { below, faults, agent: Faults.agent(below, faults) }
})

const tagOf = <A>(effect: Effect.Effect<A, StateError.StateError>) =>
  Effect.match(effect, { onSuccess: () => "done", onFailure: (error) => error._tag })

const only = ["write"]

it.effect(
  "a refused write did not happen and says so, a lost reply happened and a lost request did not, and neither says",
  () =>
    Effect.gen(function* () {
      const { agent, below, faults } = yield* setUp
      const outcomes: Array<readonly [string, number]> = []
      for (const does of ["refuse", "loseReply", "loseRequest"] as const) {
        faults.arm(Faults.plan(1, Faults.failNth(0, does, { only })))
        const tag = yield* tagOf(agent.update(({ n }) => ({ n: n + 1 })))
        outcomes.push([tag, (yield* below.load).n])
      }
      expect(outcomes).toEqual([
        ["StorageUnavailable", 0],
        ["WriteIndeterminate", 1],
        ["WriteIndeterminate", 1]
      ])
    })
)

it.effect("reads that fail are unavailable, whichever way", () =>
  Effect.gen(function* () {
    const { agent, faults } = yield* setUp
    for (const direction of ["requests", "replies"] as const) {
      faults.arm(Faults.plan(1, Faults.partition(direction)))
      const reads: ReadonlyArray<Effect.Effect<unknown, StateError.StateError>> = [
        agent.load,
        agent.current,
        Stream.runCollect(agent.history()),
        agent.at(Revision.make(1)),
        Stream.runHead(agent.changes)
      ]
      for (const read of reads) expect(yield* tagOf(read)).toBe("StorageUnavailable")
    }
    faults.lift()
    expect(yield* agent.load).toEqual(n(0))
  })
)

it.effect("the nth operation fails once, or from then on, and an injector counts", () =>
  Effect.gen(function* () {
    const { agent, faults } = yield* setUp
    const loads = Effect.forEach([1, 2, 3, 4], () => tagOf(agent.load))
    const failed = "StorageUnavailable"
    faults.arm(Faults.plan(1, Faults.failNth(2)))
    expect(yield* loads).toEqual(["done", "done", failed, "done"])
    expect([faults.count, faults.struck]).toEqual([4, 1])
    faults.arm(Faults.plan(1, Faults.failNth(2, "refuse", { forever: true })))
    expect(yield* loads).toEqual(["done", "done", failed, failed])
    faults.arm(Faults.plan(1, Faults.failNth(0, "refuse", { only })))
    expect(yield* loads).toEqual(["done", "done", "done", "done"])
  })
)

it.effect("a flaky share follows from the seed, whatever else is in the plan", () =>
  Effect.gen(function* () {
    const { agent, faults } = yield* setUp
    const run = (plan: Faults.Plan) =>
      Effect.andThen(
        Effect.sync(() => faults.arm(plan)),
        Effect.forEach(Array(100), () => Effect.map(tagOf(agent.load), (tag) => tag === "done"))
      )
    const once = yield* run(Faults.plan(7, Faults.flaky(0.3)))
    expect(yield* run(Faults.plan(7, Faults.flaky(0.3), Faults.slow()))).toEqual(once)
    // Kept as text and read again, a plan is the same plan.
    expect(yield* run(JSON.parse(JSON.stringify(Faults.plan(7, Faults.flaky(0.3)))))).toEqual(once)
    expect(yield* run(Faults.plan(8, Faults.flaky(0.3)))).not.toEqual(once)
    expect(once.filter((done) => !done).length).toBeGreaterThan(15)
    expect(once.filter((done) => !done).length).toBeLessThan(45)
  })
)

it.effect("a slow operation takes as long as it says, on the clock of the fiber", () =>
  Effect.gen(function* () {
    const { agent, faults } = yield* setUp
    faults.arm(Faults.plan(1, Faults.slow({ millis: 1_000 })))
    const fiber = yield* Effect.forkChild(agent.load)
    yield* TestClock.adjust(999)
    expect(fiber.pollUnsafe()).toBeUndefined()
    yield* TestClock.adjust(1)
    expect(yield* Fiber.join(fiber)).toEqual(n(0))
  })
)

it.effect("a duplicated write is committed twice, and answers once", () =>
  Effect.gen(function* () {
    const { agent, below, faults } = yield* setUp
    faults.arm(Faults.plan(1, Faults.duplicate({ only })))
    yield* agent.save(n(1))
    expect((yield* Stream.runCollect(below.history())).map(({ state }) => state.n)).toEqual([1, 1, 0])
    const current = Option.getOrThrow(yield* below.current)
    // The second one finds another revision, and nobody hears of that.
    expect(yield* agent.compareAndSave(n(2), current.revision)).toBe(current.revision + 1)
    expect((yield* Stream.runCollect(below.history())).map(({ state }) => state.n)).toEqual([2, 1, 1, 0])
  })
)

/** A register that keeps one entry, as text. */
const cell = (): Register.Register => {
  let entry: Register.Entry | undefined
  return {
    read: Effect.sync(() => Option.fromUndefinedOr(entry)),
    write: (next, expected) =>
      Effect.suspend(() =>
        Exit.map(Register.check({ agent: "cell" }, expected, entry?.revision ?? Revision.absent), () => {
          entry = { ...next, revision: Revision.make((entry?.revision ?? 0) + 1) }
          return entry.revision
        })
      ),
    remove: Effect.sync(() => {
      const removed = Option.fromUndefinedOr(entry?.revision)
      entry = undefined
      return removed
    })
  }
}

it.effect("what a register reads is damaged on the way, by one bit or by its tail, and not where it is stored", () =>
  Effect.gen(function* () {
    const below = cell()
    const faults = Faults.make()
    const register = Faults.register(below, faults)
    const text = "0123456789".repeat(10)
    yield* register.write({ state: text, savedAt: 0 }, "any")
    const read = Effect.map(register.read, (found) => String(Option.getOrThrow(found).state))
    faults.arm(Faults.plan(3, Faults.corrupt("flip")))
    const flipped = yield* read
    expect(flipped).not.toBe(text)
    faults.arm(Faults.plan(3, Faults.corrupt("cut")))
    const cut = yield* read
    expect(text.startsWith(cut) && cut.length < text.length).toBe(true)
    faults.lift()
    expect(yield* read).toBe(text)
  })
)

const overCell = (below: Register.Register, faults: Faults.Injector) =>
  DataAgent.fromRegister({
    name: "over",
    schema: Counter,
    register: Faults.register(below, faults),
    claims: { durability: "volatile", consistency: "linearizable", sharing: "process", history: "none" }
  })

it.effect("a hanging operation gives no answer, ends when interrupted, and leaves no lock behind", () =>
  Effect.gen(function* () {
    const faults = Faults.make()
    const below = cell()
    const agent = yield* overCell(below, faults)
    yield* agent.save(n(0))
    for (const [when, stored] of [
      ["before", 1],
      ["after", 2]
    ] as const) {
      faults.arm(Faults.plan(1, Faults.hang(when, { only })))
      const fiber = yield* Effect.forkChild(agent.save(n(1)))
      for (let i = 0; i < 20; i++) yield* Effect.yieldNow
      expect(fiber.pollUnsafe()).toBeUndefined()
      // A write may not be interrupted half way; waiting for an answer that never comes may.
      yield* Fiber.interrupt(fiber)
      expect(Option.getOrThrow(yield* below.read).revision).toBe(stored)
      faults.lift()
    }
    yield* agent.save(n(5))
    expect(yield* agent.load).toEqual(n(5))
  })
)

it.effect("an agent over a register that fails tells what the register told", () =>
  Effect.gen(function* () {
    const faults = Faults.make()
    const agent = yield* overCell(cell(), faults)
    yield* agent.save(n(1))
    faults.arm(Faults.plan(1, Faults.failNth(0, "loseReply", { only: ["remove"] })))
    expect(yield* tagOf(agent.delete)).toBe("WriteIndeterminate")
    expect(yield* DataAgent.exists(agent)).toBe(false)
  })
)

it.effect("a store fails key by key, and in its batches", () =>
  Effect.gen(function* () {
    const cells = new Map<string, Register.Register>()
    const at = (key: string) => {
      const found = cells.get(key) ?? cell()
      cells.set(key, found)
      return found
    }
    const faults = Faults.make()
    const store = Faults.store(
      {
        at,
        keys: () => Stream.suspend(() => Stream.fromIterable(cells.keys())),
        removeMany: () => Effect.sync(() => new Map<string, Revision.Revision>())
      },
      faults
    )
    yield* store.at("a").write({ state: "1", savedAt: 0 }, "any")
    expect(store.readMany).toBeUndefined()
    faults.arm(Faults.plan(1, Faults.failNth(0, "refuse", { only: ["keys"] }), Faults.partition("replies")))
    expect(yield* tagOf(Stream.runCollect(store.keys("")))).toBe("StorageUnavailable")
    expect(yield* tagOf(store.at("a").read)).toBe("StorageUnavailable")
    expect(yield* tagOf(store.removeMany?.(["a"]) ?? Effect.void)).toBe("WriteIndeterminate")
  })
)

it.effect("an operation of one's own says what its failure is", () =>
  Effect.gen(function* () {
    const faults = Faults.make(Faults.plan(1, Faults.failNth(1)))
    const send = Faults.operation({ name: "send", run: Effect.succeed("sent"), failure: ({ does }) => does }, faults)
    expect(yield* send).toBe("sent")
    expect(yield* Effect.exit(send)).toEqual(Exit.fail("refuse"))
  })
)

it("a plan is printed as one line", () => {
  expect(Faults.show(Faults.plan(4, Faults.failNth(2, "loseReply"), Faults.flaky(0.5)))).toBe(
    "loseReply: operation 2; refuse: from operation 0 on, 50 % of them (fault seed 4)"
  )
})
