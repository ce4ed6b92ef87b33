import { execFileSync } from "node:child_process"
import { inspect, isDeepStrictEqual } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import { Codec } from "dgents"
import { Effect, Exit, Option, Schema, SchemaGetter, SchemaIssue } from "effect"
import * as Arbitrary from "effect/Arbitrary"

class Point extends Schema.Class<Point>("Point")({ x: Schema.Number, at: Schema.Date }) {}
class Note extends Schema.TaggedClass<Note>()("Note", { text: Schema.NullishOr(Schema.String) }) {}

interface Tree {
  readonly label: string
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  label: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})

interface Chain {
  readonly next: Chain | null
}
const Chain: Schema.Codec<Chain> = Schema.Struct({
  next: Schema.NullOr(Schema.suspend((): Schema.Codec<Chain> => Chain))
})
const chain = (length: number): Chain => {
  let link: Chain = { next: null }
  for (let i = 0; i < length; i++) link = { next: link }
  return link
}

const errorOf = <A>(exit: Effect.Effect<A, Codec.CodecError>): Codec.CodecError => Effect.runSync(Effect.flip(exit))

// Objects without a prototype, which Arbitrary makes some of, come back as ordinary ones.
const ordinary = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(ordinary)
  if (typeof value !== "object" || value === null) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, ordinary(item)]))
}

/** What became of a value: the text, or why it was refused. Anything that comes back changed fails the test. */
const roundTrip = <S>(codec: Codec.Codec<S>, state: S): string | Codec.CodecError => {
  const encoded = Effect.runSyncExit(codec.encode(state))
  if (Exit.isFailure(encoded)) return errorOf(codec.encode(state))
  const decoded = Effect.runSync(codec.decode(encoded.value))
  if (!isDeepStrictEqual(decoded, ordinary(state)))
    throw new Error(`changed: ${inspect(state)} came back as ${inspect(decoded)}`)
  // The text is stable, and the same as bytes.
  expect(Effect.runSync(codec.encode(decoded))).toBe(encoded.value)
  const bytes = new TextEncoder().encode(String(encoded.value))
  expect(Effect.runSync(codec.decode(bytes))).toEqual(decoded)
  return String(encoded.value)
}

const returns = <S>(schema: Schema.Codec<S, unknown>, ...states: ReadonlyArray<S>) => {
  for (const indent of [0, 2])
    for (const state of states) expect(roundTrip(Codec.json(schema, { indent }), state)).toBeTypeOf("string")
}

const refuses = <S>(schema: Schema.Codec<S, unknown>, ...states: ReadonlyArray<S>) => {
  for (const state of states) expect(roundTrip(Codec.json(schema), state), inspect(state)).toHaveProperty("reason")
}

// What a caller without types may hand over.
const untyped = <S>(codec: Codec.Codec<S>, state: unknown) => codec.encode(state as S)

describe("what comes back equal", () => {
  it("dates, bigints, maps, sets and bytes", () => {
    returns(
      Schema.Struct({
        date: Schema.Date,
        bigint: Schema.BigInt,
        map: Schema.ReadonlyMap(Schema.String, Schema.Date),
        set: Schema.ReadonlySet(Schema.BigInt),
        bytes: Schema.Uint8Array
      }),
      {
        date: new Date(8.64e15),
        bigint: -(2n ** 80n),
        map: new Map([["a", new Date(-8.64e15)]]),
        set: new Set([1n, 2n]),
        bytes: new Uint8Array([0, 255])
      },
      { date: new Date(0), bigint: 0n, map: new Map(), set: new Set<bigint>(), bytes: new Uint8Array() }
    )
  })

  it("NaN, the infinities and -0, wherever they are", () => {
    for (const n of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, 1e308, 5e-324]) {
      returns(Schema.Number, n)
      returns(Schema.Struct({ n: Schema.Number }), { n })
      returns(Schema.Struct({ n: Schema.optional(Schema.Number) }), { n }, {}, { n: undefined })
      returns(Schema.Array(Schema.Number), [n, 1, n])
      returns(Schema.Tuple([Schema.Number, Schema.String]), [n, "0"])
      returns(Schema.Record(Schema.String, Schema.Array(Schema.Number)), { "0": [n], "-0": [] })
      returns(Schema.ReadonlyMap(Schema.Number, Schema.Number), new Map([[1, n]]))
      returns(Schema.Option(Schema.Number), Option.some(n))
      returns(Point, new Point({ x: n, at: new Date(0) }))
    }
    returns(Schema.Unknown, { a: [-0, 0, { b: -0 }] })
    returns(Schema.Any, -0)
    returns(Schema.Union([Schema.Struct({ a: Schema.String }), Schema.Struct({ b: Schema.Int })]), { b: -0 })
  })

  it("a missing field and an explicit undefined, told apart", () => {
    returns(Schema.Struct({ a: Schema.optional(Schema.String) }), {}, { a: undefined }, { a: "" })
    returns(Schema.Struct({ a: Schema.optionalKey(Schema.UndefinedOr(Schema.Date)) }), {}, { a: undefined })
    returns(Schema.Array(Schema.UndefinedOr(Schema.String)), [undefined, "a"])
    returns(Schema.Tuple([Schema.optional(Schema.String)]), [], [undefined], ["a"])
    returns(Schema.UndefinedOr(Schema.String), undefined)
  })

  it("schema classes and options", () => {
    returns(
      Schema.Array(Schema.Union([Point, Note])),
      [new Point({ x: 1, at: new Date(1) }), new Note({ text: "a" })],
      [new Note({ text: null })]
    )
    returns(Schema.Option(Schema.Option(Schema.Date)), Option.none(), Option.some(Option.none()))
  })

  it("recursion to 512 levels; what is deeper is refused, since it might not be readable again", () => {
    returns(Tree, { label: "a", children: [{ label: "b", children: [] }] })
    returns(Chain, chain(300))
    // The last link is `null`, which is no level of its own.
    returns(Chain, chain(511))
    for (const depth of [512, 1_000, 100_000])
      expect(errorOf(Codec.json(Chain).encode(chain(depth))).reason).toMatch(/nested/)
  })

  it("any string and any key", () => {
    const strings = [
      "",
      "\0",
      "\ud800",
      "\udc00x",
      "\u2028",
      '"\\',
      "\n",
      "😀",
      "NaN",
      "__proto__",
      "x".repeat(1 << 20)
    ]
    returns(Schema.Array(Schema.String), strings)
    const record: Record<string, number> = {}
    for (const key of [...strings, "constructor", "toString", "toJSON"])
      Object.defineProperty(record, key, { value: 1, enumerable: true, configurable: true, writable: true })
    returns(Schema.Record(Schema.String, Schema.Number), record)
    returns(Schema.Unknown, record)
  })

  it.effect("what Arbitrary makes of a schema with everything in it", () =>
    Effect.gen(function* () {
      const Everything = Schema.Struct({
        n: Schema.Number,
        d: Schema.Date,
        o: Schema.optional(Schema.NullOr(Schema.Number)),
        k: Schema.optionalKey(Schema.String),
        m: Schema.ReadonlyMap(Schema.String, Schema.BigInt),
        r: Schema.Record(Schema.String, Schema.Unknown),
        u: Schema.Union([Schema.String, Schema.Number, Schema.Date]),
        p: Schema.Array(Point),
        t: Tree,
        j: Schema.Json
      })
      const codec = Codec.json(Everything)
      const result = yield* Arbitrary.checkEffect(Arbitrary.schema(Everything), (state) => {
        roundTrip(codec, state)
        return true
      })
      expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
    })
  )
})

describe("what would come back changed is refused", () => {
  const { NullOr, NullishOr, Struct, UndefinedOr, Union, optional, optionalKey } = Schema
  const Text = Schema.String
  const Nil = Schema.Null.pipe(
    Schema.decodeTo(Schema.Literal("nil"), {
      decode: SchemaGetter.transform(() => "nil" as const),
      encode: SchemaGetter.transform(() => null)
    })
  )

  it("undefined beside null", () => {
    refuses(Struct({ a: optional(NullOr(Text)) }), { a: undefined })
    returns(Struct({ a: optional(NullOr(Text)) }), { a: null }, {}, { a: "x" })
    refuses(Struct({ a: optionalKey(NullishOr(Text)) }), { a: undefined })
    refuses(Schema.Array(UndefinedOr(NullOr(Text))), [undefined], [null, undefined])
    refuses(Schema.Record(Text, NullishOr(Schema.Number)), { a: undefined })
    refuses(Schema.Tuple([Text, optionalKey(NullishOr(Text))]), ["a", undefined])
    refuses(Schema.Option(NullishOr(Text)), Option.some(undefined))
    refuses(Schema.ReadonlyMap(Text, NullishOr(Text)), new Map([["a", undefined]]))
    refuses(Schema.ReadonlySet(NullishOr(Text)), new Set([undefined]), new Set([null, undefined]))
    refuses(Note, new Note({ text: undefined }))
    refuses(NullishOr(Schema.Date), undefined)
    returns(NullishOr(Schema.Date), null, new Date(0))
    refuses(Struct({ a: optional(Nil) }), { a: undefined })
    returns(Struct({ a: optional(Nil) }), { a: "nil" }, {})
    refuses(Struct({ a: UndefinedOr(Schema.suspend(() => NullOr(Text))) }), { a: undefined })
    refuses(Struct({ a: UndefinedOr(Schema.OptionFromNullOr(Text)) }), { a: undefined })
    refuses(Struct({ a: optional(Schema.Unknown) }), { a: undefined })
  })

  it("a value and its name: which of the two is decided by the order of the members", () => {
    const oneOfTwo = <S>(schema: Schema.Codec<S, unknown>, a: S, b: S) => {
      const codec = Codec.json(schema)
      const kinds = [a, b].map((state) => typeof roundTrip(codec, state))
      expect(kinds.sort()).toEqual(["object", "string"])
    }
    oneOfTwo(Union([Schema.String, Schema.Number]), Number.NaN, "NaN")
    oneOfTwo(Union([Schema.Number, Schema.String]), Number.NEGATIVE_INFINITY, "-Infinity")
    oneOfTwo(Union([Schema.Date, Schema.String]), new Date(0), new Date(0).toISOString())
    oneOfTwo(Union([Schema.String, Schema.BigInt]), 12n, "12")
    oneOfTwo(Union([Schema.Uint8Array, Schema.String]), new Uint8Array([1]), "AQ==")
    oneOfTwo(Union([Schema.ReadonlySet(Text), Schema.Array(Text)]), new Set(["a"]), ["a"])
    oneOfTwo(Union([Point, Struct({ x: Schema.Number, at: Schema.Date })]), new Point({ x: 1, at: new Date(0) }), {
      x: 1,
      at: new Date(0)
    })
    oneOfTwo(Union([Schema.Option(Text), Struct({ _tag: Schema.Literal("None") })]), Option.none(), { _tag: "None" })
  })

  it("-0 under a transformation that loses its sign, and a value under Void", () => {
    refuses(Schema.NumberFromString, -0)
    returns(Schema.NumberFromString, 0, Number.NaN, 1.5)
    const codec = Codec.json(Struct({ a: Schema.Void }))
    expect(errorOf(untyped(codec, { a: 5 })).reason).toContain("would come back changed")
  })

  it("what JSON has no word for", () => {
    const symbol = { [Symbol("s")]: 1 }
    const own = { toJSON: () => 1 }
    const values: ReadonlyArray<unknown> = [new Date(0), new Map(), Number.NaN, 1n, () => 1, Symbol("s"), symbol, own]
    const places = [Schema.Unknown, Schema.Any, Schema.Struct({ a: Schema.Unknown }), Schema.Struct({ a: Schema.Any })]
    for (const value of values) {
      for (const schema of places) {
        expect(errorOf(untyped(Codec.json<unknown>(schema), "fields" in schema ? { a: value } : value))).toBeTruthy()
      }
      refuses(Schema.Array(Schema.Any), [value])
    }
    refuses(Schema.Any, undefined, { a: undefined }, [undefined])
    const objects = Codec.json(Struct({ a: Schema.ObjectKeyword }))
    for (const a of [new Date(0), new Map([["a", 1]]), () => 1]) expect(errorOf(objects.encode({ a }))).toBeTruthy()
    expect(errorOf(untyped(Codec.json(Struct({})), { a: new Date(0) }))).toBeTruthy()
  })

  it("a date that is none", () => {
    expect(errorOf(Codec.json(Struct({ d: Schema.Date })).encode({ d: new Date(Number.NaN) })).path).toEqual(["d"])
  })
})

describe("excess properties are refused in both directions, with the path", () => {
  const cases: ReadonlyArray<readonly [Schema.Codec<unknown, unknown>, unknown, ReadonlyArray<PropertyKey>]> = [
    [Schema.Struct({ a: Schema.String }), { a: "x", b: 1 }, ["b"]],
    [Schema.Array(Schema.Struct({ a: Schema.Number })), [{ a: 1 }, { a: 2, b: 1 }], [1, "b"]],
    [Schema.Record(Schema.String, Schema.Struct({ a: Schema.Int })), { k: { a: 1, b: 1 } }, ["k", "b"]],
    [Schema.Struct({ t: Schema.optionalKey(Schema.Struct({ a: Schema.Null })) }), { t: { a: null, b: 1 } }, ["t", "b"]],
    [Tree, { label: "a", children: [{ label: "b", children: [], b: 1 }] }, ["children", 0, "b"]],
    [
      Schema.Union([
        Schema.TaggedStruct("A", { n: Schema.Number }),
        Schema.TaggedStruct("B", { n: Schema.optional(Schema.Number) })
      ]),
      { _tag: "B", n: 1, b: 1 },
      ["b"]
    ]
  ]

  it("strings", () => {
    for (const [schema, value, path] of cases) {
      const codec = Codec.json(schema)
      expect(errorOf(codec.encode(value)).path).toEqual(path)
      expect(errorOf(codec.validate(value)).path).toEqual(path)
      expect(errorOf(codec.decode(JSON.stringify(value))).path).toEqual(path)
    }
    const classes = Codec.json(Point)
    expect(errorOf(classes.decode('{"x":1,"at":"1970-01-01T00:00:00.000Z","b":1}')).path).toEqual(["b"])
  })

  it("symbols", () => {
    const symbol = Symbol("s")
    const codec = Codec.json(Schema.Struct({ a: Schema.Struct({ b: Schema.Number }) }))
    const state = { a: { b: 1, [symbol]: 2 } }
    expect(errorOf(codec.encode(state)).path).toEqual(["a", symbol])
    expect(errorOf(codec.validate(state)).path).toEqual(["a", symbol])
  })
})

describe("an instance of a class where the schema asks for a plain object is refused, with the path", () => {
  class Tally {
    readonly a = 1
  }
  const Numbers = Schema.Record(Schema.String, Schema.Number)
  class Held extends Schema.Class<Held>("Held")({ numbers: Numbers }) {}
  // What a program does that is not type-checked, or that a structural type lets through.
  const alien = (value: object): Readonly<Record<string, number>> => Object.assign(value)
  const instances = [new Date(), new Map([["a", 1]]), new Set([1]), /a/, new Uint8Array(1), new Tally(), new Error("a")]

  const refuses = <S>(schema: Schema.Codec<S, unknown>, state: S, path: ReadonlyArray<PropertyKey>) => {
    const codec = Codec.json(schema)
    for (const error of [errorOf(codec.encode(state)), errorOf(codec.validate(state))]) {
      expect(error.path).toEqual(path)
      expect(error.reason).toContain("is an instance of a class")
    }
  }

  it.each(instances.map((instance) => [instance.constructor.name, instance] as const))("a %s", (_, instance) => {
    const value = alien(instance)
    refuses(Numbers, value, [])
    refuses(Schema.Record(Schema.String, Schema.Unknown), value, [])
    refuses(Schema.Struct({ a: Schema.Array(Numbers) }), { a: [{}, value] }, ["a", 1])
    refuses(Schema.Tuple([Schema.Date, Numbers]), [new Date(0), value], [1])
    refuses(Schema.Struct({ at: Schema.Date, in: Schema.NullOr(Numbers) }), { at: new Date(0), in: value }, ["in"])
    refuses(Schema.ReadonlyMap(Schema.String, Numbers), new Map([["k", value]]), [])
    refuses(Schema.Option(Numbers), Option.some(value), [])
    refuses(Schema.Union([Numbers, Schema.Date]), value, [])
  })

  it("in an instance of a class that the schema has", () =>
    refuses(Held, Object.assign(new Held({ numbers: {} }), { numbers: alien(new Map()) }), ["numbers"]))

  it("in a schema that refers to itself", () => {
    interface Node {
      readonly next: Node | undefined
      readonly numbers: Readonly<Record<string, number>>
    }
    const Node: Schema.Codec<Node> = Schema.Struct({
      next: Schema.UndefinedOr(Schema.suspend((): Schema.Codec<Node> => Node)),
      numbers: Numbers
    })
    refuses(Node, { next: { next: undefined, numbers: alien(new Tally()) }, numbers: {} }, ["next", "numbers"])
  })

  it("where properties alone are asked for, of a struct", () => {
    refuses(Schema.Struct({ a: Schema.Number }), new Tally(), [])
    refuses(Schema.Struct({ a: Schema.optionalKey(Schema.Number) }), new Tally(), [])
  })
})

describe("what cannot be read is a typed error that names the problem", () => {
  const codec = Codec.json(Schema.Struct({ a: Schema.String }))

  it("payloads", () => {
    expect(errorOf(codec.decode(new Uint8Array([0x22, 0xff, 0x22]))).reason).toBe("is not UTF-8 text")
    for (const text of ["", "{", "undefined", '{"a":"b"}}', "\0"])
      expect(errorOf(codec.decode(text)).reason).toBe("is not JSON text")
    expect(errorOf(codec.decode("[".repeat(500_000))).reason).toMatch(/not JSON text|too deeply/)
    expect(errorOf(codec.decode("{}"))).toMatchObject({ path: ["a"], reason: "Missing key" })
    expect(errorOf(Codec.json(Schema.Number).decode("1e999")).reason).toBe("Expected a finite number")
    expect(errorOf(Codec.json(Schema.Unknown).decode("[1e999]")).reason).toBeTruthy()
  })

  it("functions, symbols, getters that throw and proxies", () => {
    const throwing = {
      get a(): string {
        throw new Error("SECRET")
      }
    }
    const proxy = new Proxy(
      {},
      {
        has: () => {
          throw new SyntaxError("SECRET")
        },
        get: () => {
          throw new RangeError("SECRET")
        }
      }
    )
    for (const state of [{ a: () => 1 }, { a: Symbol("SECRET") }, throwing, proxy, null, undefined, 1n]) {
      for (const effect of [untyped(codec, state), codec.validate(state as { a: string })]) {
        const error = errorOf(effect)
        expect(error._tag).toBe("CodecError")
        expect(error.reason).not.toContain("SECRET")
      }
    }
    expect(errorOf(codec.encode(throwing)).reason).toContain("threw while it was read")
  })

  it("cycles and very deep values", () => {
    interface Knot {
      next: Knot | null
    }
    const knot: Knot = { next: null }
    knot.next = knot
    const chains = Codec.json(Chain)
    expect(errorOf(chains.encode(knot)).reason).toBe("is nested too deeply or refers to itself")
    expect(errorOf(chains.validate(knot)).reason).toBe("is nested too deeply or refers to itself")
    expect(errorOf(Codec.json(Schema.Unknown).encode(knot))).toBeTruthy()
    expect(errorOf(Codec.json(Schema.Any).encode(knot))).toBeTruthy()
    expect(errorOf(chains.validate(chain(200_000))).reason).toBe("is nested too deeply or refers to itself")
    const text = `${'{"next":'.repeat(200_000)}null${"}".repeat(200_000)}`
    expect(errorOf(chains.decode(text)).reason).toBe("is nested too deeply or refers to itself")
  })

  it("an asynchronous transformation", () => {
    const slowly = SchemaGetter.transformEffect((text: string) => Effect.delay(Effect.succeed(text), 1))
    const slow = Codec.json(
      Schema.Struct({ a: Schema.String.pipe(Schema.decodeTo(Schema.String, { decode: slowly, encode: slowly })) })
    )
    expect(errorOf(slow.encode({ a: "x" })).reason).toContain("asynchronous")
    expect(errorOf(slow.decode('{"a":"x"}')).reason).toContain("asynchronous")
  })
})

describe("no error holds the value", () => {
  const quoting = (text: string) => new SchemaIssue.InvalidValue({ message: `bad ${text}`, expected: `not ${text}` })
  const fails = SchemaGetter.transformEffect((text: string) => Effect.fail(quoting(text)))
  const schemas: Record<string, Schema.Codec<unknown, unknown>> = {
    literal: Schema.Literal("a"),
    literals: Schema.Literals(["a", "b"]),
    enum: Schema.Enum({ A: "a", B: 1 }),
    pattern: Schema.String.check(Schema.isPattern(/^a$/)),
    length: Schema.String.check(Schema.isMaxLength(3)),
    template: Schema.TemplateLiteral(["a", Schema.Number]),
    message: Schema.String.check(Schema.makeFilter((text: string) => `bad ${text}`)),
    issue: Schema.String.check(Schema.makeFilter((text: string) => ({ path: [], issue: `bad ${text}` }))),
    made: Schema.String.check(Schema.makeFilter((text: string) => quoting(text))),
    transformation: Schema.String.pipe(Schema.decodeTo(Schema.String, { decode: fails, encode: fails })),
    number: Schema.Number,
    date: Schema.Date,
    url: Schema.URL,
    bigint: Schema.BigInt,
    bytes: Schema.Uint8Array,
    union: Schema.Union([Schema.Literal("a"), Schema.Struct({ a: Schema.String })]),
    redacted: Schema.Redacted(Schema.Number),
    class: Point
  }
  for (const [name, schema] of Object.entries(schemas)) {
    it(name, () => {
      const codec = Codec.json(Schema.Struct({ at: schema }))
      for (const secret of ["SECRET", `SECRET${"x".repeat(5_000)}`]) {
        const errors = [codec.encode({ at: secret }), codec.decode(JSON.stringify({ at: secret }))].map(errorOf)
        for (const error of errors) {
          expect(error.path).toEqual(["at"])
          expect(error.reason).not.toContain("SECRET")
          expect(error.reason).not.toBe("")
        }
      }
    })
  }
})

describe("nothing is shared", () => {
  it("encode keeps no reference to the state, and each decoding is a new value", () => {
    const codec = Codec.json(Schema.Struct({ list: Schema.Array(Schema.Unknown) }))
    const state = { list: [{ a: 1 }] }
    const payload = Effect.runSync(codec.encode(state))
    state.list.push({ a: 2 })
    const [one, two] = [Effect.runSync(codec.decode(payload)), Effect.runSync(codec.decode(payload))]
    expect(one).toEqual({ list: [{ a: 1 }] })
    expect(one.list[0]).not.toBe(two.list[0])
  })

  it("decode leaves the bytes alone", () => {
    const bytes = new TextEncoder().encode('{"a":1}')
    const before = bytes.slice()
    Effect.runSync(Codec.json(Schema.Struct({ a: Schema.Number })).decode(bytes))
    expect(bytes).toEqual(before)
  })
})

describe("the fingerprint", () => {
  const of = (schema: Schema.Codec<unknown, unknown>) => Codec.json<unknown>(schema).fingerprint
  const { Array: List, Int, Number: Num, String: Text, Struct } = Schema

  it("differs when the stored shape differs", () => {
    const shapes: ReadonlyArray<Schema.Codec<unknown, unknown>> = [
      Struct({ a: Text }),
      Struct({ b: Text }),
      Struct({ b: Text.check(Schema.makeFilter(() => true)), c: Text }),
      Struct({ a: Schema.optionalKey(Text) }),
      Struct({ a: Schema.NullOr(Text) }),
      Struct({ a: Num }),
      Struct({ a: Int }),
      Struct({ a: Schema.Unknown }),
      Struct({ a: List(Text) }),
      Struct({ a: List(List(Text)) }),
      Struct({ a: Schema.Tuple([Text]) }),
      Struct({ a: Schema.Record(Text, Text) }),
      Struct({ a: Schema.Literal("a") }),
      Struct({ a: Schema.Literal("b") }),
      Struct({ a: Schema.Enum({ A: 1 }) }),
      Struct({ a: Struct({ a: Text }) }),
      Schema.ReadonlyMap(Text, Text),
      Schema.Option(Text),
      Tree,
      Chain,
      Point
    ]
    const fingerprints = shapes.map(of)
    for (const text of fingerprints) expect(text).toMatch(/^[0-9a-f]{16}$/)
    expect(new Set(fingerprints).size).toBe(shapes.length)
  })

  it("stays when only names, descriptions, checks or the order of fields change", () => {
    const plain = of(Struct({ a: Text, n: Num }))
    expect(of(Struct({ n: Num, a: Text }))).toBe(plain)
    expect(of(Struct({ a: Text.annotate({ description: "a name" }), n: Num }).annotate({ identifier: "S" }))).toBe(
      plain
    )
    expect(of(Struct({ a: Text.check(Schema.isMinLength(1)), n: Num }))).toBe(plain)
    expect(of(Struct({ a: Text.annotateKey({ title: "A" }), n: Num.pipe(Schema.brand("N")) }))).toBe(plain)
  })

  it("is equal in another process", () => {
    const script = `
      import { Codec } from "dgents"
      import { Schema } from "effect"
      const Tree = Schema.Struct({ label: Schema.String, children: Schema.Array(Schema.suspend(() => Tree)) })
      process.stdout.write(Codec.json(Tree).fingerprint)`
    const args = ["--conditions=@dgents/source", "--input-type=module", "--eval", script]
    expect(execFileSync(process.execPath, args, { encoding: "utf8" })).toBe(of(Tree))
  })
})

it("a schema that never stops making new nodes still gets a codec", () => {
  interface Layers {
    readonly n: number
    readonly inner?: Layers
  }
  const layers = (): Schema.Codec<Layers> =>
    Schema.Struct({ n: Schema.Number, inner: Schema.optionalKey(Schema.suspend(layers)) })
  returns(layers(), { n: 1, inner: { n: -0 } })
})
