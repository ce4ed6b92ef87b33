import { crc32 } from "node:zlib"
import { expect, it } from "@effect/vitest"
import { Result } from "effect"
import * as Frame from "../../../src/agents/file/frame.ts"

const header = { revision: 7, savedAt: 1_700_000_000_123, codec: "json", schema: "0123456789abcdef", key: undefined }
const small = Frame.encode({ ...header, payload: '{\n  "n": -0\n}' })

const failure = (bytes: Uint8Array) => Result.getOrUndefined(Result.flip(Frame.decode(bytes)))
const text = (s: string) => new TextEncoder().encode(s)

it("a frame is one JSON value that shows the payload as it is", () => {
  const written = new TextDecoder().decode(small)
  expect(JSON.parse(written)).toMatchObject({
    dgents: { format: 1, revision: 7, savedAt: "2023-11-14T22:13:20.123Z", codec: "json", length: 13 },
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

it("what is not ours, or newer, or edited, is told apart", () => {
  expect(failure(new Uint8Array(0))).toContain("empty")
  expect(failure(text('{"name":"Ada"}'))).toContain("not a file of dgents")
  expect(failure(Uint8Array.from([0, 255, 1, 2]))).toContain("not a file of dgents")
  const written = new TextDecoder().decode(small)
  expect(failure(text(written.replace('"format":1', '"format":2')))).toContain("newer")
  expect(failure(text(written.replace('"n": -0', '"n": 10')))).toContain("edited or damaged")
  expect(failure(text(written.replace('{\n  "n"', '{ "n"')))).toContain("edited or damaged")
})
