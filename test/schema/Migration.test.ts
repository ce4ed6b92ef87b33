import { describe, expect, it } from "@effect/vitest"
import { CodecOptionsInvalid, Migration } from "dgents"
import { Schema } from "effect"
import { expectTypeOf } from "vitest"
import { first, second, third, V1, V2, type V3 } from "./profiles.ts"

const up = { up: (state: string) => state }
const text = Migration.from(1, Schema.String)

describe("a chain", () => {
  it("knows its versions, oldest first, and has the type of the newest", () => {
    expect(third.versions.map(({ version }) => version)).toEqual([1, 2, 3])
    expect(Migration.isChain(third)).toBe(true)
    expectTypeOf(third).toEqualTypeOf<Migration.Chain<V3>>()
    expectTypeOf(first).toEqualTypeOf<Migration.Chain<V1>>()
  })

  it("with a gap is refused when it is built, and says which version is missing", () => {
    expect(() => Migration.to(text, 3, Schema.String, up)).toThrow(CodecOptionsInvalid)
    expect(() => Migration.to(text, 3, Schema.String, up)).toThrow("give the step to version 2 before it")
  })

  it("with a version twice, as when two branches add one, is refused", () => {
    const chain = Migration.to(text, 2, Schema.String, up)
    expect(() => Migration.to(chain, 2, Schema.String, up)).toThrow("version 2 is given twice")
    expect(() => Migration.to(chain, 1, Schema.String, up)).toThrow("version 1 is given twice")
    expect(() => Migration.to(Migration.from(4, Schema.String), 3, Schema.String, up)).toThrow("go up by one")
  })

  it("with a version that is none is refused", () => {
    for (const version of [0, -1, 1.5, Number.NaN])
      expect(() => Migration.from(version, Schema.String)).toThrow("no version")
  })

  it("takes steps from the one type to the other alone", () => {
    // @ts-expect-error the step answers no V2
    Migration.to(first, 2, V2, { up: ({ name }) => ({ first: name }) })
    // @ts-expect-error the step takes what is no V2
    Migration.to(second, 3, V1, { up: ({ name }: V1) => ({ name, born: new Date(0) }) })
    // @ts-expect-error the way down answers no V1
    Migration.to(first, 2, V2, { up: () => ({ first: "", last: "", born: new Date(0) }), down: () => ({ name: 1 }) })
  })
})
