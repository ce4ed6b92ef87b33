import { expect, it } from "@effect/vitest"
import { Codec } from "dgents"
import { Effect, Schema } from "effect"
import { Stored, Vector } from "../../../src/agents/vector/Stored.ts"

const decode = Schema.decodeUnknownEffect(Vector)
const encode = Schema.encodeUnknownEffect(Vector)
const bits = (vector: Float32Array) => [...new Uint32Array(vector.slice().buffer)]

it.effect("a vector comes back bit for bit, at any offset in its buffer", () =>
  Effect.gen(function* () {
    const edges = Float32Array.of(0, -0, 1, -1, 0.1, 2 ** -149, -(2 ** -126), 3.4028234663852886e38, -3.4e38, Math.PI)
    expect(bits(yield* decode(yield* encode(edges)))).toEqual(bits(edges))
    const part = new Float32Array([9, 9, ...edges, 9]).subarray(2, -1)
    expect(bits(yield* decode(yield* encode(part)))).toEqual(bits(edges))
    let state = 1
    for (let n = 0; n < 70; n++) {
      const patterns = Uint32Array.from({ length: n }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        // All exponents but the one of NaN and the infinities.
        return (state & 0x7f800000) === 0x7f800000 ? state & 0xff7fffff : state
      })
      const vector = new Float32Array(patterns.buffer)
      expect(bits(yield* decode(yield* encode(vector)))).toEqual([...patterns])
    }
  })
)

it.effect("the bytes are little-endian, on every machine", () =>
  Effect.gen(function* () {
    expect(yield* encode(Float32Array.of(1))).toBe("AACAPw==")
    expect(yield* decode("AACAPw==")).toEqual(Float32Array.of(1))
  })
)

it.effect("what is not base64 of finite floats is refused, in both directions", () =>
  Effect.gen(function* () {
    for (const text of [
      "AACAPw",
      "AACAPw==\n",
      "AACA Pw==",
      "AACAPx==",
      "AAC*AAAAAAAAAAAA",
      "AACA-wAAAAAAAAAA",
      "****",
      "AAAA",
      "AADAfw==",
      "AACAfw=="
    ]) {
      expect((yield* Effect.flip(decode(text)))._tag).toBe("SchemaError")
    }
    for (const value of [Float32Array.of(Number.NaN), Float32Array.of(1, Number.NEGATIVE_INFINITY), [1], "AAAA"]) {
      expect((yield* Effect.flip(encode(value)))._tag).toBe("SchemaError")
    }
  })
)

it.effect("an entry keeps item and vector, and reads as JSON a person can follow", () =>
  Effect.gen(function* () {
    const codec = Codec.json(Stored(Schema.Struct({ at: Schema.Date })))
    const entry = { _tag: "Item", item: { at: new Date(0) }, vector: Float32Array.of(0.5, -0) } as const
    const payload = yield* codec.encode(entry)
    expect(payload).toBe(`{"_tag":"Item","item":{"at":"1970-01-01T00:00:00.000Z"},"vector":"AAAAPwAAAIA="}`)
    expect(yield* codec.decode(payload)).toEqual(entry)
  })
)
