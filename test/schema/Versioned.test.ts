import { describe, expect, it } from "@effect/vitest"
import { Codec, CodecOptionsInvalid, Migration, Versioned } from "dgents"
import { Effect, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { Rich, Tree } from "../laws/schemas.ts"
import { first, second, third, V1, V2, type V3 } from "./profiles.ts"

const born = new Date("1815-12-10T00:00:00.000Z")
const ada: V3 = { first: "Ada", last: "Lovelace", born, tags: [] }
const codec = Versioned.make(third)

const encode = <S>(codec: Codec.Codec<S>, state: S): string => String(Effect.runSync(codec.encode(state)))
const refusal = <S>(codec: Codec.Codec<S>, payload: Codec.Payload): string =>
  Effect.runSync(Effect.flip(codec.decode(payload))).reason

describe("what is stored", () => {
  it("is the state with its version as a property, so that SQL and people find the fields where they were", () => {
    expect(JSON.parse(encode(codec, ada))).toEqual({ $version: 3, ...ada, born: born.toISOString() })
    expect(JSON.parse(encode(Versioned.make(third, { indent: 2, tag: "v" }), ada))).toMatchObject({
      v: 3,
      first: "Ada"
    })
  })

  it("has the state beside the version where it is no struct", () => {
    expect(encode(Versioned.make(Migration.from(1, Schema.Array(Schema.Number))), [1, -0])).toBe(
      '{"$version":1,"$state":[1,-0]}'
    )
  })

  it("is read back as it was, of any schema, also when somebody has laid it out anew", () =>
    Effect.gen(function* () {
      const Empty = Schema.Struct({ a: Schema.optionalKey(Schema.Number) })
      const roundTrips = <S>(schema: Schema.Codec<S, unknown>, options?: Versioned.Options) => {
        const codec = Versioned.make(Migration.from(1, schema), options)
        const plain = Codec.json(schema)
        return Effect.map(
          Arbitrary.checkEffect(Arbitrary.schema(schema), (state) => {
            const text = encode(codec, state)
            const anew = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse()), undefined, 3)
            const expected = encode(plain, state)
            expect(encode(plain, Effect.runSync(codec.decode(text)))).toBe(expected)
            expect(encode(plain, Effect.runSync(codec.decode(new TextEncoder().encode(text))))).toBe(expected)
            // JSON.stringify writes -0 as 0, as an editor may.
            if (!expected.includes("-0")) expect(encode(plain, Effect.runSync(codec.decode(anew)))).toBe(expected)
            return true
          }),
          (result) => expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
        )
      }
      yield* roundTrips(Rich)
      yield* roundTrips(Tree, { indent: 2 })
      yield* roundTrips(Empty)
      yield* roundTrips(Schema.Union([V1, V2]))
      yield* roundTrips(Schema.Union([Schema.String, Schema.Struct({ a: Schema.String })]))
      yield* roundTrips(Schema.Record(Schema.String, Schema.Finite), { unversioned: false })
    }).pipe(Effect.runPromise))

  it("keeps the keys of a record apart from its own, whatever they are", () => {
    const codec = Versioned.make(Migration.from(1, Schema.Record(Schema.String, Schema.Unknown)), {
      unversioned: false
    })
    for (const state of [{ $version: 7 }, { $state: 1, $version: 1 }, { "": "$version" }, {}])
      expect(Effect.runSync(codec.decode(encode(codec, state)))).toEqual(state)
    const own = Versioned.make(Migration.from(1, Schema.Struct({ $version: Schema.Number })), { unversioned: false })
    expect(encode(own, { $version: 7 })).toBe('{"$version":1,"$state":{"$version":7}}')
    expect(Effect.runSync(own.decode(encode(own, { $version: 7 })))).toEqual({ $version: 7 })
  })
})

describe("an older state", () => {
  it("is read at its version and taken up, step by step", () => {
    const old = encode(Versioned.make(first), { name: "Ada King Lovelace", born })
    expect(Effect.runSync(codec.decode(old))).toEqual({ first: "Ada", last: "King Lovelace", born, tags: [] })
    const newer = encode(Versioned.make(second), { first: "Ada", last: "", born })
    expect(Effect.runSync(codec.decode(newer))).toEqual({ first: "Ada", last: "", born, tags: [] })
  })

  it("from before there were versions is version 1, also as bytes, and also if it speaks of versions", () => {
    const old = encode(Codec.json(V1), { name: '"$version":', born })
    expect(Effect.runSync(codec.decode(old))).toMatchObject({ first: '"$version":' })
    expect(Effect.runSync(codec.decode(new TextEncoder().encode(old)))).toMatchObject({ first: '"$version":' })
  })

  it("is never read as another version, though it would fit", () => {
    const same = Migration.to(Migration.from(1, V1), 2, V1, {
      up: ({ born, name }) => ({ name: name.toUpperCase(), born })
    })
    const stored = encode(Versioned.make(Migration.from(1, V1)), { name: "Ada", born })
    expect(Effect.runSync(Versioned.make(same).decode(stored))).toEqual({ name: "ADA", born })
  })

  it("that its own version refuses is told with the version and the place", () => {
    const error = Effect.runSync(Effect.flip(codec.decode('{"$version":1,"name":7,"born":"2000-01-01T00:00:00.000Z"}')))
    expect(error.path).toEqual(["name"])
    expect(error.reason).toContain("as version 1")
  })

  it("that a step takes up to what does not fit, or throws at, is told with the step, and without the state", () => {
    const wrong = Migration.to(first, 2, V2, { up: ({ name }) => ({ first: name }) as V2 })
    const throws = Migration.to(first, 2, V2, {
      up: ({ name }) => {
        throw new Error(name)
      }
    })
    const old = encode(Codec.json(V1), { name: "secret", born })
    expect(refusal(Versioned.make(wrong), old)).toContain("from version 1 to 2 answers what is no state of version 2")
    expect(refusal(Versioned.make(throws), old)).toBe("the step from version 1 to 2 threw")
  })

  it("is not current, and one of the newest version is", () => {
    const isCurrent = (text: string) => Effect.runSync(Codec.isCurrent(codec, text))
    expect(isCurrent(encode(codec, ada))).toBe(true)
    expect(isCurrent(encode(Versioned.make(second), { first: "", last: "", born }))).toBe(false)
    expect(isCurrent(encode(Codec.json(V1), { name: "", born }))).toBe(false)
  })
})

describe("a state that cannot be read", () => {
  it("of a newer version is refused, with what to do", () => {
    expect(refusal(Versioned.make(second), encode(codec, ada))).toBe(
      "it was written as version 3, and this program reads versions 1 to 2: a newer program wrote it; update this one"
    )
  })

  it("of a version that the chain no longer has is refused", () => {
    const late = Versioned.make(Migration.from(2, V2))
    expect(refusal(late, encode(Versioned.make(first), { name: "", born }))).toContain("written as version 1, and")
    expect(refusal(late, encode(Codec.json(V2), { first: "", last: "", born }))).toBe("it says no version")
  })

  it("with a version that is none is refused", () => {
    for (const version of ["0", "-1", "1.5", '"2"', "null", "1e99", "99999999999999999"])
      expect(
        refusal(codec, `{"$version":${version},"first":"","last":"","born":"2000-01-01T00:00:00.000Z","tags":[]}`)
      ).toContain("version")
    for (const text of ['{"$version":3', '{"$version":3,', '{"$version":3}}', '{"$version"', "", "\0"])
      expect(refusal(codec, text), text).not.toBe("")
  })

  it("by a program that knows no versions is refused by that program", () => {
    expect(refusal(Codec.json(V1), encode(Versioned.make(first), { name: "", born }))).not.toBe("")
  })
})

describe("an older version can be written", () => {
  const writer = Versioned.make(third, { write: 1 })

  it("as long as the state comes up again as it was", () => {
    const text = encode(writer, ada)
    expect(JSON.parse(text)).toMatchObject({ $version: 1, name: "Ada Lovelace" })
    expect(Effect.runSync(writer.decode(text))).toEqual(ada)
    expect(Effect.runSync(Versioned.make(first).decode(text))).toEqual({ name: "Ada Lovelace", born })
    expect(Effect.runSync(Codec.isCurrent(writer, text))).toBe(true)
    expect(Effect.runSync(Codec.isCurrent(writer, encode(codec, ada)))).toBe(false)
  })

  it("and a state that would lose something is refused", () => {
    const error = Effect.runSync(Effect.flip(writer.encode({ ...ada, tags: ["poet"] })))
    expect(error.reason).toContain("cannot be written as version 1")
  })

  it("unless a step has no way down", () => {
    const oneWay = Migration.to(first, 2, V2, { up: () => ({ first: "", last: "", born }) })
    expect(() => Versioned.make(oneWay, { write: 1 })).toThrow("the step to version 2 has no way down")
    expect(() => Versioned.make(third, { write: 4 })).toThrow("versions 1 to 3")
  })
})

describe("a chain whose first version could be taken for a versioned one", () => {
  it("is refused, with the ways out", () => {
    const make = (schema: Schema.Codec<unknown, unknown>, options?: Versioned.Options) => () =>
      Versioned.make(Migration.from(1, schema), options)
    const Own = Schema.Struct({ $version: Schema.Number })
    for (const schema of [Own, Schema.Record(Schema.String, Schema.Unknown), Schema.Unknown, Schema.Struct({})]) {
      // Sound: none of them is given a state.
      const erased = schema as unknown as Schema.Codec<unknown, unknown>
      expect(make(erased)).toThrow(CodecOptionsInvalid)
      expect(make(erased)).toThrow("choose another `tag`, or say `unversioned: false`")
      expect(make(erased, { unversioned: false })).not.toThrow()
    }
    expect(make(Own as unknown as Schema.Codec<unknown, unknown>, { tag: "v" })).not.toThrow()
    expect(() => Versioned.make(Migration.from(2, V2), { unversioned: true })).toThrow("no longer has version 1")
  })
})
