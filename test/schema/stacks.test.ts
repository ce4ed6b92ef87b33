import { NodeFileSystem } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import {
  Binary,
  Cached,
  Codec,
  Compressed,
  Encrypted,
  EntropyConstrained,
  Migration,
  PersistentAgent,
  SqlAgent,
  SqlDriver,
  Versioned
} from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, FileSystem, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { Rich } from "../laws/schemas.ts"
import { second, third } from "./profiles.ts"

type Layer = <S>(codec: Codec.Codec<S>) => Codec.Codec<S>

const keys = { current: "k", keys: { k: new Uint8Array(32) } }

const layers: Readonly<Record<string, Layer>> = {
  binary: Binary.make,
  zstd: (codec) => Compressed.make(codec, { minBytes: 100 }),
  gzip: (codec) => Compressed.make(codec, { algorithm: "gzip", minBytes: 0 }),
  encrypted: (codec) => Encrypted.make(codec, keys)
}

/** All ways to put some of the layers upon one another, the binary one next to the schema. */
const stacks = (names: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => [
  [],
  ...names.flatMap((name) =>
    stacks(names.filter((other) => other !== name && other !== "binary")).map((rest) => [name, ...rest])
  )
]

const stack = <S>(codec: Codec.Codec<S>, names: ReadonlyArray<string>): Codec.Codec<S> =>
  names.reduce((below, name) => layers[name]?.(below) ?? below, codec)

const all = stacks(Object.keys(layers))

describe("codecs upon one another", () => {
  for (const [base, codec] of [
    ["json", Codec.json(Rich)],
    ["versions", Versioned.make(Migration.from(1, Rich))]
  ] as const)
    it.effect(`bring every state back, in any order (${all.length} orders over ${base})`, () =>
      Effect.gen(function* () {
        const plain = Codec.json(Rich)
        const bound = all.map((names) => Codec.bind(stack(codec, names), { agent: "a", key: "b" }))
        expect(new Set(bound.map(({ format }) => format)).size).toBe(all.length)
        const result = yield* Arbitrary.checkEffect(
          Arbitrary.schema(Rich),
          (state) =>
            Effect.gen(function* () {
              const expected = yield* Effect.result(plain.encode(state))
              for (const codec of bound) {
                const encoded = yield* Effect.result(codec.encode(state))
                expect(encoded._tag).toBe(expected._tag)
                if (encoded._tag === "Failure" || expected._tag === "Failure") continue
                expect(yield* plain.encode(yield* codec.decode(encoded.success))).toBe(expected.success)
                expect(yield* Codec.isCurrent(codec, encoded.success)).toBe(true)
              }
              return true
            }),
          { runs: 40 }
        )
        expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
      })
    )

  it.effect("are bound to a place if one of them is, wherever it lies", () =>
    Effect.gen(function* () {
      const state = { n: 1 }
      const schema = Schema.Struct({ n: Schema.Number })
      for (const names of all) {
        const codec = stack(Codec.json(schema), names)
        const payload = yield* Codec.bind(codec, { agent: "a" }).encode(state)
        const elsewhere = yield* Effect.result(Codec.bind(codec, { agent: "b" }).decode(payload))
        expect(elsewhere._tag, names.join()).toBe(names.includes("encrypted") ? "Failure" : "Success")
      }
    })
  )
})

it.effect("a payload is current if it is for every layer, down to the schema", () =>
  Effect.gen(function* () {
    const [old, current] = [second, third].map((chain) => Versioned.make<unknown>(chain as Migration.Chain<unknown>))
    if (old === undefined || current === undefined) throw new Error("there are two")
    const state = { first: "Ada", last: "Lovelace", born: new Date(0) }
    for (const names of all) {
      const codec = stack(current, names)
      const payload = yield* stack(old, names).encode(state)
      expect(yield* codec.decode(payload)).toEqual({ ...state, tags: [] })
      expect(yield* Codec.isCurrent(codec, payload), names.join()).toBe(false)
    }
  })
)

describe("an agent", () => {
  const Text = Schema.Struct({ text: Schema.String })

  it.effect("encodes a state once, however it is stored and whoever measures it", () =>
    Effect.gen(function* () {
      let encodings = 0
      const json = Codec.json(Text)
      const counting: Codec.Codec<typeof Text.Type> = {
        ...json,
        encode: (state) => {
          encodings++
          return json.encode(state)
        }
      }
      const driver = yield* SqliteDriver.make({ filename: ":memory:" })
      const schema = Encrypted.make(Compressed.make(counting), keys)
      const texts = yield* Effect.provideService(SqlAgent.family({ name: "texts", schema }), SqlDriver, driver)
      for (const size of [1, 10_000, 1_000_000]) {
        const state = { text: "x".repeat(size) }
        for (const agent of [texts.at("a"), EntropyConstrained.make(texts.at("a"))]) {
          encodings = 0
          yield* agent.save(state)
          expect([size, encodings]).toEqual([size, 1])
          expect(yield* agent.load).toEqual(state)
        }
        encodings = 0
        yield* texts.saveMany([["b", state]])
        expect([size, encodings]).toEqual([size, 1])
        expect(yield* texts.loadMany(["b"])).toEqual(new Map([["b", state]]))
      }
    })
  )

  it.effect("that is cached keeps what it encrypts", () =>
    Effect.gen(function* () {
      const driver = yield* SqliteDriver.make({ filename: ":memory:" })
      const schema = Encrypted.make(Text, keys)
      const texts = yield* Effect.provideService(SqlAgent.family({ name: "texts", schema }), SqlDriver, driver)
      const cached = yield* Cached.make(texts.at("a"))
      yield* cached.save({ text: "one" })
      expect(yield* cached.load).toEqual({ text: "one" })
      yield* texts.at("a").save({ text: "two" })
      yield* cached.update(({ text }) => ({ text: `${text}, three` }))
      expect(yield* texts.at("a").load).toEqual({ text: "two, three" })
    })
  )

  it.effect("adopts an edited file into the form that it stores", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped()}/text.json`
      yield* fs.writeFileString(path, '{"text":"by hand"}')
      const schema = Encrypted.make(Text, { ...keys, unencrypted: "read" })
      const open = PersistentAgent.make({ name: "text", path, schema, edits: "adopt" })
      yield* Effect.scoped(Effect.flatMap(open, (agent) => agent.load))
      expect(yield* fs.readFileString(path)).not.toContain("by hand")
      expect(yield* Effect.scoped(Effect.flatMap(open, (agent) => agent.load))).toEqual({ text: "by hand" })
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("in files shows versions as JSON", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* fs.makeTempDirectoryScoped()}/text.json`
      const agent = yield* PersistentAgent.make({
        path,
        schema: Versioned.make(Migration.from(1, Text), { indent: 2 })
      })
      yield* agent.save({ text: "legible" })
      expect(JSON.parse(yield* fs.readFileString(path))).toMatchObject({ state: { $version: 1, text: "legible" } })
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
