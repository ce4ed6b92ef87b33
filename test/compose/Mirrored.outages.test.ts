import { expect, it } from "@effect/vitest"
import { Mirrored, VolatileAgent } from "dgents"
import { Faults } from "dgents/testing"
import { Effect, Option } from "effect"
import { judged, seedsFrom } from "./outages.ts"
import { Counter } from "./support.ts"

for (const [quorum, read] of [
  [1, "leader"],
  [2, "leader"],
  [2, "quorum"],
  [3, "quorum"]
] as const)
  it.effect(
    `with a quorum of ${quorum} of 3 and reads by ${read}, all that clients are told has one order, and in the end all have the same`,
    () =>
      Effect.gen(function* () {
        for (const seed of seedsFrom(20)) {
          const [first, second, third] = [Faults.make(), Faults.make(), Faults.make()]
          const leader = yield* VolatileAgent.make({ name: "leader", schema: Counter })
          const copies = [
            yield* VolatileAgent.make({ name: "b", schema: Mirrored.Copy(Counter) }),
            yield* VolatileAgent.make({ name: "c", schema: Mirrored.Copy(Counter) })
          ]
          const failing = [second, third]
          const open = Mirrored.make(Faults.agent(leader, first), {
            quorum,
            read,
            followers: copies.map((copy, i) => () => Effect.succeed(Faults.agent(copy, failing[i] ?? Faults.make())))
          })
          const use = seed % 2 === 0 ? "kept" : "reopened"
          expect([seed, yield* judged(seed, [first, second, third], open, use)]).toEqual([seed, undefined])
          const mirrored = yield* open
          expect(yield* mirrored.repair).toEqual([])
          const shown = Option.map(yield* leader.current, ({ state }) => state)
          for (const copy of copies) {
            const held = Option.filter(
              Option.map(yield* copy.current, ({ state }) => state),
              (held) => held._tag === "Saved"
            )
            expect([seed, Option.map(held, (held) => held._tag === "Saved" && held.state)]).toEqual([seed, shown])
          }
        }
      })
  )
