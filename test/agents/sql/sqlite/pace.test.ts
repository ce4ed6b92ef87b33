import { expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { Pace } from "../../../../src/agents/sql/sqlite/pace.ts"

const between = (minimum: number, maximum: number) => Schema.Finite.check(Schema.isBetween({ minimum, maximum }))

it.prop(
  "what commits of one kind take is foreseen after some of them, whatever the machine",
  [
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 512 })),
    Schema.Int.check(Schema.isBetween({ minimum: 10, maximum: 10_000 })),
    // From a fast processor to a slow disk, in milliseconds.
    between(0.006, 0.05),
    between(0.05, 20)
  ],
  ([rows, bytesOfRow, millisOfRow, sync]) => {
    const pace = new Pace()
    const bytes = rows * bytesOfRow
    const millis = sync + rows * millisOfRow
    for (let i = 0; i < 60; i++) pace.observe(rows, bytes, millis)
    expect(pace.predict(rows, bytes)).toBeGreaterThan(0.9 * millis)
    // No less than a tenth of the first guess is believed.
    expect(pace.predict(rows, bytes)).toBeLessThan(1.1 * Math.max(millis, 0.1 * new Pace().predict(rows, bytes)))
  }
)

it("a slow commit counts at once, and is forgotten after some fast ones", () => {
  const pace = new Pace()
  for (let i = 0; i < 20; i++) pace.observe(1, 1_000, 0.2)
  expect(pace.predict(1, 1_000)).toBeLessThan(0.3)
  pace.observe(1, 1_000, 40)
  expect(pace.predict(1, 1_000)).toBeGreaterThan(20)
  for (let i = 0; i < 20; i++) pace.observe(1, 1_000, 0.2)
  expect(pace.predict(1, 1_000)).toBeLessThan(0.4)
})

it("large commits on a fast machine are foreseen to be fast, in place of being sent away for a guess", () => {
  const pace = new Pace()
  const guessed = pace.predict(200, 200_000)
  for (let i = 0; i < 20; i++) pace.observe(200, 200_000, 0.8)
  expect(pace.predict(200, 200_000)).toBeLessThan(guessed / 2)
})
