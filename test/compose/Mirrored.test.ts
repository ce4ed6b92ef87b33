import { expect, it } from "@effect/vitest"
import { type Claims, DataAgent, Mirrored, Revision, VolatileAgent } from "dgents"
import { Faults } from "dgents/testing"
import { Effect, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Counter } from "./support.ts"

/** A leader and two followers, each of which fails as told. */
const three = (options: Pick<Mirrored.Options<Counter, never, never>, "quorum" | "read"> = {}) =>
  Effect.gen(function* () {
    const leader = yield* VolatileAgent.make({ name: "leader", schema: Counter })
    const schema = Mirrored.Copy(Counter)
    const copies = [yield* VolatileAgent.make({ name: "b", schema }), yield* VolatileAgent.make({ name: "c", schema })]
    const faults = { leader: Faults.make(), b: Faults.make(), c: Faults.make() }
    const followers = copies.map((copy, i) => () => Effect.succeed(Faults.agent(copy, i === 0 ? faults.b : faults.c)))
    const agent = yield* Mirrored.make(Faults.agent(leader, faults.leader), { ...options, followers })
    /** What the followers hold. */
    const held = Effect.forEach(copies, (copy) =>
      Effect.map(copy.current, (found) => {
        if (Option.isNone(found)) return undefined
        const { state } = found.value
        return state._tag === "Deleted" ? "deleted" : state.state.n
      })
    )
    return { agent, faults, held, leader }
  })

const away = (faults: Faults.Injector) => faults.arm(Faults.plan(1, Faults.flaky(1)))

it.effect("a write is acknowledged when a quorum holds it, and the others get it too", () =>
  Effect.gen(function* () {
    const { agent, held } = yield* three()
    yield* agent.save({ n: 1 })
    yield* agent.update(({ n }) => ({ n: n + 1 }))
    yield* TestClock.adjust(0)
    expect(yield* held).toEqual([2, 2])
    yield* agent.delete
    yield* TestClock.adjust(0)
    expect(yield* held).toEqual(["deleted", "deleted"])
  })
)

it.effect("a quorum that is not reached is told: who failed, and that the write may be seen", () =>
  Effect.gen(function* () {
    const { agent, faults, leader } = yield* three({ quorum: 3 })
    away(faults.c)
    const error = yield* Effect.flip(agent.save({ n: 1 }))
    expect(error).toMatchObject({ _tag: "WriteIndeterminate", agent: "leader" })
    expect(error.message).toMatch(/the leader has it.*2 of 2 followers, of which "c" failed with StorageUnavailable/)
    expect(yield* leader.load).toEqual({ n: 1 })
    expect((yield* Effect.flip(agent.delete))._tag).toBe("WriteIndeterminate")
  })
)

it.effect("what the leader refuses reaches no follower", () =>
  Effect.gen(function* () {
    const { agent, faults, held } = yield* three()
    yield* agent.save({ n: 1 })
    away(faults.leader)
    expect((yield* Effect.flip(agent.save({ n: 2 })))._tag).toBe("StorageUnavailable")
    faults.leader.lift()
    expect((yield* Effect.flip(agent.compareAndSave({ n: 2 }, Revision.make(9))))._tag).toBe("RevisionConflict")
    expect(yield* held).toEqual([1, 1])
  })
)

it.effect("a follower that missed writes is repaired by a later load, without being asked every time meanwhile", () =>
  Effect.gen(function* () {
    const { agent, faults, held } = yield* three()
    yield* agent.save({ n: 1 })
    away(faults.c)
    yield* agent.save({ n: 2 })
    yield* TestClock.adjust(0)
    const asked = faults.c.count
    for (let i = 0; i < 5; i++) yield* agent.load
    expect(faults.c.count).toBe(asked)
    faults.c.lift()
    yield* TestClock.adjust("2 seconds")
    yield* agent.load
    yield* TestClock.adjust(0)
    expect(yield* held).toEqual([2, 2])
  })
)

it.effect("under a quorum too, what one follower missed is repaired by a load, which does not wait for it", () =>
  Effect.gen(function* () {
    const { agent, faults, held } = yield* three({ read: "quorum" })
    away(faults.c)
    yield* agent.save({ n: 1 })
    faults.c.lift()
    yield* TestClock.adjust("2 seconds")
    yield* agent.load
    yield* TestClock.adjust(0)
    expect(yield* held).toEqual([1, 1])
  })
)

it.effect("repair brings every follower to what the leader has, and names those that cannot be", () =>
  Effect.gen(function* () {
    const { agent, faults, held, leader } = yield* three({ quorum: 1 })
    yield* leader.save({ n: 1 })
    away(faults.b)
    expect(yield* agent.repair).toEqual(["b"])
    expect(yield* held).toEqual([undefined, 1])
    faults.b.lift()
    expect(yield* agent.repair).toEqual([])
    expect(yield* held).toEqual([1, 1])
    yield* leader.delete
    expect(yield* agent.repair).toEqual([])
    expect(yield* held).toEqual(["deleted", "deleted"])
  })
)

it.effect("without the leader a quorum of followers is read, and nothing is written", () =>
  Effect.gen(function* () {
    const { agent, faults } = yield* three({ read: "quorum" })
    yield* agent.save({ n: 1 })
    away(faults.leader)
    expect(yield* agent.load).toEqual({ n: 1 })
    expect((yield* Effect.flip(agent.save({ n: 2 })))._tag).toBe("StorageUnavailable")
    away(faults.b)
    expect((yield* Effect.flip(agent.load))._tag).toBe("StorageUnavailable")
  })
)

it.effect(
  "after a write whose end is not known the followers are not read, until the leader has said what came of it",
  () =>
    Effect.gen(function* () {
      const { agent, faults } = yield* three({ read: "quorum" })
      yield* agent.save({ n: 1 })
      faults.leader.arm(Faults.plan(1, Faults.failNth(0, "loseReply")))
      expect((yield* Effect.flip(agent.save({ n: 2 })))._tag).toBe("WriteIndeterminate")
      away(faults.leader)
      expect((yield* Effect.flip(agent.load))._tag).toBe("StorageUnavailable")
      faults.leader.lift()
      expect(yield* agent.load).toEqual({ n: 2 })
      away(faults.leader)
      expect(yield* agent.load).toEqual({ n: 2 })
    })
)

it.effect(
  "what one reader was shown, the next one is shown too: a read is confirmed by a quorum before it is answered",
  () =>
    Effect.gen(function* () {
      const { agent, faults, leader } = yield* three({ read: "quorum" })
      yield* agent.save({ n: 1 })
      // Past the followers, as a write that was cut short.
      yield* leader.save({ n: 2 })
      expect(yield* agent.load).toEqual({ n: 2 })
      away(faults.leader)
      expect(yield* agent.load).toEqual({ n: 2 })
      faults.leader.lift()
      yield* leader.save({ n: 3 })
      away(faults.b)
      away(faults.c)
      const error = yield* Effect.flip(agent.load)
      expect(error).toMatchObject({ _tag: "StorageUnavailable", retryable: true })
      expect(error.message).toMatch(/1 of 2 followers, of which "(b|c)" failed/)
    })
)

it.effect("a state that the leader lost by a deletion nobody told of does not come back from a follower", () =>
  Effect.gen(function* () {
    const { agent, faults, held, leader } = yield* three({ read: "quorum" })
    yield* agent.save({ n: 1 })
    yield* leader.delete
    away(faults.c)
    expect((yield* Effect.flip(DataAgent.exists(agent)))._tag).toBe("StorageUnavailable")
    faults.c.lift()
    expect(yield* DataAgent.exists(agent)).toBe(false)
    expect(yield* held).toEqual(["deleted", "deleted"])
    away(faults.leader)
    expect(yield* DataAgent.exists(agent)).toBe(false)
  })
)

it.effect("a follower that hangs holds up nobody that can do without it", () =>
  Effect.gen(function* () {
    const { agent, faults, held } = yield* three()
    faults.c.arm(Faults.plan(1, Faults.hang()))
    yield* agent.save({ n: 1 })
    expect(yield* agent.load).toEqual({ n: 1 })
    expect((yield* held)[0]).toBe(1)
  })
)

it("claims what the leader does, or by quorum the weaker of all, with the leader's history", () => {
  const leader: Claims.Claims = {
    durability: "power",
    consistency: "linearizable",
    sharing: "network",
    history: "full"
  }
  const follower: Claims.Claims = {
    durability: "process",
    consistency: "linearizable",
    sharing: "host",
    history: "none"
  }
  expect(Mirrored.claims(leader, [follower])).toEqual(leader)
  expect(Mirrored.claims(leader, [leader, follower], { read: "quorum" })).toEqual({ ...follower, history: "full" })
})

it.effect("a quorum that cannot be is refused when it is opened", () =>
  Effect.gen(function* () {
    const leader = yield* VolatileAgent.make({ name: "leader", schema: Counter })
    const followers = [<S>(schema: Parameters<typeof Mirrored.Copy<S>>[0]) => VolatileAgent.make({ name: "b", schema })]
    for (const options of [{ quorum: 3 }, { quorum: 0 }, { quorum: 1.5 }, { quorum: 1, read: "quorum" }] as const) {
      const error = yield* Effect.flip(Mirrored.make(leader, { followers, ...options }))
      expect(error).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: false })
    }
  })
)

it.effect("a family is mirrored key by key, and repaired as a whole", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.family({ name: "counters", schema: Counter })
    const copies = yield* VolatileAgent.family({ name: "b", schema: Mirrored.Copy(Counter) })
    const family = yield* Mirrored.family(below, { followers: [() => Effect.succeed(copies)] })
    yield* family.saveMany([
      ["a", { n: 1 }],
      ["b", { n: 2 }]
    ])
    expect((yield* copies.at("a").load)._tag).toBe("Saved")
    yield* below.at("a").delete
    yield* below.at("c").save({ n: 3 })
    expect(yield* family.repair).toEqual([])
    expect((yield* copies.at("a").load)._tag).toBe("Deleted")
    expect((yield* copies.at("c").load)._tag).toBe("Saved")
    expect((yield* Stream.runCollect(family.keys())).sort()).toEqual(["b", "c"])
  })
)
