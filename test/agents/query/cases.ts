/** Random schemas, states and queries, out of what databases and JavaScript see differently. */
import { type Family, Query } from "dgents"
import { type Effect, Schema, Stream } from "effect"

type AnySchema = Schema.Codec<unknown, unknown>

/** A stream of numbers that depends on its seed alone. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** A whole number from 0 up to `limit`, which it does not reach. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % limit
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0
  }

  pick<A>(list: ReadonlyArray<A>): A {
    // Sound: the lists of this file are not empty.
    return list[this.below(list.length)] as A
  }

  list<A>(most: number, make: () => A): Array<A> {
    return Array.from({ length: this.below(most + 1) }, make)
  }
}

/** What a database can keep. */
export interface Limits {
  /** Whether it tells NUL, lone surrogates and -0 from other values. */
  readonly keepsAll: boolean
}

const names = [
  "a",
  "b",
  "a.b",
  "a'b",
  'a"b',
  "a\\b",
  "$",
  "[0]",
  "0",
  "",
  "é",
  "😀",
  "\ud800",
  "__proto__",
  "toString",
  "then",
  "\n",
  "r.key",
  "?",
  "$1"
]
const strings = [
  "",
  "a",
  "A",
  "b",
  "ab",
  "%",
  "_",
  "a%",
  "'",
  '"',
  "\\",
  "\0",
  "a\0b",
  "\ud800",
  "\udc00",
  "\ud83d",
  "\ud83d\ue000",
  "\ud7ff",
  "😀",
  "😀x",
  "\ue000",
  "\uffff",
  "\u{10ffff}",
  "\u{10ffff}a",
  "é",
  "Infinity",
  "NaN",
  "null",
  "0",
  "true",
  "\n",
  "{}",
  "E'\\x'"
]
const numbers = [
  0,
  -0,
  1,
  -1,
  0.1,
  0.2,
  0.3,
  1.5,
  255,
  2 ** 53,
  2 ** 53 - 1,
  2 ** 60,
  2 ** 60 + 256,
  2 ** 70,
  1e21,
  1e300,
  -1e300,
  5e-324,
  1.1754943508222875e-38,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY
]
const dates = [
  0, 1, -1, 1_600_000_000_000, -62_167_219_200_000, -62_167_219_200_001, 253_402_300_799_999, 253_402_300_800_000,
  8.64e15
].map((time) => new Date(time))
const bigints = [0n, 1n, 10n, -5n, 2n ** 70n]
/** The largest of the numbers above. */
export const largest = 1e300

const isKept = (limits: Limits) => (text: string) => limits.keepsAll || (text.isWellFormed() && !text.includes("\0"))

type Leaf = "string" | "number" | "int" | "boolean" | "date" | "bigint" | "json"

/** A field of a random schema. */
export interface SomeField {
  readonly path: ReadonlyArray<string>
  readonly leaf: Leaf
  readonly value: () => unknown
}

interface Made {
  readonly schema: AnySchema
  readonly value: () => unknown
  readonly fields: ReadonlyArray<SomeField>
}

const leaf = (random: Random, limits: Limits, path: ReadonlyArray<string>): Made => {
  const texts = strings.filter(isKept(limits))
  const signed = limits.keepsAll ? numbers : numbers.filter((number) => !Object.is(number, -0))
  const made = <A>(leaf: Leaf, schema: Schema.Codec<A, unknown>, values: ReadonlyArray<A>): Made => {
    const value = () => random.pick(values)
    return { schema: schema as AnySchema, value, fields: [{ path, leaf, value }] }
  }
  switch (random.below(10)) {
    case 0:
    case 1:
      return made("string", Schema.String, texts)
    case 2:
      return made("string", Schema.Literals(["a", "b", 'it\'s "q"']), ["a", "b", 'it\'s "q"'])
    case 3:
      return made("number", Schema.Number, signed)
    case 4:
      return made("int", Schema.Int, [0, 1, 2, 3, 7, -4])
    case 5:
      return made("boolean", Schema.Boolean, [true, false])
    case 6:
      return made("date", Schema.Date, dates)
    case 7:
      return made("bigint", Schema.BigInt, bigints)
    case 8:
      return made("json", Schema.Array(Schema.String), [[], ["a"], texts])
    default:
      return made("json", Schema.Record(Schema.String, Schema.Number), [{}, { a: 1 }, { "\\": 1, "": 2, "\n": 3 }])
  }
}

const maybe = (random: Random, made: Made, isInherited: boolean): readonly [AnySchema, () => unknown] => {
  // `absent` stands for a property that is not there.
  const sometimes = (schema: AnySchema, ...others: ReadonlyArray<unknown>) =>
    [schema, () => (random.chance(3) ? random.pick(others) : made.value())] as const
  // A schema takes what an object inherits for its own, so that such a property cannot be absent.
  switch (random.below(7) + (isInherited ? 4 : 0)) {
    case 0:
      return sometimes(Schema.optionalKey(made.schema) as unknown as AnySchema, absent)
    case 1:
      return sometimes(Schema.optional(made.schema) as unknown as AnySchema, absent, undefined)
    case 3:
      return sometimes(Schema.optionalKey(Schema.NullOr(made.schema)) as unknown as AnySchema, absent, null)
    case 4:
      return sometimes(Schema.NullOr(made.schema), null)
    default:
      return [made.schema, made.value]
  }
}

const absent = Symbol("absent")

const struct = (random: Random, limits: Limits, path: ReadonlyArray<string>, depth: number): Made => {
  const fields: Array<SomeField> = []
  const schemas: Record<string, AnySchema> = Object.create(null)
  const values: Array<readonly [string, () => unknown]> = []
  const chosen = new Set(Array.from({ length: 1 + random.below(4) }, () => random.pick(names.filter(isKept(limits)))))
  for (const name of chosen) {
    const inner =
      depth > 0 && random.chance(4)
        ? struct(random, limits, [...path, name], depth - 1)
        : leaf(random, limits, [...path, name])
    const [schema, value] = maybe(random, inner, name in {})
    schemas[name] = schema
    values.push([name, value])
    fields.push(...inner.fields)
  }
  const value = () => {
    const state = {}
    for (const [name, make] of values) {
      const value = make()
      if (value !== absent)
        Object.defineProperty(state, name, { value, enumerable: true, writable: true, configurable: true })
    }
    return state
  }
  return { schema: Schema.Struct(schemas) as AnySchema, value, fields }
}

/** A schema, and for some keys the states that were saved one after the other. */
export interface Case {
  readonly schema: AnySchema
  readonly fields: ReadonlyArray<SomeField>
  readonly saved: ReadonlyArray<readonly [key: string, state: unknown]>
}

export const someCase = (random: Random, limits: Limits): Case => {
  const { fields, schema, value } = struct(random, limits, [], 2)
  const keys = strings.filter((text) => text.isWellFormed() && (limits.keepsAll || !text.includes("\0")))
  return { schema, fields, saved: random.list(12, () => [random.pick(keys), value()] as const) }
}

/** A query of any kind, to be run over families of one schema. */
export interface SomeQuery {
  readonly run: (family: Family.Family<unknown>) => Effect.Effect<unknown, unknown>
  readonly text: string
}

type P = Query.Fields<unknown>

const at = (p: P, path: ReadonlyArray<string>): Query.Field<never> =>
  // Sound: what a query's argument answers for any name is a field, or it refuses the name.
  path.reduce<unknown>((field, name) => Reflect.get(field as object, name), p) as Query.Field<never>

export const someQuery = (random: Random, limits: Limits, { fields, saved }: Case): SomeQuery => {
  const texts = strings.filter(isKept(limits))
  const log: Array<string> = []
  const keyTexts = limits.keepsAll ? texts : texts.filter((text) => text.isWellFormed())
  type Get = (p: P, row: Query.Row) => Query.Field<never>
  interface Known {
    readonly leaf: Leaf
    readonly get: Get
    readonly value: () => unknown
    readonly name: string
  }
  const known: ReadonlyArray<Known> = [
    ...fields.map(({ leaf, path, value }) => ({ leaf, value, name: JSON.stringify(path), get: (p: P) => at(p, path) })),
    {
      leaf: "string",
      name: "key",
      value: () => random.pick(keyTexts),
      get: (_p: P, row: Query.Row) => row.key as Query.Field<never>
    },
    {
      leaf: "int",
      name: "revision",
      value: () => random.below(4),
      get: (_p: P, row: Query.Row) => row.revision as Query.Field<never>
    },
    {
      leaf: "number",
      name: "savedAt",
      value: () => random.pick([0, 1e12, 1e15]),
      get: (_p: P, row: Query.Row) => row.savedAt as Query.Field<never>
    }
  ]
  const pick = (...leaves: ReadonlyArray<Leaf>): Known =>
    random.pick(known.filter(({ leaf }) => leaves.length === 0 || leaves.includes(leaf)))
  const scalars: ReadonlyArray<Leaf> = ["string", "number", "int", "boolean", "date", "bigint"]
  const ordered: ReadonlyArray<Leaf> = ["string", "number", "int", "boolean", "date"]

  type Make = (p: P, row: Query.Row) => Query.Predicate
  const predicate = (depth: number): Make => {
    switch (random.below(depth > 0 ? 10 : 6)) {
      case 0:
      case 1: {
        const { get, name, value } = pick(...ordered)
        const op: typeof Query.lt = random.pick([
          Query.lt,
          Query.lte,
          Query.gt,
          Query.gte,
          Query.neq as typeof Query.lt
        ])
        const wanted = value() as never
        log.push(`compare ${name} ${String(wanted)}`)
        return (p, row) => op(get(p, row), wanted)
      }
      case 2: {
        const { get, name, value } = pick(...scalars)
        const wanted = value() as never
        log.push(`eq ${name} ${String(wanted)}`)
        return (p, row) => Query.eq(get(p, row), wanted)
      }
      case 3: {
        const { get, name, value } = pick(...scalars)
        const wanted = random.list(4, value) as ReadonlyArray<unknown> as ReadonlyArray<never>
        log.push(`oneOf ${name} ${wanted.map(String).join()}`)
        return (p, row) => Query.oneOf(get(p, row), wanted)
      }
      case 4: {
        const { get, name } = pick("string")
        const op = random.pick([Query.startsWith, Query.contains])
        const text = random.pick(texts)
        log.push(`${op.name} ${name} ${JSON.stringify(text)}`)
        return (p, row) => op(get(p, row), text)
      }
      case 5: {
        const { get, name } = pick()
        log.push(`isMissing ${name}`)
        return (p, row) => Query.isMissing(get(p, row))
      }
      case 6:
      case 7: {
        log.push("not")
        const inner = predicate(depth - 1)
        return (p, row) => Query.not(inner(p, row))
      }
      default: {
        const op = random.pick([Query.and, Query.or])
        log.push(op.name)
        const parts = random.list(3, () => predicate(depth - 1))
        return (p, row) => op(...parts.map((part) => part(p, row)))
      }
    }
  }

  const which = () => ({
    over: random.pick(["current", "history"] as const),
    ...(random.chance(3) ? {} : { where: predicate(3) })
  })
  const page = () => ({
    ...(random.chance(2) ? {} : { limit: random.pick([0, 1, 2, 5, Number.POSITIVE_INFINITY]) }),
    ...(random.chance(2) ? {} : { offset: random.below(3) })
  })
  const direction = () => random.pick([Query.asc, Query.desc])
  const select = () => {
    const chosen = random.list(4, () => pick())
    log.push(`select ${chosen.map(({ name }) => name).join()}`)
    return (p: P, row: Query.Row) => ({
      key: row.key,
      fields: Object.fromEntries(chosen.map(({ get }, i) => [`f${i}`, get(p, row)]))
    })
  }
  const aggregates = () => {
    const chosen: ReadonlyArray<
      readonly [string, (p: P, row: Query.Row) => Query.Aggregate<unknown>, isExact: boolean]
    > = random.list(4, () => {
      const i = random.below(5)
      if (i === 0) return ["count", () => Query.count, true] as const
      const of = i < 3 ? pick("number", "int") : pick(...ordered)
      const op = [Query.count, Query.sum, Query.avg, Query.min, Query.max][i] as typeof Query.min
      return [
        `${["count", "sum", "avg", "min", "max"][i]} ${of.name}`,
        (p: P, row: Query.Row) => op(of.get(p, row)),
        i >= 3 || of.leaf === "int"
      ] as const
    })
    log.push(`aggregates ${chosen.map(([name]) => name).join()}`)
    return {
      select: (p: P, row: Query.Row) => Object.fromEntries(chosen.map(([, make], i) => [`a${i}`, make(p, row)])),
      exact: chosen.flatMap(([, , isExact], i) => (isExact ? [`a${i}`] : []))
    }
  }

  switch (random.below(6)) {
    case 0: {
      const options = { ...which(), select: aggregates().select }
      return { run: (family) => Query.aggregate(family, options), text: `aggregate ${options.over} ${log.join("; ")}` }
    }
    case 1:
    case 2: {
      const chosen = random.list(2, () => pick(...scalars))
      log.push(`by ${chosen.map(({ name }) => name).join()}`)
      const { exact, select } = aggregates()
      const columns = [...exact, ...chosen.flatMap(({ leaf }, i) => (leaf === "bigint" ? [] : [`k${i}`]))]
      const orders =
        columns.length === 0 ? [] : random.list(2, () => ({ name: random.pick(columns), direction: direction() }))
      log.push(`order ${orders.map(({ direction, name }) => `${direction.name} ${name}`).join()}`)
      const options = {
        ...which(),
        ...page(),
        by: (p: P, row: Query.Row) => Object.fromEntries(chosen.map(({ get }, i) => [`k${i}`, get(p, row)])),
        select,
        orderBy: (group: object) => orders.map(({ direction, name }) => direction(Reflect.get(group, name)))
      }
      return {
        run: (family) => Query.group(family, options),
        text: `group ${JSON.stringify(options)} ${log.join("; ")}`
      }
    }
    case 3: {
      const options = { ...which(), ...(random.chance(2) ? {} : { select: select() }) }
      return {
        run: (family) => Stream.runCollect(Query.stream(family, options)),
        text: `stream ${options.over} ${log.join("; ")} of ${saved.length}`
      }
    }
    default: {
      const orders = random.list(3, () => ({ ...pick(...ordered), direction: direction() }))
      log.push(`order ${orders.map(({ direction, name }) => `${direction.name} ${name}`).join()}`)
      const options = {
        ...which(),
        ...page(),
        orderBy: (p: P, row: Query.Row) => orders.map(({ direction, get }) => direction(get(p, row))),
        ...(random.chance(3) ? {} : { select: select() })
      }
      return { run: (family) => Query.run(family, options), text: `run ${JSON.stringify(options)} ${log.join("; ")}` }
    }
  }
}
