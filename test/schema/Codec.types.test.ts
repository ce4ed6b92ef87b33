import { Codec } from "dgents"
import { type Effect, Schema } from "effect"
import { expectTypeOf, it } from "vitest"

const Account = Schema.Struct({ name: Schema.String, since: Schema.Date, note: Schema.optionalKey(Schema.String) })
interface Account {
  readonly name: string
  readonly since: Date
  readonly note?: string
}

it("json infers the state from the schema", () => {
  const codec = Codec.json(Account)
  expectTypeOf(codec).toEqualTypeOf<Codec.Codec<Account>>()
  expectTypeOf(codec.encode).toEqualTypeOf<(state: Account) => Effect.Effect<Codec.Payload, Codec.CodecError>>()
  expectTypeOf(codec.decode).toEqualTypeOf<(payload: Codec.Payload) => Effect.Effect<Account, Codec.CodecError>>()
  expectTypeOf(codec.validate).toEqualTypeOf<(state: Account) => Effect.Effect<void, Codec.CodecError>>()
  expectTypeOf(codec.schema).toEqualTypeOf<Schema.Codec<Account, unknown>>()
  expectTypeOf(codec.format).toEqualTypeOf<string>()
  expectTypeOf(codec.fingerprint).toEqualTypeOf<string>()
})

it("the state is the decoded side, whatever is stored", () => {
  expectTypeOf(Codec.json(Schema.NumberFromString)).toEqualTypeOf<Codec.Codec<number>>()
  class Point extends Schema.Class<Point>("Point")({ x: Schema.Number }) {}
  expectTypeOf(Codec.json(Point)).toEqualTypeOf<Codec.Codec<Point>>()
})

it("toCodec takes a schema or a codec", () => {
  expectTypeOf(Codec.toCodec(Account)).toEqualTypeOf<Codec.Codec<Account>>()
  expectTypeOf(Codec.toCodec(Codec.json(Account))).toEqualTypeOf<Codec.Codec<Account>>()
})

it("a codec is invariant in its state", () => {
  expectTypeOf<Codec.Codec<"a">>().not.toExtend<Codec.Codec<string>>()
  expectTypeOf<Codec.Codec<string>>().not.toExtend<Codec.Codec<"a">>()
})

it("a schema that needs services, or a value of another type, does not compile", () => {
  type Parameter = Parameters<typeof Codec.json<string>>[0]
  expectTypeOf<Schema.Codec<string, string, "Service", never>>().not.toExtend<Parameter>()
  expectTypeOf<Schema.Codec<string, string, never, "Service">>().not.toExtend<Parameter>()
  expectTypeOf<Schema.Codec<string, string>>().toExtend<Parameter>()
  expectTypeOf(Codec.json(Account).encode).parameter(0).not.toExtend<{ readonly name: number }>()
})

it("payloads and errors", () => {
  expectTypeOf<Codec.Payload>().toEqualTypeOf<string | Uint8Array>()
  expectTypeOf(Codec.byteLength).toEqualTypeOf<(payload: Codec.Payload) => number>()
  expectTypeOf<Codec.CodecError>().toEqualTypeOf<{
    readonly _tag: "CodecError"
    readonly path: ReadonlyArray<PropertyKey>
    readonly reason: string
  }>()
})
