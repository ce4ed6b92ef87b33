/** What a transaction promises over the agents of one storage, whichever that is. */
import { expect } from "@effect/vitest"
import { Transactional } from "dgents"
import { Deferred, Effect, Exit, Fiber, Option, Stream } from "effect"
import { following } from "../agents/following.ts"
import { plus, promise } from "./transactional.support.ts"

promise("what a transaction writes is there at once, when it succeeds", ({ inside, numbers }) =>
  Effect.gen(function* () {
    const during = yield* Transactional.run(
      Effect.gen(function* () {
        yield* inside.at("a").update(plus(10))
        yield* inside.at("b").delete
        yield* inside.at("c").save({ n: 3 })
        return yield* numbers
      })
    )
    expect(during).toEqual({ a: 1, b: 2 })
    expect(yield* numbers).toEqual({ a: 11, c: 3 })
  })
)

promise("one that fails, dies or is interrupted leaves everything as it was", ({ inside, numbers }) =>
  Effect.gen(function* () {
    const write = Effect.andThen(inside.at("a").save({ n: 9 }), inside.at("b").delete)
    const failed = yield* Effect.exit(Transactional.run(Effect.andThen(write, Effect.fail("no"))))
    expect(failed).toEqual(Exit.fail("no"))
    const died = yield* Effect.exit(Transactional.run(Effect.andThen(write, Effect.die("never"))))
    expect(Exit.isFailure(died)).toBe(true)
    const written = yield* Deferred.make<void>()
    const waiting = Transactional.run(
      Effect.andThen(write, Effect.andThen(Deferred.succeed(written, undefined), Effect.never))
    )
    const fiber = yield* Effect.forkChild(waiting)
    yield* Deferred.await(written)
    yield* Fiber.interrupt(fiber)
    expect(yield* numbers).toEqual({ a: 1, b: 2 })
  })
)

promise("reads are repeatable, see what the transaction wrote, and share no object", ({ inside, outside }) =>
  Effect.gen(function* () {
    const { a, b } = { a: inside.at("a"), b: inside.at("b") }
    const exit = yield* Effect.exit(
      Transactional.run(
        Effect.gen(function* () {
          const first = yield* a.load
          yield* outside.at("a").save({ n: 100 })
          const again = yield* a.load
          expect([first, again]).toEqual([{ n: 1 }, { n: 1 }])
          const state = { n: 20 }
          yield* b.save(state)
          state.n = 0
          const [one, two] = [yield* b.load, yield* inside.at("b").load]
          expect([one, two]).toEqual([{ n: 20 }, { n: 20 }])
          expect(Object.isFrozen(one) || one !== two).toBe(true)
          yield* b.delete
          expect(yield* inside.has("b")).toBe(false)
          expect(Option.isNone(yield* b.current)).toBe(true)
          expect(yield* Effect.flip(b.load)).toMatchObject({ _tag: "StateNotFound" })
        }),
        { retries: 0 }
      )
    )
    // Its read of `a` is no longer so.
    expect(exit).toMatchObject({
      cause: { reasons: [{ error: { _tag: "RevisionConflict", key: "a", expected: 1, actual: 2 } }] }
    })
  })
)

promise("a state that is deleted and saved again begins anew", ({ inside, outside }) =>
  Effect.gen(function* () {
    yield* outside.at("a").save({ n: 2 })
    yield* Transactional.run(
      Effect.andThen(Effect.andThen(inside.at("a").load, inside.at("a").delete), inside.at("a").save({ n: 3 }))
    )
    const history = yield* Stream.runCollect(outside.at("a").history())
    expect(history.map(({ revision, state }) => [revision, state.n])).toEqual([[3, 3]])
  })
)

promise("batches of a family are part of it", ({ inside, numbers }) =>
  Effect.gen(function* () {
    const batches = Effect.gen(function* () {
      yield* inside.saveMany([
        ["c", { n: 3 }],
        ["d", { n: 4 }]
      ])
      yield* inside.deleteMany(["a", "d"])
      return [...(yield* inside.loadMany(["a", "b", "c", "d"])).keys()]
    })
    expect(yield* Effect.flip(Transactional.run(Effect.andThen(batches, Effect.fail("no"))))).toBe("no")
    expect(yield* numbers).toEqual({ a: 1, b: 2 })
    expect(yield* Transactional.run(batches)).toEqual(["b", "c"])
    expect(yield* numbers).toEqual({ b: 2, c: 3 })
  })
)

promise("changes tell of what was committed, of each state once", ({ inside }) =>
  Effect.gen(function* () {
    const [a, b] = [yield* following(inside.at("a")), yield* following(inside.at("b"))]
    expect([yield* a, yield* b]).toEqual([{ n: 1 }, { n: 2 }])
    yield* Effect.exit(Transactional.run(Effect.andThen(inside.at("a").save({ n: 8 }), Effect.fail("no"))))
    yield* Transactional.run(
      Effect.gen(function* () {
        yield* inside.at("a").save({ n: 9 })
        yield* inside.at("a").update(plus(1))
        yield* inside.at("b").delete
      })
    )
    expect([yield* a, yield* b]).toEqual([{ n: 10 }, undefined])
  })
)

promise("a fiber that outlives its transaction reads and writes no more", ({ inside, numbers }) =>
  Effect.gen(function* () {
    const go = yield* Deferred.make<void>()
    const late = yield* Transactional.run(
      Effect.forkDetach(Effect.andThen(Deferred.await(go), Effect.result(inside.at("a").save({ n: 9 }))))
    )
    yield* Deferred.succeed(go, undefined)
    expect(yield* Fiber.join(late)).toMatchObject({ failure: { _tag: "StorageUnavailable", retryable: false } })
    expect(yield* numbers).toEqual({ a: 1, b: 2 })
  })
)
