import { expect, it } from "@effect/vitest"
import { Codec } from "dgents"
import { Effect, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { parseEscapedKeys } from "../../src/schema/internal/parseJson.ts"

/** Shows V8 objects with these keys, so that it comes to expect them. */
const teach = (...keys: ReadonlyArray<string>) => {
  for (let i = 0; i < 10; i++) JSON.parse(JSON.stringify(Object.fromEntries(keys.map((key) => [key, 0]))))
}

it("a key with an escape keeps its name, whatever objects were parsed before", () => {
  const codec = Codec.json(Schema.Record(Schema.String, Schema.Number))
  teach("", "\\")
  teach("a", "ab\\")
  for (const key of ["\n", "\0", '"', "\u0001", "ab\n"])
    for (const first of ["", "a"]) {
      const state = { [first]: 1, [key]: 2, "=0": 3, __proto: 4 }
      const text = Effect.runSync(codec.encode(state))
      expect(Effect.runSync(codec.decode(text))).toEqual(state)
    }
})

it.effect("any JSON comes back as it is written", () =>
  Effect.gen(function* () {
    teach("", "\\")
    const keys = Schema.Union([
      Schema.Literals(["", "\\", "\n", "=0", "=", "__proto__", "\ud800", "a", '"', "1"]),
      Schema.String
    ])
    const Json = Schema.Record(keys, Schema.Union([Schema.String, Schema.Record(keys, Schema.Array(keys))]))
    const result = yield* Arbitrary.checkEffect(
      Arbitrary.schema(Json),
      (value) => {
        const text = JSON.stringify(value)
        return [0, 2].every(
          (indent) => JSON.stringify(parseEscapedKeys(JSON.stringify(value, undefined, indent))) === text
        )
      },
      { runs: 500 }
    )
    expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
  })
)

it("text that is not JSON is refused as before", () => {
  for (const text of ["", "{", '{"\\n"}', '{"a\\u00":1}', '{"\\n":1,}'])
    expect(() => parseEscapedKeys(text)).toThrow(SyntaxError)
})
