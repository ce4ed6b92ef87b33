import { expect, it } from "@effect/vitest"
import { Ranking } from "dgents"
import { Effect, Option, Schema } from "effect"
import { newName, on, openDriver, send } from "./driver.ts"

const ranking = (options: Partial<Ranking.Options> = {}) =>
  Effect.flatMap(openDriver(), (driver) => on(driver)(Ranking.make({ name: newName(), ...options })))

const Additions = Schema.Array(Schema.Tuple([Schema.Literals(["a", "b", "é", "", "a b"]), Schema.Int]))

it.effect.prop(
  "the best are those of the sums, best first",
  [Additions],
  ([additions]) =>
    Effect.scoped(
      Effect.gen(function* () {
        const cities = yield* ranking()
        const sums = new Map<string, number>()
        for (const [member, by] of additions) {
          const sum = (sums.get(member) ?? 0) + by
          sums.set(member, sum)
          expect((yield* cities.add(member, by)) + 0).toBe(sum + 0)
        }
        const sorted = [...sums]
          .map(([member, score]) => ({ member, score: score + 0 }))
          .toSorted((a, b) => b.score - a.score || Buffer.compare(Buffer.from(b.member), Buffer.from(a.member)))
        expect(yield* cities.top(3)).toEqual(sorted.slice(0, 3))
        expect(yield* cities.top(Number.POSITIVE_INFINITY, { skip: 1 })).toEqual(sorted.slice(1))
        expect(yield* cities.size).toBe(sums.size)
        for (const [i, { member, score }] of sorted.entries())
          expect([yield* cities.rank(member), yield* cities.score(member)]).toEqual([
            Option.some(i),
            Option.some(score)
          ])
      })
    ),
  { arbitrary: { runs: 40 } }
)

it.live("of many additions at once none is lost; a member that was removed is nowhere", () =>
  Effect.gen(function* () {
    const cities = yield* ranking()
    yield* Effect.all(
      Array.from({ length: 100 }, (_, i) => cities.add(i % 2 === 0 ? "Rome" : "Oslo", i % 2 === 0 ? 1 : 0.5)),
      { concurrency: "unbounded" }
    )
    expect(yield* cities.top(5)).toEqual([
      { member: "Rome", score: 50 },
      { member: "Oslo", score: 25 }
    ])
    yield* cities.remove("Rome")
    expect([yield* cities.rank("Rome"), yield* cities.score("Rome")]).toEqual([Option.none(), Option.none()])
    yield* cities.delete
    expect([yield* cities.size, yield* cities.top(5), yield* cities.top(0)]).toEqual([0, [], []])
  })
)

it.live("rankings of a family are apart, and go when their time is over", () =>
  Effect.gen(function* () {
    const driver = yield* openDriver()
    const name = newName()
    const days = yield* on(driver)(Ranking.family({ name, expire: { after: "1 hour", from: "creation" } }))
    yield* days.at("a/b").add("x")
    yield* days.at("a").add("y")
    expect(yield* days.at("a/b").top(5)).toEqual([{ member: "x", score: 1 }])
    const key = `dgents:{rankings:${name}/a}`
    expect(Number(yield* send("PTTL", key))).toBeGreaterThan(3_500_000)
    yield* send("PEXPIRE", key, 1_000_000)
    yield* days.at("a").add("y")
    expect(Number(yield* send("PTTL", key))).toBeLessThanOrEqual(1_000_000)
    const again = yield* on(driver)(Ranking.family({ name, expire: { after: "1 hour" } }))
    yield* again.at("a").add("y")
    expect(Number(yield* send("PTTL", key))).toBeGreaterThan(3_500_000)
  })
)

it.live("what cannot be stored or added is refused; after its scope a ranking is closed", () =>
  Effect.gen(function* () {
    const cities = yield* ranking()
    expect(yield* Effect.flip(cities.add("\ud800"))).toMatchObject({ _tag: "StateInvalid" })
    expect(yield* Effect.flip(cities.add("Rome", Number.NaN))).toMatchObject({ _tag: "StateInvalid" })
    const closed = yield* Effect.scoped(ranking())
    expect(yield* Effect.flip(closed.add("Rome"))).toMatchObject({ _tag: "AgentClosed" })
    expect(yield* Effect.flip(closed.top(1))).toMatchObject({ _tag: "AgentClosed" })
  })
)
