import * as zlib from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import { Codec, CodecOptionsInvalid, Compressed } from "dgents"
import { SeededScheduler } from "dgents/testing"
import { Effect, Schema } from "effect"
import { make as containersOf } from "../../src/schema/internal/containers.ts"

const Text = Codec.json(Schema.String)
const kinds = ["zstd", "gzip"] as const
const large = "a state that repeats ".repeat(200)
const huge = "a state that repeats ".repeat(20_000)
const random = SeededScheduler.random(1)
const noise = Array.from({ length: 600_000 }, () => String.fromCharCode(65 + random() * 26)).join("")

/** A codec of the user's whose payloads are bytes, or text that is not JSON. */
const verbatim: Codec.Codec<Codec.Payload> = {
  // Sound: the schema is carried along and not used.
  ...(Codec.json(Schema.Unknown) as unknown as Codec.Codec<Codec.Payload>),
  format: "verbatim",
  encode: Effect.succeed,
  decode: Effect.succeed
}

const bytesOf = (payload: Codec.Payload): Uint8Array => {
  if (typeof payload === "string") throw new Error("it is not compressed")
  return payload
}

describe("a payload", () => {
  it.effect("of any size comes back, and a large one is smaller", () =>
    Effect.gen(function* () {
      for (const algorithm of kinds) {
        const codec = Compressed.make(Text, { algorithm })
        for (const state of ["", "small", large, huge, noise, "\u{1f600}".repeat(500)])
          expect(yield* codec.decode(yield* codec.encode(state))).toBe(state)
        expect(yield* codec.encode("small")).toBe('"small"')
        expect(Codec.byteLength(yield* codec.encode(large))).toBeLessThan(large.length / 20)
      }
    })
  )

  it.effect("comes back as the bytes or the text that it was", () =>
    Effect.gen(function* () {
      for (const algorithm of kinds)
        for (const minBytes of [0, 1024]) {
          const codec = Compressed.make(verbatim, { algorithm, minBytes })
          const twice = Compressed.make(codec, { minBytes: 0 })
          for (const size of [0, 1, 7, 8, 9, 5000]) {
            const envelope = Buffer.from(`dgentszt${"x".repeat(size)}`)
            for (const payload of [
              "x".repeat(size),
              new Uint8Array(size).fill(255),
              new Uint8Array(envelope),
              "dgentsrt"
            ]) {
              expect(yield* codec.decode(yield* codec.encode(payload))).toEqual(payload)
              expect(yield* twice.decode(yield* twice.encode(payload))).toEqual(payload)
            }
          }
        }
    })
  )

  it.effect("that was stored uncompressed, or by the other algorithm, is read, and is not current", () =>
    Effect.gen(function* () {
      const [zstd, gzip] = kinds.map((algorithm) => Compressed.make(Text, { algorithm }))
      if (zstd === undefined || gzip === undefined) throw new Error("there are two")
      for (const payload of [yield* Text.encode(large), yield* gzip.encode(large)]) {
        expect(yield* zstd.decode(payload)).toBe(large)
        expect(yield* Codec.isCurrent(zstd, payload)).toBe(false)
      }
      for (const state of ["small", large]) expect(yield* Codec.isCurrent(zstd, yield* zstd.encode(state))).toBe(true)
    })
  )

  it.effect("that is damaged or cut, anywhere, is an error or says the same", () =>
    Effect.gen(function* () {
      for (const algorithm of kinds) {
        const codec = Compressed.make(Text, { algorithm })
        const payload = bytesOf(yield* codec.encode(large))
        for (let at = 0; at < payload.length; at++) {
          const bad = [payload.slice(0, at), payload.map((byte, i) => (i === at ? byte ^ 0x24 : byte))]
          for (const bytes of bad) {
            const exit = yield* Effect.result(codec.decode(bytes))
            if (exit._tag === "Success") expect(exit.success).toBe(large)
          }
        }
      }
    })
  )

  it.effect("that holds more than is allowed is refused, not unpacked", () =>
    Effect.gen(function* () {
      for (const algorithm of kinds)
        for (const state of [large, huge, noise]) {
          const payload = yield* Compressed.make(Text, { algorithm }).encode(state)
          const error = yield* Effect.flip(Compressed.make(Text, { algorithm, maxBytes: 100 }).decode(payload))
          expect(error.reason).toContain("more than the 100 bytes")
        }
    })
  )

  it.effect("of text that UTF-8 cannot hold is refused", () =>
    Effect.gen(function* () {
      const codec = Compressed.make(verbatim, { minBytes: 0 })
      expect((yield* Effect.flip(codec.encode("\ud800"))).reason).toContain("lone surrogate")
    })
  )
})

it.effect("a Node without zstd says so when it is used, both ways, and has gzip", () =>
  Effect.gen(function* () {
    const { zstdCompress: _a, zstdCompressSync: _b, zstdDecompress: _c, zstdDecompressSync: _d, ...older } = zlib
    const { gzip, zstd } = containersOf(older)
    const bytes = Buffer.from(large)
    for (const use of [zstd.compress(bytes, undefined), zstd.decompress(bytes, 1)])
      expect((yield* Effect.flip(use)).reason).toContain("needs zstd, which Node has from 22.15 on")
    const packed = yield* gzip.compress(bytes, undefined)
    expect(Buffer.from(yield* gzip.decompress(packed, 10_000)).equals(bytes)).toBe(true)
  })
)

it("options that cannot be are refused when the codec is made", () => {
  const wrong: ReadonlyArray<Compressed.Options> = [
    { algorithm: "brotli" as "gzip" },
    { minBytes: -1 },
    { minBytes: Number.NaN },
    { maxBytes: 0 },
    { level: 23 },
    { algorithm: "gzip", level: 10 },
    { level: 1.5 }
  ]
  for (const options of wrong) expect(() => Compressed.make(Text, options)).toThrow(CodecOptionsInvalid)
  expect(() => Compressed.make(Text, { level: 19, minBytes: 0, maxBytes: Number.POSITIVE_INFINITY })).not.toThrow()
})
