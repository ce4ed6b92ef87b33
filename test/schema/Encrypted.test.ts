import { createDecipheriv, randomBytes } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { Codec, CodecOptionsInvalid, Encrypted, SqlAgent, SqlDriver, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Redacted, Schema } from "effect"

const Note = Schema.Struct({ text: Schema.String })
const note = { text: "the combination is 12-34-56" }
const [a, b] = [randomBytes(32), randomBytes(32)]
const make = (current: string, keys: Encrypted.Options["keys"], options?: Partial<Encrypted.Options>) =>
  Encrypted.make(Note, { current, keys, ...options })
const here: Codec.Place = { agent: "notes", key: "ada" }
const codec = Codec.bind(make("a", { a }), here)

const encode = <S>(codec: Codec.Codec<S>, state: S): Uint8Array => {
  const payload = Effect.runSync(codec.encode(state))
  if (typeof payload === "string") throw new Error("ciphertext is bytes")
  return payload
}
const refusal = <S>(codec: Codec.Codec<S>, payload: Codec.Payload): string =>
  Effect.runSync(Effect.flip(codec.decode(payload))).reason

describe("a payload", () => {
  it("comes back, says nothing of the state, and is another one each time", () => {
    const payload = encode(codec, note)
    expect(Effect.runSync(codec.decode(payload))).toEqual(note)
    expect(Buffer.from(payload).includes("combination")).toBe(false)
    expect(encode(codec, note)).not.toEqual(payload)
    expect(payload.byteLength).toBe(JSON.stringify(note).length + 38)
  })

  it("is AES-256-GCM as everybody knows it: name, nonce, ciphertext, tag", () => {
    const payload = Buffer.from(encode(codec, note))
    expect(payload.toString("latin1", 0, 10)).toBe("dgentset\x01a")
    const decipher = createDecipheriv("aes-256-gcm", a, payload.subarray(10, 22))
    decipher.setAAD(Buffer.concat([payload.subarray(0, 10), Buffer.from('["notes","ada"]')]))
    decipher.setAuthTag(payload.subarray(-16))
    expect(decipher.update(payload.subarray(22, -16), undefined, "utf8") + decipher.final("utf8")).toBe(
      JSON.stringify(note)
    )
  })

  it("with any byte changed, in any way that counts, is refused", () => {
    const payload = encode(codec, note)
    for (let at = 0; at < payload.length; at++)
      for (const mask of [1, 2, 4, 8, 16, 32, 64, 128, 0x16, 255]) {
        const changed = payload.slice()
        changed[at] = (changed[at] ?? 0) ^ mask
        expect(refusal(codec, changed), `byte ${at} by ${mask}`).not.toBe("")
      }
  })

  it("that is cut, anywhere, or followed by something, is refused", () => {
    const payload = encode(codec, note)
    for (let length = 0; length < payload.length; length++)
      expect(refusal(codec, payload.slice(0, length))).not.toBe("")
    expect(refusal(codec, Buffer.concat([payload, Buffer.of(0)]))).toContain("does not authenticate")
  })

  it("of another agent or key is refused, however their names are cut", () => {
    const unbound = make("a", { a })
    const places: ReadonlyArray<Codec.Place> = [
      here,
      { agent: "notes" },
      { agent: "notes", key: "" },
      { agent: "notesa", key: "da" },
      { agent: "notes", key: "bob" },
      { agent: 'notes","ada' },
      { agent: "other", key: "ada" }
    ]
    const codecs = [unbound, ...places.map((place) => Codec.bind(unbound, place))]
    for (const writer of codecs)
      for (const reader of codecs)
        if (reader !== writer)
          expect(refusal(reader, encode(writer, note))).toContain("stored for another agent or key")
  })

  it("that is not encrypted is refused, unless it is to be taken over", () => {
    const text = Effect.runSync(Codec.json(Note).encode(note))
    expect(refusal(codec, text)).toContain("it is not encrypted")
    const open = make("a", { a }, { unencrypted: "read" })
    expect(Effect.runSync(open.decode(text))).toEqual(note)
    expect(Effect.runSync(Codec.isCurrent(open, text))).toBe(false)
  })
})

describe("keys", () => {
  it("are rotated: the older ones are read, the current one is written", () => {
    const old = encode(codec, note)
    const rotated = Codec.bind(make("b", { a: Redacted.make(a), b: Redacted.make(b) }), here)
    expect(Effect.runSync(rotated.decode(old))).toEqual(note)
    expect(Effect.runSync(Codec.isCurrent(rotated, old))).toBe(false)
    const next = encode(rotated, note)
    expect(Effect.runSync(Codec.isCurrent(rotated, next))).toBe(true)
    expect(refusal(codec, next)).toContain('encrypted under a key named "b", which is not among those given')
    expect(Effect.runSync(Codec.bind(make("b", { b }), here).decode(next))).toEqual(note)
  })

  it("that are wrong are told from keys that are missing", () => {
    expect(refusal(Codec.bind(make("a", { a: b }), here), encode(codec, note))).toContain("does not authenticate")
  })

  it("that cannot be are refused when the codec is made, and are not printed", () => {
    const key = randomBytes(31)
    const wrong: ReadonlyArray<[Encrypted.Options, string]> = [
      [{ current: "a", keys: { a: key } }, 'the key "a" has to be 32 bytes'],
      [{ current: "a", keys: { a, ["n".repeat(256)]: b } }, "at most 255 bytes"],
      [{ current: "toString", keys: { a } }, "no key of the name that is current"],
      [{ current: "a", keys: { a }, unencrypted: "maybe" as "read" }, "unencrypted"]
    ]
    for (const [options, words] of wrong) {
      expect(() => Encrypted.make(Note, options)).toThrow(CodecOptionsInvalid)
      expect(() => Encrypted.make(Note, options)).toThrow(words)
    }
    expect(() => Encrypted.make(Note, { current: "a", keys: { a: key } })).not.toThrow(key.toString("hex"))
  })

  it("whose array is overwritten after the codec was made go on working", () => {
    const key = randomBytes(32)
    const made = make("k", { k: key })
    const payload = encode(made, note)
    key.fill(0)
    expect(Effect.runSync(made.decode(payload))).toEqual(note)
  })
})

it.effect("one state of a database cannot be passed off as another", () =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: ":memory:" })
    const schema = make("a", { a })
    const notes = yield* Effect.provideService(SqlAgent.family({ name: "notes", schema }), SqlDriver, driver)
    // The same rows, as bytes, for somebody who can write to the database.
    const Raw = Schema.Struct({})
    const raw: Codec.Codec<Codec.Payload> = {
      ...Codec.json(Raw as unknown as Schema.Codec<Codec.Payload, unknown>),
      encode: Effect.succeed,
      decode: Effect.succeed,
      validate: () => Effect.void
    }
    const rows = yield* Effect.provideService(SqlAgent.family({ name: "notes", schema: raw }), SqlDriver, driver)
    yield* notes.saveMany([
      ["ada", note],
      ["bob", { text: "nothing" }]
    ])
    expect(yield* notes.loadMany(["ada", "bob"])).toEqual(
      new Map([
        ["ada", note],
        ["bob", { text: "nothing" }]
      ])
    )
    expect(yield* notes.at("ada").load).toEqual(note)
    yield* rows.at("bob").save(yield* rows.at("ada").load)
    expect(yield* Effect.flip(notes.at("bob").load)).toMatchObject({ _tag: "StateCorrupt", key: "bob" })
    expect(yield* Effect.flip(notes.loadMany(["bob"]))).toMatchObject({ _tag: "StateCorrupt", key: "bob" })
  })
)

it.effect("an agent in memory keeps encrypted states as it keeps others", () =>
  Effect.gen(function* () {
    const agent = yield* VolatileAgent.make({ name: "note", schema: make("a", { a }), initial: note })
    expect(yield* agent.load).toEqual(note)
    yield* agent.save({ text: "" })
    expect(yield* agent.load).toEqual({ text: "" })
  })
)
