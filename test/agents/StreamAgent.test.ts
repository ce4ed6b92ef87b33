import { expect, it } from "@effect/vitest"
import { MemoryLog, StateError, StreamAgent, StreamError } from "dgents"
import { Deferred, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import * as A from "./stream/account.ts"

it.effect("a load has the state that the events fold to, and the initial one before the first of them", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    expect(yield* account.load).toEqual(A.initial)
    expect(yield* account.append(A.opened("Ada"))).toBe(1)
    expect(yield* account.append([A.deposited(5), A.withdrawn(2)])).toBe(3)
    expect(yield* account.load).toEqual({ owner: "Ada", balance: 3, lines: ["+5", "-2"] })
    expect(yield* account.current).toMatchObject({ position: 3, state: { balance: 3 } })
  })
)

it.effect("a state survives a restart of the agent, and is seen by others on the same log", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    yield* Effect.scoped(
      Effect.flatMap(log.make(A.account), (account) => account.append([A.opened("Ada"), A.deposited(1)]))
    )
    const [one, other] = [yield* log.make(A.account), yield* log.make(A.account)]
    expect((yield* one.load).balance).toBe(1)
    yield* other.append(A.deposited(2))
    expect((yield* one.load).balance).toBe(3)
  })
)

it.effect("a load reads what is new since the last one, and nothing else", () =>
  Effect.gen(function* () {
    const { count, log } = A.counting(yield* MemoryLog.make)
    const account = yield* A.on(log).make(A.account)
    yield* account.append(Array.from({ length: 2_500 }, () => A.deposited(1)))
    expect((yield* account.load).balance).toBe(2_500)
    expect(count.events).toBe(2_500)
    yield* account.append(A.deposited(1))
    expect((yield* account.load).balance).toBe(2_501)
    expect(count.events).toBe(2_501)
    const { reads } = count
    yield* account.load
    expect(count).toEqual({ reads: reads + 1, events: 2_501 })
  })
)

it.effect("an append that expects another position appends nothing and says where the stream ends", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    yield* account.append(A.opened("Ada"), { expected: 0 })
    const error = yield* Effect.flip(account.append(A.deposited(1), { expected: 0 }))
    expect(error).toBeInstanceOf(StreamError.PositionConflict)
    expect(error).toMatchObject({ agent: "account", expected: 0, actual: 1 })
    expect(yield* Effect.flip(account.append([], { expected: 2 }))).toMatchObject({
      _tag: "PositionConflict",
      actual: 1
    })
    expect(yield* account.append([], { expected: 1 })).toBe(1)
    expect(yield* account.append(A.deposited(1), { expected: 1 })).toBe(2)
  })
)

it.effect(
  "an append of a known id appends nothing and answers the position of the first time, whatever it expects",
  () =>
    Effect.gen(function* () {
      const account = yield* (yield* A.onMemory).make(A.account)
      expect(yield* account.append([A.deposited(1), A.deposited(2)], { id: "a" })).toBe(2)
      yield* account.append(A.deposited(3))
      expect(yield* account.append([A.deposited(1), A.deposited(2)], { id: "a", expected: 0 })).toBe(2)
      expect((yield* account.load).balance).toBe(6)
    })
)

it.effect("of 64 fibers that decide at once each decides once, on what the others left", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const [one, other] = [yield* log.make(A.account), yield* log.make(A.account)]
    let runs = 0
    const withdrawIfRich = (account: typeof one) =>
      account.decide((state) => {
        runs++
        return Effect.as(
          Effect.yieldNow,
          state.balance > 0 ? ([true, [A.withdrawn(1)]] as const) : ([false, []] as const)
        )
      })
    yield* one.append(A.deposited(40))
    const answers = yield* Effect.forEach(
      Array.from({ length: 64 }, (_, i) => i),
      (i) => withdrawIfRich(i % 2 === 0 ? one : other),
      { concurrency: "unbounded" }
    )
    expect(answers.filter(Boolean)).toHaveLength(40)
    expect(runs).toBe(64)
    expect((yield* one.load).balance).toBe(0)
  })
)

it.effect("a decision runs again when somebody else appended meanwhile, and not when the retries are used up", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    let runs = 0
    const disturbed = (disturbances: number) => (state: A.State) =>
      Effect.gen(function* () {
        runs++
        if (runs <= disturbances) yield* account.append(A.deposited(10))
        return [state.balance, [A.deposited(1)]] as const
      })
    expect(yield* account.decide(disturbed(1))).toBe(10)
    expect(runs).toBe(2)
    runs = 0
    const error = yield* Effect.flip(account.decide(disturbed(1), { retries: 0 }))
    expect(error._tag).toBe("PositionConflict")
    expect((yield* account.load).balance).toBe(21)
  })
)

it.effect("a decision that fails or is interrupted appends nothing and leaves the stream free", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    expect(yield* Effect.flip(account.decide(() => Effect.fail("no")))).toBe("no")
    const begun = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(
      account.decide(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
    )
    yield* Deferred.await(begun)
    yield* Fiber.interrupt(fiber)
    yield* account.decide(() => Effect.succeed([undefined, [A.deposited(1)]] as const))
    expect(yield* account.bounds).toEqual({ compacted: 0, last: 1 })
  })
)

it.effect("an event that does not fit is refused with its place, and none of its append is recorded", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    // A program without types may do so.
    const wrong = { _tag: "Deposited", amount: "secret" } as unknown as A.Event
    const error = yield* Effect.flip(account.append([A.deposited(1), wrong]))
    expect(error).toBeInstanceOf(StateError.StateInvalid)
    expect(error).toMatchObject({ path: [1, "amount"] })
    expect(error.message).not.toContain("secret")
    expect((yield* account.bounds).last).toBe(0)
  })
)

it.effect("a state that was loaded cannot be changed, and neither can the one that others load", () =>
  Effect.gen(function* () {
    const Bag = Schema.Struct({
      seen: Schema.ReadonlyMap(Schema.String, Schema.Date),
      last: Schema.NullOr(Schema.Date)
    })
    const bag = yield* (yield* A.onMemory).make({
      name: "bag",
      events: Schema.Struct({ name: Schema.String, when: Schema.Date }),
      state: Bag,
      initial: { seen: new Map(), last: null },
      fold: (state, { name, when }) => ({ seen: new Map(state.seen).set(name, when), last: when })
    })
    yield* bag.append({ name: "a", when: new Date(1) })
    const first = yield* bag.load
    expect(() => Object.assign(first, { last: null })).toThrow(TypeError)
    new Map(first.seen).get("a")?.setTime(99)
    first.last?.setTime(99)
    expect(yield* bag.load).toEqual({ seen: new Map([["a", new Date(1)]]), last: new Date(1) })
    const events = yield* Stream.runCollect(bag.history())
    for (const { event, state } of events) {
      event.when.setTime(77)
      state.last?.setTime(77)
    }
    yield* bag.append({ name: "b", when: new Date(2) })
    expect((yield* bag.load).seen).toEqual(
      new Map([
        ["a", new Date(1)],
        ["b", new Date(2)]
      ])
    )
  })
)

it.effect("classes among events and states come back as such", () =>
  Effect.gen(function* () {
    class Added extends Schema.TaggedClass<Added>()("Added", { amount: Schema.Number }) {}
    class Total extends Schema.Class<Total>("Total")({ amount: Schema.Number }) {
      get isBig() {
        return this.amount > 2
      }
    }
    const total = yield* (yield* A.onMemory).make({
      name: "total",
      events: Schema.Union([Added]),
      state: Total,
      initial: new Total({ amount: 0 }),
      fold: (state, event) => new Total({ amount: state.amount + event.amount })
    })
    yield* total.append([new Added({ amount: 1 }), new Added({ amount: 2 })])
    const state = yield* total.load
    expect(state).toBeInstanceOf(Total)
    expect(state.isBig).toBe(true)
    const [first] = yield* Stream.runCollect(total.events())
    expect(first?.event).toBeInstanceOf(Added)
  })
)

it.effect("a fold that throws is an error with the position and the type, and half of nothing is applied", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    let isBroken = true
    const account = yield* log.make({
      ...A.account,
      fold: (state, event) => {
        if (isBroken && event._tag === "Withdrawn") throw new Error("secret")
        return A.fold(state, event)
      }
    })
    yield* account.append(A.deposited(1))
    yield* account.load
    yield* account.append([A.deposited(2), A.withdrawn(1), A.deposited(3)])
    const error = yield* Effect.flip(account.load)
    expect(error).toBeInstanceOf(StreamError.FoldFailed)
    expect(error).toMatchObject({ agent: "account", position: 3, type: "Withdrawn", cause: new Error("secret") })
    expect(error.message).not.toContain("secret")
    expect((yield* account.at(2)).state.balance).toBe(3)
    isBroken = false
    expect((yield* account.load).balance).toBe(5)
  })
)

it.effect("a fold that changes the state it is given fails, and the state stays", () =>
  Effect.gen(function* () {
    const Counts = Schema.Struct({
      all: Schema.ReadonlyMap(Schema.String, Schema.Number),
      list: Schema.Array(Schema.String)
    })
    const counts = yield* (yield* A.onMemory).make({
      name: "counts",
      events: Schema.Struct({ name: Schema.String, isBad: Schema.Boolean }),
      state: Counts,
      initial: { all: new Map<string, number>(), list: [] },
      fold: (state, { isBad, name }) => {
        // What JavaScript cannot freeze a fold may change, but then it is its own copy.
        ;(state.all as Map<string, number>).set(name, 1)
        if (isBad) (state.list as Array<string>).push(name)
        return state
      }
    })
    yield* counts.append({ name: "a", isBad: false })
    yield* counts.load
    yield* counts.append([
      { name: "b", isBad: false },
      { name: "c", isBad: true }
    ])
    expect(yield* Effect.flip(counts.load)).toMatchObject({ _tag: "FoldFailed", position: 3, type: "Event" })
    expect((yield* counts.at(1)).state).toEqual({ all: new Map([["a", 1]]), list: [] })
  })
)

it.effect("an event that nobody knows is an error with its position and type", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const Newer = Schema.Union([A.Event, Schema.TaggedStruct("Closed", {})])
    const newer = yield* log.make({ ...A.account, events: Newer, fold: (state) => state })
    yield* newer.append([A.deposited(1), { _tag: "Closed" }])
    const account = yield* log.make(A.account)
    const error = yield* Effect.flip(account.load)
    expect(error).toBeInstanceOf(StreamError.EventUnknown)
    expect(error).toMatchObject({ position: 2, type: "Closed" })
    expect(yield* Effect.flip(Stream.runDrain(account.events()))).toEqual(error)
  })
)

it.effect("an event that does not decode is corrupt, with its position and without what it holds", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const old = yield* log.make({
      ...A.account,
      events: Schema.TaggedStruct("Deposited", { amount: Schema.String }),
      fold: (state) => state
    })
    yield* old.append([{ _tag: "Deposited", amount: "secret" }])
    const error = yield* Effect.flip((yield* log.make(A.account)).load)
    expect(error).toBeInstanceOf(StateError.StateCorrupt)
    expect(error.message).toContain('position 1 ("Deposited"), at "amount"')
    expect(error.message).not.toContain("secret")
  })
)

it.effect("streams of a family stay apart, and its keys are listed", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const accounts = yield* log.family(A.account)
    const single = yield* log.make(A.account)
    const keys = ["", "a", "a/b", "..", "é", "__proto__"]
    for (const [i, key] of keys.entries()) yield* accounts.at(key).append(A.deposited(i + 1))
    for (const [i, key] of keys.entries()) expect((yield* accounts.at(key).load).balance).toBe(i + 1)
    expect((yield* single.load).balance).toBe(0)
    expect((yield* accounts.at("none").load).balance).toBe(0)
    expect(yield* Stream.runCollect(accounts.keys())).toEqual(["", "..", "__proto__", "a", "a/b", "é"])
    expect(yield* Stream.runCollect(accounts.keys({ prefix: "a" }))).toEqual(["a", "a/b"])
  })
)

it.effect(
  "a family folds once a key, whichever agent of the key is asked, and forgets the least recently used state",
  () =>
    Effect.gen(function* () {
      const { count, log } = A.counting(yield* MemoryLog.make)
      const accounts = yield* A.on(log).family({ ...A.account, maxCached: 2 })
      for (const key of ["a", "b", "c"]) yield* accounts.at(key).append(A.deposited(1))
      yield* accounts.at("a").load
      yield* accounts.at("b").load
      yield* accounts.at("a").load
      expect(count.events).toBe(2)
      yield* accounts.at("c").load
      yield* accounts.at("a").load
      expect(count.events).toBe(3)
      yield* accounts.at("b").load
      expect(count.events).toBe(4)
    })
)

it.effect("a key with a lone surrogate has no events, and refuses some", () =>
  Effect.gen(function* () {
    const accounts = yield* (yield* A.onMemory).family(A.account)
    const account = accounts.at("\ud800")
    expect(yield* account.load).toEqual(A.initial)
    expect((yield* Effect.flip(account.append(A.deposited(1))))._tag).toBe("StateInvalid")
    expect((yield* Effect.flip(accounts.at("a").append(A.deposited(1), { id: "\ud800" })))._tag).toBe("StateInvalid")
  })
)

it.effect("use after the scope is a typed error, of every operation", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const account = yield* Effect.scoped(log.make(A.account))
    const family = yield* Effect.scoped(log.family(A.account))
    const operations: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      account.load,
      account.current,
      account.append(A.deposited(1)),
      account.append([]),
      account.decide(() => Effect.succeed([1, [A.deposited(1)]] as const)),
      account.at(0),
      account.at(new Date(0)),
      account.bounds,
      account.compact(3),
      Stream.runDrain(account.events()),
      Stream.runDrain(account.history()),
      Stream.runDrain(account.changes()),
      Stream.runDrain(family.keys())
    ]
    for (const operation of operations) expect(yield* Effect.flip(operation)).toBeInstanceOf(StateError.AgentClosed)
  })
)

it.effect("an option that is not what it has to be is refused at opening, and so is an initial that does not fit", () =>
  Effect.gen(function* () {
    const log = yield* A.onMemory
    const open = (options: object) => Effect.flip(log.make({ ...A.account, ...options }))
    expect((yield* open({ fold: 1 })).message).toContain("the option fold is the number 1")
    expect((yield* open({ snapshots: { agent: {}, every: 0 } })).message).toContain("snapshots.every")
    expect((yield* open({ upcasters: { A: [1] } })).message).toContain("the option upcasters")
    expect((yield* open({ version: {} })).message).toContain("the option version")
    expect((yield* open({ events: 1 })).message).toContain("the option events")
    const misfit = yield* open({ initial: { owner: 1 } })
    expect(misfit).toMatchObject({ _tag: "StateInvalid", path: ["owner"] })
  })
)

it.effect("a program asks for a stream, and a layer decides where its events live", () =>
  Effect.gen(function* () {
    class Account extends StreamAgent.Service<Account, A.Event, A.State>()("test/Account") {}
    const program = Effect.gen(function* () {
      const account = yield* Account
      yield* account.append(A.deposited(3))
      return (yield* account.load).balance
    })
    const inMemory = Layer.provide(StreamAgent.layer(Account, A.account), MemoryLog.layer)
    expect(yield* Effect.provide(program, inMemory)).toBe(3)
  })
)

it.effect("the functions work first and in a pipe", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    yield* StreamAgent.append(account, A.deposited(1))
    yield* account.pipe(StreamAgent.append([A.deposited(2)], { expected: 1 }))
    const answer = yield* account.pipe(
      StreamAgent.decide((state) => Effect.succeed([state.balance, [A.withdrawn(0)]] as const))
    )
    expect(answer).toBe(3)
    expect((yield* account.pipe(StreamAgent.at(1))).state.balance).toBe(1)
    expect((yield* StreamAgent.load(account)).balance).toBe(3)
    expect(StreamAgent.isStreamAgent(account)).toBe(true)
    expect(StreamAgent.isStreamAgent({})).toBe(false)
  })
)

it.effect("a load that is interrupted leaves the state loadable", () =>
  Effect.gen(function* () {
    const account = yield* (yield* A.onMemory).make(A.account)
    yield* account.append(Array.from({ length: 5_000 }, () => A.deposited(1)))
    const fiber = yield* Effect.forkChild(account.load)
    yield* Effect.yieldNow
    const exit = yield* Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))
    expect(Exit.isFailure(exit)).toBe(true)
    expect((yield* account.load).balance).toBe(5_000)
  })
)
