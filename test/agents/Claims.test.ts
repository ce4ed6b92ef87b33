import { Claims, PersistentAgent } from "dgents"
import { expect, it } from "vitest"

const histories: ReadonlyArray<Claims.History> = ["none", "some", { bounded: 2 }, { bounded: 7 }, "full"]

const claimsWith = (history: Claims.History): Claims.Claims => ({ ...PersistentAgent.claims(), history })

it("a history holds at least what it says and at most what it says; only `some` leaves the most open", () => {
  const lengths = histories.map((history) => [Claims.historyLength(history), Claims.historyMost(history)])
  const all = Number.POSITIVE_INFINITY
  expect(lengths).toEqual([
    [1, 1],
    [1, all],
    [2, 2],
    [7, 7],
    [all, all]
  ])
})

it("of two histories the weaker one promises no more than either, in either order", () => {
  for (const a of histories) {
    for (const b of histories) {
      const weaker = Claims.weaker(claimsWith(a), claimsWith(b)).history
      expect(Claims.historyLength(weaker)).toBe(Math.min(Claims.historyLength(a), Claims.historyLength(b)))
      expect(weaker).toEqual(Claims.weaker(claimsWith(b), claimsWith(a)).history)
    }
  }
  expect(Claims.weaker(claimsWith("none"), claimsWith("some")).history).toBe("some")
})
