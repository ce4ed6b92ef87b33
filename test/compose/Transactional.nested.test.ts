/** Transactions inside of transactions: savepoints. */
import { expect, it } from "@effect/vitest"
import { Transactional, VolatileAgent } from "dgents"
import { Deferred, Effect, Fiber } from "effect"
import { Counter } from "./support.ts"
import { plus } from "./transactional.support.ts"

const counters = Effect.map(
  VolatileAgent.family({ name: "counters", schema: Counter, initial: { n: 0 } }),
  (outside) => ({
    outside,
    inside: Transactional.family(outside),
    numbers: Effect.map(outside.loadMany(["a", "b", "c"]), (states) => [...states.values()].map(({ n }) => n))
  })
)

it.effect("an inner one that fails takes back what it wrote, and the outer one goes on", () =>
  Effect.gen(function* () {
    const { inside, numbers } = yield* counters
    const [a, b, c] = [inside.at("a"), inside.at("b"), inside.at("c")]
    yield* Transactional.run(
      Effect.gen(function* () {
        yield* a.update(plus(1))
        const inner = Effect.gen(function* () {
          yield* a.update(plus(10))
          yield* b.update(plus(10))
          yield* Transactional.run(c.update(plus(10)))
          expect([yield* a.load, yield* b.load, yield* c.load]).toEqual([{ n: 11 }, { n: 10 }, { n: 10 }])
          return yield* Effect.fail("no")
        })
        expect(yield* Effect.flip(Transactional.run(inner))).toBe("no")
        expect([yield* a.load, yield* b.load, yield* c.load]).toEqual([{ n: 1 }, { n: 0 }, { n: 0 }])
        yield* Transactional.run(b.update(plus(100)))
        expect(yield* numbers).toEqual([0, 0, 0])
      })
    )
    expect(yield* numbers).toEqual([1, 100, 0])
  })
)

it.effect("what an inner one wrote is as little there as the rest when the outer one fails", () =>
  Effect.gen(function* () {
    const { inside, numbers } = yield* counters
    const outer = Effect.andThen(Transactional.run(inside.at("a").update(plus(1))), Effect.fail("no"))
    expect(yield* Effect.flip(Transactional.run(outer))).toBe("no")
    expect(yield* numbers).toEqual([0, 0, 0])
  })
)

it.live("inner ones side by side are serializable among themselves", () =>
  Effect.gen(function* () {
    const { inside, numbers } = yield* counters
    const slowly = (from: string, to: string) =>
      Transactional.run(
        Effect.gen(function* () {
          const { n } = yield* inside.at(from).load
          yield* Effect.yieldNow
          yield* inside.at(to).save({ n: n + 1 })
        })
      )
    yield* Transactional.run(
      Effect.all([slowly("a", "a"), slowly("a", "a"), slowly("a", "a"), slowly("b", "c"), slowly("c", "b")], {
        concurrency: "unbounded"
      })
    )
    const [a, ...rest] = yield* numbers
    expect([a, rest.toSorted()]).toEqual([3, [1, 2]])
  })
)

it.effect("what an inner one read counts for the outer one, also when it failed", () =>
  Effect.gen(function* () {
    const { inside, numbers, outside } = yield* counters
    let runs = 0
    const inner = Effect.flatMap(inside.at("a").load, ({ n }) => (n === 0 ? Effect.fail("empty") : Effect.succeed(n)))
    yield* Transactional.run(
      Effect.gen(function* () {
        const n = yield* Effect.catch(Transactional.run(inner), () => Effect.succeed(-1))
        if (runs++ === 0) yield* outside.at("a").save({ n: 5 })
        yield* inside.at("b").save({ n })
      })
    )
    expect([runs, yield* numbers]).toEqual([2, [5, 5, 0]])
  })
)

it.effect("deletions of an inner one hold, and so does what is made anew after them", () =>
  Effect.gen(function* () {
    const { inside, outside } = yield* counters
    const a = inside.at("a")
    yield* outside.at("a").save({ n: 1 })
    yield* Transactional.run(
      Effect.gen(function* () {
        yield* Transactional.run(a.delete)
        expect(yield* inside.has("a")).toBe(false)
        yield* Transactional.run(a.save({ n: 2 }))
      })
    )
    expect(yield* outside.at("a").load).toEqual({ n: 2 })
    yield* Transactional.run(Effect.andThen(a.save({ n: 3 }), Transactional.run(a.delete)))
    expect(yield* outside.has("a")).toBe(false)
  })
)

it.effect("an inner one that outlives the outer one fails, and writes nothing", () =>
  Effect.gen(function* () {
    const { inside, numbers } = yield* counters
    const go = yield* Deferred.make<void>()
    const inner = Transactional.run(Effect.andThen(inside.at("a").save({ n: 1 }), Deferred.await(go)))
    const fiber = yield* Transactional.run(Effect.forkDetach(inner))
    yield* Deferred.succeed(go, undefined)
    expect(yield* Effect.flip(Fiber.join(fiber))).toMatchObject({ _tag: "StorageUnavailable" })
    expect(yield* numbers).toEqual([0, 0, 0])
  })
)
