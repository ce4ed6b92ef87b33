import { crc32 } from "node:zlib"
import { expect, it } from "@effect/vitest"
import { Result } from "effect"
import * as Frame from "../../../src/agents/file/frame.ts"

const header = {
  revision: 7,
  since: 2,
  savedAt: 1_700_000_000_123,
  codec: "json",
  schema: "0123456789abcdef",
  key: undefined
}
const small = Frame.encode({ ...header, payload: '{\n  "n": -0\n}' })

const unreadable = (bytes: Uint8Array) => Result.getOrUndefined(Result.flip(Frame.decode(bytes)))
const failure = (bytes: Uint8Array) => unreadable(bytes)?.reason
const text = (s: string) => new TextEncoder().encode(s)

it("a frame is one JSON value that shows the payload as it is", () => {
  const written = new TextDecoder().decode(small)
  expect(JSON.parse(written)).toMatchObject({
    dgents: { format: 1, revision: 7, since: 2, savedAt: "2023-11-14T22:13:20.123Z", codec: "json", length: 13 },
    state: { n: -0 }
  })
  expect(written.slice(written.indexOf("\n") + 1)).toBe('"state":{\n  "n": -0\n}}\n')
})

it("payloads of every kind come back as they were", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
  const cases = [
    ["json", "-0"],
    ["json", '"é\u{1F600}\u2028"'],
    ["json", '"\ud800"'],
    ["text", 'not "JSON"\n\ud800\0'],
    ["text", ""],
    ["binary", bytes],
    ["binary", new Uint8Array(0)],
    ["binary", bytes.subarray(3, 10)]
  ] as const
  for (const [codec, payload] of cases) {
    for (const key of [undefined, "", 'a"\n/é']) {
      const encoded = Frame.encode({ ...header, codec, key, payload })
      expect(Result.getOrThrow(Frame.decode(encoded))).toEqual({ ...header, codec, key, payload })
      JSON.parse(new TextDecoder().decode(encoded))
    }
  }
})

it("every change of one byte, to any other value, is noticed", () => {
  const bytes = Uint8Array.from(small)
  for (let i = 0; i < bytes.length; i++) {
    const was = small[i] ?? 0
    for (let value = 0; value < 256; value++) {
      if (value === was) continue
      bytes[i] = value
      if (Result.isSuccess(Frame.decode(bytes))) expect.fail(`byte ${i} may be ${value}`)
    }
    bytes[i] = was
  }
  expect(Result.isSuccess(Frame.decode(bytes))).toBe(true)
})

it("every truncation and every appended byte is noticed", () => {
  for (let length = 0; length < small.length; length++) expect(failure(small.slice(0, length))).toBeDefined()
  for (let value = 0; value < 256; value++) expect(failure(Uint8Array.from([...small, value]))).toBeDefined()
})

it("a length that does not fit is noticed, even under a fitting checksum", () => {
  const longer = Buffer.from([...small, 10])
  const at = longer.indexOf("crc32:") + 6
  longer.write("00000000", at)
  longer.write(crc32(longer).toString(16).padStart(8, "0"), at)
  expect(failure(longer)).toContain("length")
})

it("what is not ours, or newer, or edited, or damaged, is told apart", () => {
  const written = new TextDecoder().decode(small)
  const pretty = JSON.stringify(JSON.parse(written), null, 2)
  const cases: ReadonlyArray<readonly [string | Uint8Array, string, string]> = [
    [new Uint8Array(0), "damaged", "empty"],
    [Uint8Array.from([0, 255, 1, 2]), "damaged", "not a file of dgents"],
    ["half a wor", "damaged", "not a file of dgents"],
    ['{"name":"Ada"}', "foreign", 'edits: "adopt"'],
    ['{"dgents":1}', "foreign", 'edits: "adopt"'],
    [written.replace('"format":1', '"format":2'), "newer", "newer"],
    [written.replace('"n": -0', '"n": 10'), "edited", "edited by hand or damaged"],
    [written.replace('{\n  "n"', '{ "n"'), "edited", 'edits: "adopt"'],
    [pretty, "edited", "checksum"],
    [pretty.replace('"format": 1', '"format": 2'), "newer", "newer"],
    [written.slice(0, -3), "damaged", "damaged"],
    [written.replace('"n"', '"n'), "damaged", "not JSON"]
  ]
  for (const [content, kind, reason] of cases) {
    const found = unreadable(typeof content === "string" ? text(content) : content)
    expect(found?.kind, String(content)).toBe(kind)
    expect(found?.reason).toContain(reason)
    expect(found?.reason).not.toContain("Ada")
  }
})

it("a frame is known again by its first line, as long as none of its bytes has changed", () => {
  const line = Frame.lineOf(small)
  expect(Frame.isIntact(small, line)).toBe(true)
  expect(Frame.isIntact(Frame.encode({ ...header, revision: 8, payload: '{\n  "n": -0\n}' }), line)).toBe(false)
  for (let i = 0; i < small.length; i++) {
    const bad = Uint8Array.from(small)
    bad[i] = (bad[i] ?? 0) ^ 1
    expect(Frame.isIntact(bad, line)).toBe(false)
  }
})
