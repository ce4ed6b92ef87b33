import { expect, it } from "@effect/vitest"
import { Fallback, VolatileAgent } from "dgents"
import { Faults } from "dgents/testing"
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { withRegister } from "./cached/support.ts"
import { judged, seedsFrom } from "./outages.ts"
import { Counter } from "./support.ts"

it.effect(
  "whatever goes away and comes back, all that clients are told has one order, and in the end the first agent has it all",
  () =>
    Effect.gen(function* () {
      for (const seed of seedsFrom(60)) {
        const [first, second] = [Faults.make(), Faults.make()]
        const below = yield* VolatileAgent.make({ name: "first", schema: Counter })
        const standby = yield* VolatileAgent.make({ name: "second", schema: Fallback.Standby(Counter) })
        const faulty = Faults.agent(below, first)
        // Half of them begin their writes by a call, as databases do.
        const calling = withRegister(faulty, (register) => ({
          begin: (draft, expected, answer) => {
            answer(register.write(draft, expected))
            return true
          }
        }))
        const open = Fallback.make(seed % 4 < 2 ? faulty : calling, {
          second: () => Effect.succeed(Faults.agent(standby, second)),
          retryAfter: seed % 3 === 0 ? 5 : 0,
          logs: false
        })
        expect([seed, yield* judged(seed, [first, second], open, seed % 2 === 0 ? "kept" : "reopened")]).toEqual([
          seed,
          undefined
        ])
        const fallback = yield* open
        yield* TestClock.adjust(1_000)
        yield* fallback.heal
        const shown = Option.map(yield* fallback.current, ({ state }) => state)
        expect([seed, Option.map(yield* below.current, ({ state }) => state)]).toEqual([seed, shown])
        const left = yield* standby.current
        expect([seed, Option.map(left, ({ state }) => state._tag)]).toEqual([seed, Option.as(left, "Settled")])
      }
    })
)
