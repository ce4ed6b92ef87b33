import { Data, Deferred, Effect, Exit, Fiber, Option } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import { type Broken, broken, type Case } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { show } from "../internal/same.ts"
import { type Law, property } from "../internal/world.ts"
import { provide } from "../SeededScheduler.ts"

const endings = [
  "modify that fails",
  "modify that dies",
  "update that throws",
  "modify, interrupted inside its function",
  "modify, interrupted while it waits for another one",
  "modify, interrupted after some yields",
  "save, interrupted after some yields",
  "compareAndSave, interrupted after some yields"
] as const

interface Ending<S> {
  readonly ending: (typeof endings)[number]
  readonly before: S
  readonly after: S
  /** How often the function of `modify` yields. */
  readonly yields: number
  /** After how many yields it is interrupted. */
  readonly at: number
  readonly schedule: number
}

/** A write that fails, dies or is interrupted at any yield leaves the state whole and the lock free. */
export const interruption: Law = {
  name: "a write cut short leaves state and lock as they were",
  rule: "a write that fails, dies or is interrupted, at whatever yield, has happened whole or not at all, and gives its lock back. Release locks with acquireRelease or withPermit, not by a later step.",
  plan: (world) =>
    property(world, {
      cases: Gen.record<Ending<(typeof world.pool)[0]>>({
        ending: Gen.pick(endings),
        before: world.pooled,
        after: world.pooled,
        yields: Gen.int(0, 4),
        at: Gen.int(0, 12),
        schedule: Gen.oneOf([Gen.always(0), Gen.int(1, 1_000_000)])
      }),
      show: ({ after, at, before, ending, schedule, yields }) => [
        `save ${show(before)}`,
        `${ending} (its function yields ${yields} times, the interrupt comes at ${at}), to ${show(after)}`,
        "write and modify again",
        `(schedule ${schedule})`
      ],
      holds: (value, run) => provide(value.schedule)(holds(value, run))
    })
}

class Oops extends Data.TaggedError("Oops")<{ readonly why: string }> {}

const yieldTimes = (n: number) => (n === 0 ? Effect.void : Effect.repeat(Effect.yieldNow, { times: n - 1 }))

const holds = <S>(value: Ending<S>, run: Case<S>) =>
  Effect.gen(function* () {
    const { after, before, ending } = value
    const { agent } = yield* run.open
    yield* run.must("save", agent.save(before))
    const old = yield* run.must("current", agent.current)
    run.doing = ending
    const mayHaveWritten = yield* cutShort(value, run, agent)
    run.count("schedules")
    run.count("writes cut short")
    // What follows would wait forever on a lock that was not given back; the case's patience turns that into a violation.
    const current = yield* run.must(`current after ${ending}`, agent.current)
    if (Option.isNone(current) || Option.isNone(old)) return yield* broken(`after ${ending} there is no state`)
    const states = mayHaveWritten ? [before, after] : [before]
    yield* run.oneOf(`state after ${ending}`, states, current.value.state)
    if (!mayHaveWritten && current.value.revision !== old.value.revision)
      yield* broken(`${ending} moved the revision from ${old.value.revision} to ${current.value.revision}`)
    yield* run.must(
      `modify after ${ending}`,
      agent.modify(() => Effect.succeed([0, after] as const))
    )
    yield* run.same(`load after ${ending} and a modify`, after, yield* run.must("load", agent.load))
    yield* run.must(`save after ${ending}`, agent.save(before))
    yield* run.same(`load after ${ending} and a save`, before, yield* run.must("load", agent.load))
  })

/** Begins a write and cuts it short; whether it may have happened all the same. */
const cutShort = <S>(value: Ending<S>, run: Case<S>, agent: DataAgent<S>): Effect.Effect<boolean, Broken> => {
  const { after, at, ending, yields } = value
  const oops = new Oops({ why: ending })
  const slowly = yieldTimes(yields)
  const expectOops = (effect: Effect.Effect<unknown, unknown>) =>
    Effect.flatMap(Effect.exit(effect), (exit) =>
      Exit.isFailure(exit) &&
      exit.cause.reasons.some((r) => (r._tag === "Fail" ? r.error : r._tag === "Die" && r.defect) === oops)
        ? Effect.succeed(false)
        : broken(`${ending} must end with what its function ended with, and ended with ${String(exit)}`)
    )
  const interruptAfterYields = (effect: Effect.Effect<unknown, unknown>, begun: () => boolean) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(effect)
      yield* yieldTimes(at)
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      if (Exit.isSuccess(exit)) {
        const now = yield* run.must("load", agent.load)
        yield* run.same(`${ending}, which succeeded before the interrupt`, after, now)
        return true
      }
      return begun()
    })
  switch (ending) {
    case "modify that fails":
      return expectOops(agent.modify(() => Effect.andThen(slowly, Effect.fail(oops))))
    case "modify that dies":
      return expectOops(agent.modify(() => Effect.andThen(slowly, Effect.die(oops))))
    case "update that throws":
      return expectOops(
        agent.update(() => {
          throw oops
        })
      )
    case "modify, interrupted inside its function":
      return Effect.gen(function* () {
        const inside = yield* Deferred.make<void>()
        const stuck = slowly.pipe(Effect.andThen(Deferred.succeed(inside, undefined)), Effect.andThen(Effect.never))
        const fiber = yield* Effect.forkChild(agent.modify(() => stuck))
        yield* Deferred.await(inside)
        yield* Fiber.interrupt(fiber)
        return false
      })
    case "modify, interrupted while it waits for another one":
      return Effect.gen(function* () {
        const inside = yield* Deferred.make<void>()
        const gate = yield* Deferred.make<void>()
        const waits = Deferred.succeed(inside, undefined).pipe(Effect.andThen(Deferred.await(gate)))
        const holder = yield* Effect.forkChild(agent.modify(() => Effect.andThen(waits, Effect.fail(oops))))
        yield* Deferred.await(inside)
        const waiter = yield* Effect.forkChild(agent.modify(() => Effect.succeed([0, after] as const)))
        yield* yieldTimes(at)
        yield* Fiber.interrupt(waiter)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.await(holder)
        return false
      })
    case "modify, interrupted after some yields": {
      let finished = false
      return interruptAfterYields(
        agent.modify(() =>
          Effect.map(slowly, () => {
            finished = true
            return [0, after] as const
          })
        ),
        () => finished
      )
    }
    case "save, interrupted after some yields":
      return interruptAfterYields(agent.save(after), () => true)
    case "compareAndSave, interrupted after some yields":
      return Effect.flatMap(run.must("current", agent.current), (current) =>
        Option.isNone(current)
          ? broken("current is none after a save")
          : interruptAfterYields(agent.compareAndSave(after, current.value.revision), () => true)
      )
  }
}
