// Values in the order of their use, against a list that is searched.
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { Recency } from "../../src/agents/internal/recency.ts"
import * as Gen from "../../src/testing/internal/gen.ts"

const key = Gen.pick(["a", "b", "c", "d", "e"] as const)

const steps = Gen.script(
  Gen.record({ op: Gen.pick(["set", "set", "use", "get", "delete", "deleteOldest", "clear"] as const), key })
)

it.effect("it has what a list has, in the order of its use", () =>
  Effect.gen(function* () {
    const result = yield* Arbitrary.checkEffect(
      steps,
      (script) =>
        Effect.sync(() => {
          const recency = new Recency<number>()
          let list: Array<readonly [key: string, value: number]> = []
          const found = (key: string) => list.find((entry) => entry[0] === key)
          const without = (key: string) => list.filter((entry) => entry[0] !== key)
          for (const [i, { key, op }] of script.entries()) {
            const known = found(key)
            switch (op) {
              case "set":
                recency.set(key, i)
                list = [...without(key), [key, i]]
                break
              case "use":
                expect(recency.use(key)).toBe(known?.[1])
                if (known !== undefined) list = [...without(key), known]
                break
              case "get":
                expect(recency.get(key)).toBe(known?.[1])
                break
              case "delete":
                expect(recency.delete(key)).toBe(known?.[1])
                list = without(key)
                break
              case "deleteOldest":
                expect(recency.deleteOldest()).toBe(list[0]?.[1])
                list = list.slice(1)
                break
              case "clear":
                recency.clear()
                list = []
                break
            }
            expect([...recency]).toEqual(list)
            expect(recency.size).toBe(list.length)
            expect(recency.oldest).toBe(list[0]?.[0])
          }
          return true
        }),
      { runs: 500, size: 30 }
    )
    expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
  })
)
