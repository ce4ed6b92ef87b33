import { describe, expect, it } from "@effect/vitest"
import { Binary, Codec, CodecOptionsInvalid, Compressed, Migration, Versioned } from "dgents"
import { Effect, Exit, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import * as Cbor from "../../src/schema/internal/cbor.ts"
import { stringifyMinusZero } from "../../src/schema/internal/stringify.ts"

const hex = (tree: unknown): string => Buffer.from(Cbor.encode(tree)).toString("hex").replace("d9d9f7d90100", "")
const text = (tree: unknown): string => stringifyMinusZero(tree, 0)

describe("CBOR", () => {
  it("is what RFC 8949 says in its examples", () => {
    const examples: ReadonlyArray<[unknown, string]> = [
      [0, "00"],
      [23, "17"],
      [24, "1818"],
      [1000, "1903e8"],
      [1_000_000, "1a000f4240"],
      [1_000_000_000_000, "1b000000e8d4a51000"],
      [-1, "20"],
      [-1000, "3903e7"],
      [1.1, "fb3ff199999999999a"],
      [100000.5, "fa47c35040"],
      [-4.1, "fbc010666666666666"],
      [false, "f4"],
      [true, "f5"],
      [null, "f6"],
      ["", "60"],
      ["ü", "62c3bc"],
      ["水", "63e6b0b4"],
      [[1, [2, 3], [4, 5]], "8301820203820405"],
      [{ a: 1, b: [2, 3] }, "a26161016162820203"],
      // A reference would be longer.
      [["ab", "ab"], "82626162626162"]
    ]
    for (const [tree, bytes] of examples) expect(hex(tree), text(tree)).toBe(bytes)
  })

  it("refers to strings that come again, as in the specification of stringref", () => {
    const names = ["1", "222", "333", "4", "555", "666", "777", "888", "999", "aaa", "bbb", "ccc", "ddd", "eee", "fff"]
    const all = [...names, "ggg", "hhh", "iii", "jjj", "kkk", "lll", "mmm", "nnn", "ooo", "ppp", "qqq", "rrr"]
    const tail = ["333", "ssss", "qqq", "rrr", "ssss"]
    expect(hex([...all, ...tail]).endsWith("d819016473737373d8191763727272d8191818")).toBe(true)
  })

  it("stores base64 as the bytes that it stands for, and text that only looks so as text", () => {
    const base64 = Buffer.from("sixteen bytes or").toString("base64")
    expect(hex(base64)).toBe(`d650${Buffer.from("sixteen bytes or").toString("hex")}`)
    for (const almost of ["AAAAAAAAAAAAAAAAAAAAAB==", "AAAAAAAAAAAAAAAA=AAA", "not base64 at al"])
      expect(Cbor.decode(Cbor.encode(almost)).tree).toBe(almost)
  })

  it.effect("gives back every JSON tree, with its -0, its lone surrogates and its strange keys", () =>
    Effect.gen(function* () {
      const strange = {
        __proto__x: 1,
        ["__proto__"]: [-0],
        "\ud800": "\udfff",
        "": "\0",
        toString: [1e300, -1e-7, 2 ** 53]
      }
      const own = JSON.parse('{"__proto__":{"a":-0},"b":-0}')
      for (const tree of [strange, own, "\ufffd", ["\ufffd\ud800"]]) {
        const back = Cbor.decode(Cbor.encode(tree))
        expect(text(back.tree)).toBe(text(tree))
        expect(back.hasMinusZero).toBe(text(tree).includes("-0"))
      }
      const result = yield* Arbitrary.checkEffect(Arbitrary.schema(Schema.Json), (tree) => {
        const json = JSON.parse(text(tree))
        expect(text(Cbor.decode(Cbor.encode([json, json, json])).tree)).toBe(text([json, json, json]))
        return true
      })
      expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
    })
  )

  it("that is cut, damaged, or not what is written here throws a SyntaxError and nothing else", () => {
    const bytes = Cbor.encode({
      name: "Ada",
      list: [1, -2, 3.5, "Ada", Buffer.alloc(20, 7).toString("base64")],
      on: null
    })
    const reads = (damaged: Uint8Array) => {
      try {
        return Cbor.decode(damaged).tree
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError)
        return undefined
      }
    }
    for (let at = 0; at < bytes.length; at++) {
      expect(reads(bytes.slice(0, at))).toBe(undefined)
      for (let bit = 0; bit < 8; bit++) reads(bytes.map((byte, i) => (i === at ? byte ^ (1 << bit) : byte)))
    }
    const wrongs = [
      "",
      "d9d9f7",
      "d9d9f7d9010081",
      "d9d9f7d901009bffffffffffffffff",
      "d9d9f7d90100fb7ff8000000000000",
      "d9d9f7d9010061ff"
    ]
    for (const wrong of [...wrongs, `d9d9f7d90100${"81".repeat(5000)}00`, "d9d9f7d901000000", "d9d9f7d90100d81905"])
      expect(() => Cbor.decode(Buffer.from(wrong, "hex")), wrong).toThrow(SyntaxError)
  })
})

describe("a binary codec", () => {
  const Row = Schema.Struct({ name: Schema.String, size: Schema.Number, data: Schema.Uint8Array })
  const rows = Array.from({ length: 50 }, (_, i) => ({ name: `row ${i}`, size: i, data: new Uint8Array(64).fill(i) }))
  const codec = Binary.make(Schema.Array(Row))

  it.effect("needs fewer bytes than JSON", () =>
    Effect.gen(function* () {
      const json = Codec.byteLength(yield* Codec.json(Schema.Array(Row)).encode(rows))
      expect(Codec.byteLength(yield* codec.encode(rows))).toBeLessThan(json * 0.7)
    })
  )

  it.effect("reads what was stored as JSON, which is not current", () =>
    Effect.gen(function* () {
      const old = yield* Codec.json(Schema.Array(Row)).encode(rows)
      expect(yield* codec.decode(old)).toEqual(rows)
      expect(yield* Codec.isCurrent(codec, old)).toBe(false)
      expect(yield* Codec.isCurrent(codec, yield* codec.encode(rows))).toBe(true)
    })
  )

  it("goes over JSON text alone", () => {
    expect(() => Binary.make(Compressed.make(Row))).toThrow(CodecOptionsInvalid)
    expect(() => Binary.make(Versioned.make(Migration.from(1, Row)))).not.toThrow()
  })

  it("refuses bytes that are not its own", () => {
    for (const bytes of [Buffer.from("dgentsct"), Buffer.from("dgentsct\x01\x02"), new Uint8Array([255])])
      expect(Exit.isFailure(Effect.runSyncExit(codec.decode(bytes)))).toBe(true)
  })
})
