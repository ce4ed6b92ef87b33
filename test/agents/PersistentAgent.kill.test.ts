import { expect, it } from "@effect/vitest"
import { Processes } from "dgents/testing"
import { Effect } from "effect"
import { persistent } from "../testing/children/subjects.ts"

// Large enough for a write to take a while.
const states = [1, 2, 3, 4, 5].map((n) => ({ n, text: "x".repeat(20_000) }))

for (const history of ["none", { bounded: 3 }, "full"] as const)
  it.live(
    `a killed writer leaves what it acknowledged or what it was writing: history ${JSON.stringify(history)}`,
    () =>
      Effect.gen(function* () {
        const counts = yield* Processes.killRounds(persistent(history), { rounds: 8, states })
        expect(counts["kills"]).toBe(8)
      })
  )
