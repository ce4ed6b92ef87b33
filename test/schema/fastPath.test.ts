import { inspect, isDeepStrictEqual } from "node:util"
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import * as FastPath from "../../src/schema/internal/fastPath.ts"

type Any = Schema.Codec<unknown, unknown>

const random = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0
    return ((state ^ (state >>> 13)) >>> 0) % below
  }
}

const leaves: ReadonlyArray<Any> = [
  Schema.Number,
  Schema.Int,
  Schema.Number.check(Schema.isGreaterThan(-10)),
  Schema.String,
  Schema.Boolean,
  Schema.Null,
  Schema.Undefined,
  Schema.Date,
  Schema.BigInt,
  Schema.Unknown,
  Schema.Json,
  Schema.Literal("a"),
  Schema.Literal(1),
  Schema.Uint8Array,
  Schema.NumberFromString
]
const names = ["a", "b", "toString", "__proto__"]
// Checked in another way than a struct of a few fields.
const manyFields = Object.fromEntries(
  Array.from({ length: 16 }, (_, i) => [`f${i}`, Schema.optionalKey(Schema.Number)])
)

interface List {
  readonly v: unknown
  readonly next?: List | undefined
}

/** A schema out of all that the fast path knows, and a little of what it does not. */
const someSchema = (pick: (below: number) => number, depth: number): Any => {
  const inner = () => someSchema(pick, depth - 1)
  const fields = () =>
    Object.fromEntries(
      names
        .filter(() => pick(2) === 0)
        .map((name) => [
          name,
          pick(3) === 0 ? Schema.optional(inner()) : pick(2) === 0 ? Schema.optionalKey(inner()) : inner()
        ])
    )
  switch (depth === 0 ? 99 : pick(11)) {
    case 0:
    case 1:
      return Schema.Struct(fields())
    case 2:
      return Schema.Struct({ ...fields(), ...(pick(2) === 0 ? manyFields : {}) })
    case 3:
      return Schema.Array(inner())
    case 4:
      return Schema.Tuple([inner(), Schema.optionalKey(inner())])
    case 5:
      return Schema.Record(Schema.String, inner())
    case 6:
      return Schema.Union([inner(), inner()], { mode: pick(4) === 0 ? "oneOf" : "anyOf" })
    case 7:
      return Schema.Union([
        Schema.Struct({ ...fields(), tag: Schema.Literal("A") }),
        Schema.Struct({ ...fields(), tag: Schema.Literal("B") })
      ])
    case 8:
      return pick(2) === 0 ? Schema.NullOr(inner()) : Schema.UndefinedOr(inner())
    case 9: {
      const v = inner()
      const List: Schema.Codec<List, unknown> = Schema.Struct({
        v,
        next: Schema.optional(Schema.suspend((): Schema.Codec<List, unknown> => List))
      })
      return List
    }
    default:
      return leaves[pick(leaves.length)] ?? Schema.String
  }
}

const hostile: ReadonlyArray<unknown> = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -0,
  0,
  0.5,
  null,
  undefined,
  "",
  "NaN",
  "1970-01-01T00:00:00.000Z",
  new Date(0),
  {},
  [],
  { a: -0 },
  new Map(),
  Symbol("s"),
  12n
]

/** A copy with, here and there, another value, one key more or less, a symbol, or an inherited or hidden key. */
const disturb = (value: unknown, pick: (below: number) => number): unknown => {
  if (pick(12) === 0) return hostile[pick(hostile.length)]
  if (Array.isArray(value)) {
    const copy: Array<unknown> = value.map((item) => disturb(item, pick))
    if (pick(12) === 0) copy.push(hostile[pick(hostile.length)])
    return copy
  }
  if (typeof value !== "object" || value === null) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) return value
  const entries = Object.entries(value)
  if (pick(3) === 0) entries.reverse()
  if (pick(12) === 0) entries.pop()
  const copy: object = pick(12) === 0 ? Object.create({ b: 1 }) : {}
  for (const [key, item] of entries)
    Object.defineProperty(copy, key, {
      value: disturb(item, pick),
      enumerable: pick(20) !== 0,
      configurable: true,
      writable: true
    })
  if (pick(10) === 0) Object.assign(copy, { extra: hostile[pick(hostile.length)] })
  if (pick(20) === 0) Object.assign(copy, { [Symbol("s")]: 1 })
  return copy
}

it.effect(
  "what the fast path answers is what the general parser with onExcessProperty: error answers",
  () =>
    Effect.gen(function* () {
      const answered = { encode: 0, decode: 0, validate: 0 }
      const options = { onExcessProperty: "error" } as const

      const agree = (seed: number): boolean => {
        const pick = random(seed)
        const schema = someSchema(pick, 3)
        const codec = Schema.toCodecJson(schema)
        const type = Schema.toType(schema)
        const fast = FastPath.make(codec, type)
        const encode = Schema.encodeUnknownExit(codec, options)
        const decode = Schema.decodeUnknownExit(codec, options)
        const check = Schema.decodeUnknownExit(type, options)
        const samples = Effect.runSync(
          Effect.orElseSucceed(Arbitrary.sampleEffect(Arbitrary.schema(schema), { count: 4, seed }), () => [])
        )
        return samples.every((sample) => {
          const states = [sample, disturb(sample, pick), disturb(sample, pick)]
          return states.every((state) => {
            const encoded = fast.encode(state)
            if (encoded !== undefined) {
              answered.encode++
              const exact = encode(state)
              if (!Exit.isSuccess(exact) || !isDeepStrictEqual(exact.value, encoded))
                return differs("encode", schema, state, encoded, exact)
            }
            if (fast.validate(state)) {
              answered.validate++
              if (!Exit.isSuccess(check(state))) return differs("validate", schema, state)
            }
            const exact = encode(sample)
            const tree = jsonRoundTrip(Exit.isSuccess(exact) ? exact.value : sample)
            return [tree, jsonRoundTrip(disturb(tree, pick))].every((input) => {
              const decoded = fast.decode(input)
              if (decoded === undefined) return true
              answered.decode++
              const exact = decode(input)
              return (
                (Exit.isSuccess(exact) && isDeepStrictEqual(exact.value, decoded)) ||
                differs("decode", schema, input, decoded, exact)
              )
            })
          })
        })
      }

      const result = yield* Arbitrary.checkEffect(Arbitrary.schema(Schema.Int), agree, { runs: 300, size: 1_000_000 })
      expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
      // The property is worth little if the fast path never answers.
      for (const count of Object.values(answered)) expect(count).toBeGreaterThan(300)
    }),
  120_000
)

const differs = (what: string, schema: Any, ...values: ReadonlyArray<unknown>): never => {
  const shape = JSON.stringify(Schema.toRepresentation(schema))
  throw new Error(`${what} differs: ${values.map((value) => inspect(value, { depth: 8 })).join(" / ")} under ${shape}`)
}

const jsonRoundTrip = (value: unknown): unknown => {
  try {
    const text = JSON.stringify(value)
    return text === undefined ? null : JSON.parse(text)
  } catch {
    // A bigint, which a struct without fields takes, and no JSON text holds.
    return null
  }
}
