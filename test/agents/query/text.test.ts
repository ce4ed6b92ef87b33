import { expect, it } from "vitest"
import * as Text from "../../../src/agents/query/text.ts"

const units = [
  "",
  "\0",
  "a",
  "b",
  "\ud7ff",
  "\ud83d",
  "\udbff",
  "\udc00",
  "\ude00",
  "\ue000",
  "\uffff",
  "😀",
  "\u{10ffff}"
]
const texts = units.flatMap((a) => units.flatMap((b) => units.map((c) => a + b + c)))
const some = texts.filter((_, i) => i % 7 === 0)
const bytes = (text: string) => Buffer.from(Text.toBytes(text))

it("texts are in the order of their bytes", () => {
  for (const a of some)
    for (const b of some)
      if (Math.sign(Text.compare(a, b)) !== Buffer.compare(bytes(a), bytes(b)))
        expect([a, b, Math.sign(Text.compare(a, b))]).toEqual([a, b, Buffer.compare(bytes(a), bytes(b))])
})

it("a text comes back from its bytes", () => {
  for (const text of [...texts, "\ufffd"]) expect(Text.fromBytes(Text.toBytes(text))).toBe(text)
})

it("a part of a text is one of its bytes, and a prefix one of their beginning", () => {
  for (const a of some)
    for (const b of units) {
      expect([a, b, Text.contains(a, b)]).toEqual([a, b, bytes(a).includes(bytes(b))])
      expect([a, b, Text.startsWith(a, b)]).toEqual([a, b, bytes(a).subarray(0, bytes(b).length).equals(bytes(b))])
    }
})

it("what begins with a prefix lies below the least text above it, and nothing else does", () => {
  for (const prefix of some) {
    const end = Text.above(prefix, true)
    for (const text of some)
      expect([prefix, text, Text.startsWith(text, prefix)]).toEqual([
        prefix,
        text,
        Text.compare(text, prefix) >= 0 && (end === undefined || Text.compare(text, end) < 0)
      ])
  }
  expect(Text.above("a\ud7ff", false)).toBe("a\ue000")
  expect(Text.above("\u{10ffff}", true)).toBeUndefined()
})
