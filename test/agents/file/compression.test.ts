import { execFileSync } from "node:child_process"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { expect, it } from "@effect/vitest"
import { SeededScheduler } from "dgents/testing"
import { Effect, Exit } from "effect"
import * as Compression from "../../../src/agents/file/compression.ts"

const kinds = ["gzip", "zstd"] as const

/** Bytes of all kinds: none, text that repeats, noise, and what looks like a container itself. */
const samples: ReadonlyArray<Uint8Array> = (() => {
  const random = SeededScheduler.random(7)
  const noise = (length: number) => Uint8Array.from({ length }, () => random() * 256)
  const text = Buffer.from(JSON.stringify({ list: Array.from({ length: 500 }, (_, i) => `item ${i}`) }))
  const sizes = [0, 1, 2, 17, 255, 256, 4096, 70_000]
  return [text, gzipSync(text), zstdCompressSync(text), ...sizes.map(noise), ...sizes.map((n) => new Uint8Array(n))]
})()

const small = Buffer.from(JSON.stringify({ name: "Ada", notes: Array.from({ length: 20 }, (_, i) => `note ${i}`) }))

it.effect("what was compressed comes back, recognised by its first bytes", () =>
  Effect.gen(function* () {
    for (const kind of kinds) {
      for (const bytes of samples) {
        const packed = yield* Compression.compress(kind, bytes)
        expect(Compression.detect(packed)).toBe(kind)
        expect(Buffer.compare(yield* Compression.decompress(packed), bytes)).toBe(0)
      }
    }
    expect(yield* Compression.compress("none", small)).toBe(small)
    expect(yield* Compression.decompress(small)).toBe(small)
  })
)

it.effect("a container that is cut, anywhere, is an error", () =>
  Effect.gen(function* () {
    for (const kind of kinds) {
      const packed = yield* Compression.compress(kind, small)
      // Before its magic bytes are complete it is no container, and what reads the file has to say so.
      const magic = kind === "gzip" ? 2 : 4
      for (let length = magic; length < packed.length; length++) {
        const error = yield* Effect.flip(Compression.decompress(packed.subarray(0, length)))
        expect(error).toMatchObject({ _tag: "DecompressFailed", compression: kind })
      }
    }
  })
)

it.effect("a container with one bit changed, anywhere, is an error or still says the same", () =>
  Effect.gen(function* () {
    for (const kind of kinds) {
      const packed = yield* Compression.compress(kind, small)
      let errors = 0
      for (let i = 0; i < packed.length * 8; i++) {
        const flipped = Uint8Array.from(packed)
        flipped[i >> 3] = (flipped[i >> 3] ?? 0) ^ (1 << (i & 7))
        if (Compression.detect(flipped) === "none") continue
        const exit = yield* Effect.exit(Compression.decompress(flipped))
        if (Exit.isSuccess(exit)) expect(Buffer.compare(exit.value, small)).toBe(0)
        else errors++
      }
      expect(errors).toBeGreaterThan(packed.length * 6)
    }
  })
)

it.effect("a container that something follows is an error", () =>
  Effect.gen(function* () {
    for (const kind of kinds) {
      const packed = yield* Compression.compress(kind, small)
      for (const tail of ["\0", "\0".repeat(4096), "garbage", "{}"]) {
        const error = yield* Effect.flip(Compression.decompress(Buffer.concat([packed, Buffer.from(tail)])))
        expect(error).toMatchObject({ _tag: "DecompressFailed" })
      }
    }
  })
)

it.effect("no more comes out than is allowed", () =>
  Effect.gen(function* () {
    for (const kind of kinds) {
      const bomb = yield* Compression.compress(kind, new Uint8Array(5_000_000))
      expect(bomb.length).toBeLessThan(10_000)
      const error = yield* Effect.flip(Compression.decompress(bomb, { maxBytes: 4_999_999 }))
      expect(error).toMatchObject({ _tag: "DecompressFailed" })
      expect((yield* Compression.decompress(bomb, { maxBytes: 5_000_000 })).length).toBe(5_000_000)
    }
  })
)

it.effect("what gzip and zcat make and show is the same", () =>
  Effect.gen(function* () {
    const packed = yield* Compression.compress("gzip", small)
    expect(execFileSync("gzip", ["-dc"], { input: packed }).equals(small)).toBe(true)
    const theirs = execFileSync("gzip", ["-9c"], { input: small })
    expect(Buffer.compare(yield* Compression.decompress(theirs), small)).toBe(0)
  })
)

it.effect("every container can be had on this version of Node", () =>
  Effect.forEach([...kinds, "none"] as const, Compression.available)
)
