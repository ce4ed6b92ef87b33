/** What becomes of transactions that others get in the way of. */
import { expect } from "@effect/vitest"
import { Revision, Transactional } from "dgents"
import { Deferred, Effect, Exit, Fiber, Option, Stream } from "effect"
import { plus, promise } from "./transactional.support.ts"

promise(
  "a state that was only read, and that others write meanwhile, makes it run again",
  ({ inside, numbers, outside }) =>
    Effect.gen(function* () {
      let runs = 0
      const copy = Transactional.run(
        Effect.gen(function* () {
          const { n } = yield* inside.at("a").load
          if (runs++ < 2) yield* outside.at("a").save({ n: n + 1 })
          yield* inside.at("b").save({ n })
        })
      )
      yield* copy
      expect([runs, yield* numbers]).toEqual([3, { a: 3, b: 3 }])
    })
)

promise("so does one that was not there, and that others make", ({ inside, numbers, outside }) =>
  Effect.gen(function* () {
    let runs = 0
    yield* Transactional.run(
      Effect.gen(function* () {
        const exists = yield* inside.has("c")
        if (runs++ === 0) yield* outside.at("c").save({ n: 1 })
        yield* inside.at("d").save({ n: exists ? 1 : 0 })
      })
    )
    expect([runs, yield* numbers]).toEqual([2, { a: 1, b: 2, c: 1, d: 1 }])
  })
)

promise("one that only reads sees one moment, also when it fails", ({ inside, outside }) =>
  Effect.gen(function* () {
    const views: Array<number> = []
    const sum = Effect.gen(function* () {
      const { n } = yield* inside.at("a").load
      // The sum is always the same; not so for who reads one before and one after.
      if (views.length === 0)
        yield* Transactional.run(
          Effect.andThen(
            inside.at("x").save({ n: 0 }),
            outside.saveMany([
              ["a", { n: 0 }],
              ["b", { n: 3 }]
            ])
          )
        )
      const total = n + (yield* inside.at("b").load).n
      views.push(total)
      return total === 3 ? total : yield* Effect.fail("the sum is wrong")
    })
    expect([yield* Transactional.run(sum), views]).toEqual([3, [4, 3]])
  })
)

promise("what is written without having been read never conflicts", ({ inside, numbers, outside }) =>
  Effect.gen(function* () {
    yield* Transactional.run(
      Effect.gen(function* () {
        yield* inside.at("a").save({ n: 10 })
        yield* inside.at("b").delete
        yield* outside.saveMany([
          ["a", { n: 5 }],
          ["b", { n: 5 }]
        ])
      }),
      { retries: 0 }
    )
    expect(yield* numbers).toEqual({ a: 10 })
  })
)

promise(
  "retries end with the conflict, and a conflict of the effect's own is not one of the transaction",
  ({ inside, outside }) =>
    Effect.gen(function* () {
      let runs = 0
      const overtaken = Effect.gen(function* () {
        runs++
        yield* outside.at("a").update(plus(1))
        yield* inside.at("a").update((state) => state)
        yield* outside.at("a").update(plus(1))
      })
      expect(yield* Effect.flip(Transactional.run(overtaken, { retries: 3 }))).toMatchObject({
        _tag: "RevisionConflict",
        agent: "counters",
        key: "a"
      })
      expect(runs).toBe(4)
      runs = 0
      const own = Effect.suspend(() => {
        runs++
        return inside.at("b").compareAndSave({ n: 0 }, Revision.make(77))
      })
      expect(yield* Effect.flip(Transactional.run(own))).toMatchObject({
        _tag: "RevisionConflict",
        key: "b",
        expected: 77
      })
      expect(runs).toBe(1)
    })
)

promise("compareAndSave compares with what the transaction sees", ({ inside, numbers }) =>
  Effect.gen(function* () {
    const b = inside.at("b")
    yield* Transactional.run(
      Effect.gen(function* () {
        const first = Option.getOrThrow(yield* b.current).revision
        const second = yield* b.compareAndSave({ n: 7 }, first)
        expect(yield* Effect.flip(b.compareAndSave({ n: 8 }, first))).toMatchObject({ actual: second })
        yield* b.compareAndSave({ n: 9 }, second)
        yield* inside.at("c").compareAndSave({ n: 1 }, Revision.absent)
        expect(yield* Effect.flip(inside.at("c").compareAndSave({ n: 2 }, Revision.absent))).toMatchObject({
          expected: 0
        })
      })
    )
    expect(yield* numbers).toEqual({ a: 1, b: 9, c: 1 })
    expect(Option.getOrThrow(yield* b.current).revision).toBe(2)
  })
)

promise(
  "it waits for a modify that has begun, and inside of one it is a defect to write the same",
  ({ inside, outside, numbers }) =>
    Effect.gen(function* () {
      const [begun, end] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      let runs = 0
      const slow = outside.at("a").modify(({ n }) =>
        Effect.gen(function* () {
          runs++
          yield* Deferred.succeed(begun, undefined)
          yield* Deferred.await(end)
          return [undefined, { n: n + 1 }] as const
        })
      )
      const fiber = yield* Effect.forkChild(slow)
      yield* Deferred.await(begun)
      const both = yield* Effect.forkChild(
        Transactional.run(Effect.andThen(inside.at("a").update(plus(10)), inside.at("b").update(plus(10))))
      )
      yield* Effect.yieldNow
      expect(yield* numbers).toEqual({ a: 1, b: 2 })
      yield* Deferred.succeed(end, undefined)
      yield* Fiber.join(fiber)
      yield* Fiber.join(both)
      expect([runs, yield* numbers]).toEqual([1, { a: 12, b: 12 }])
      const nested = outside
        .at("a")
        .modify((state) => Effect.as(Transactional.run(inside.at("a").save({ n: 0 })), [undefined, state] as const))
      expect(String(Exit.isFailure(yield* Effect.exit(nested)))).toBe("true")
      expect(yield* numbers).toEqual({ a: 12, b: 12 })
    })
)

promise(
  "the writers of one transaction wait for each other, and those of two never do so in a circle",
  ({ inside, numbers }) =>
    Effect.gen(function* () {
      const slowly = (key: string) =>
        inside.at(key).modify(({ n }) => Effect.as(Effect.yieldNow, [undefined, { n: n + 1 }] as const))
      const many = <A>(effect: A) => Array.from({ length: 8 }, () => effect)
      yield* Transactional.run(Effect.all(many(slowly("a")), { concurrency: "unbounded" }))
      expect(yield* numbers).toEqual({ a: 9, b: 2 })
      const inOrder = (one: string, other: string) =>
        Transactional.run(Effect.andThen(slowly(one), slowly(other)), { retries: 1_000 })
      yield* Effect.all(many(Effect.all([inOrder("a", "b"), inOrder("b", "a")], { concurrency: 2 })), {
        concurrency: "unbounded"
      })
      expect(yield* numbers).toEqual({ a: 25, b: 18 })
    })
)

promise(
  "transactions that modify one state inside of a modify of another do not wait for each other",
  ({ inside, numbers }) =>
    Effect.gen(function* () {
      const both = (outer: string, inner: string) =>
        Transactional.run(
          inside.at(outer).modify(({ n }) =>
            Effect.gen(function* () {
              yield* Effect.sleep(1)
              yield* inside.at(inner).update(plus(1))
              return [undefined, { n: n + 1 }] as const
            })
          )
        )
      yield* Effect.all([both("a", "b"), both("b", "a")], { concurrency: 2 })
      expect(yield* numbers).toEqual({ a: 3, b: 4 })
    })
)

promise("however many get in each other's way, each is tried twice at most", ({ inside, numbers }) =>
  Effect.gen(function* () {
    let runs = 0
    const both = Transactional.run(
      Effect.gen(function* () {
        runs++
        yield* inside.at("a").update(plus(1))
        yield* Effect.yieldNow
        yield* inside.at("b").update(plus(1))
      })
    )
    yield* Effect.all(
      Array.from({ length: 64 }, () => both),
      { concurrency: "unbounded" }
    )
    expect(yield* numbers).toEqual({ a: 65, b: 66 })
    expect(runs).toBeLessThan(2 * 64)
  })
)

promise(
  "one that runs inside of a modify does not wait for one that waits for that modify",
  ({ inside, numbers, outside }) =>
    Effect.gen(function* () {
      const [isTriedAgain, goOn] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      let runs = 0
      const first = Effect.gen(function* () {
        yield* inside.at("a").update(plus(1))
        yield* inside.at("b").update(plus(1))
        if (runs++ === 0) yield* outside.at("b").update(plus(10))
        else yield* Deferred.succeed(isTriedAgain, undefined)
        yield* Deferred.succeed(isTriedAgain, undefined)
        yield* Deferred.await(goOn)
      })
      let runsInside = 0
      const second = Effect.gen(function* () {
        yield* inside.at("b").update(plus(1))
        if (runsInside++ === 0) yield* outside.at("b").update(plus(10))
        else yield* Deferred.succeed(goOn, undefined)
      })
      const one = yield* Effect.forkChild(Transactional.run(first))
      yield* Deferred.await(isTriedAgain)
      yield* outside.at("a").modify(({ n }) => Effect.as(Transactional.run(second), [undefined, { n: n + 1 }] as const))
      yield* Fiber.join(one)
      expect(yield* numbers).toEqual({ a: 3, b: 24 })
    })
)

promise("what is written together was saved at one time, and not before what others saved", ({ inside, outside }) =>
  Effect.gen(function* () {
    yield* Transactional.run(
      Effect.gen(function* () {
        yield* inside.at("b").save({ n: 7 })
        yield* Effect.sleep(3)
        yield* outside.at("b").save({ n: 6 })
        yield* inside.at("a").save({ n: 7 })
      })
    )
    const { savedAt } = Option.getOrThrow(yield* outside.at("a").current)
    const [last, before] = yield* Stream.runCollect(outside.at("b").history())
    expect([last?.state.n, before?.state.n, last?.savedAt]).toEqual([7, 6, savedAt])
    expect(before?.savedAt).toBeLessThanOrEqual(savedAt)
  })
)
