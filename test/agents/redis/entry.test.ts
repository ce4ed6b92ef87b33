import { expect, it } from "@effect/vitest"
import { parse } from "../../../src/agents/redis/entry.ts"

const entry = (line: string, state: string | Uint8Array = "{}") =>
  parse(Buffer.concat([Buffer.from(line, "latin1"), Buffer.from("\n"), Buffer.from(state)]))

it("a string that dgents wrote says what is in it, and which write put it there", () => {
  expect(entry("dgents1 1763770000000012 7 1763770000000 0123456789abcdef.z t", '{"a":"ä\\n"}\n')).toEqual({
    state: '{"a":"ä\\n"}\n',
    revision: 1763770000000012,
    since: 7,
    savedAt: 1763770000000,
    operation: "0123456789abcdef.z"
  })
  expect(entry("dgents1 2 1 3 x.0 b", Uint8Array.of(0xff, 0x0a, 0))).toMatchObject({
    state: Uint8Array.of(0xff, 0x0a, 0),
    revision: 2
  })
  expect(entry("dgents1 2 1 3 x.0 t", "")).toMatchObject({ state: "" })
})

it("a time is any number that a clock may show", () => {
  for (const savedAt of [0, -0.5, -1, 1.25, 1e21, 1e-7, 8.64e15])
    expect(entry(`dgents1 2 1 ${savedAt} x.0 t`)).toMatchObject({ savedAt, operation: "x.0" })
})

it("any other string is none of ours", () => {
  for (const line of [
    "",
    "dgents1",
    "dgents1 ",
    "dgents1 2",
    "dgents1 2 1 3 x.0",
    "dgents1 2 1 3  t",
    "dgents1 2 1  x.0 t",
    "dgents1 2  3 x.0 t",
    "dgents1  1 3 x.0 t",
    "dgents1 2 1 3 x.0 u",
    "dgents1 2 1 3 x.0 tt",
    "dgents1 2 1 3 x.0t",
    "dgents1 2 1 now x.0 t",
    "dgents1 2 1 Infinity x.0 t",
    "dgents1 0 1 3 x.0 t",
    "dgents1 2 0 3 x.0 t",
    "dgents1 -2 1 3 x.0 t",
    "dgents1 2.5 1 3 x.0 t",
    "dgents1 2e1 1 3 x.0 t",
    "dgents1 9007199254740993 1 3 x.0 t",
    "dgents2 2 1 3 x.0 t",
    ` dgents1 2 1 3 x.0 t`,
    `dgents1 2 1 3 ${"x".repeat(160)} t`
  ])
    expect(entry(line), line).toBe(undefined)
  expect(parse(Buffer.from("dgents1 2 1 3 x.0 t"))).toBe(undefined)
  expect(parse(Buffer.alloc(0))).toBe(undefined)
  expect(entry("dgents1 2 1 3 x.0 t", Uint8Array.of(0xff))).toBe(undefined)
})
