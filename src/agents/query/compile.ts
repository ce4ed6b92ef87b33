import { Effect, Exit } from "effect"
import { type Codec, type CodecError, json } from "../../schema/Codec.ts"
import { StateCorrupt } from "../StateError.ts"
import { condition } from "./condition.ts"
import type { Order } from "./expressions.ts"
import { column, type Field, fields, refOf, row } from "./Field.ts"
import * as Ir from "./ir.ts"
import type { Aggregates, GroupOptions, Keys, Page, RunOptions, Which } from "./options.ts"
import { QueryInvalid } from "./QueryInvalid.ts"
import { pathOf, Resolver } from "./resolve.ts"
import { read, type SchemaField, SchemaFields } from "./schemaFields.ts"

/** A plan, and how a row of its answers becomes what the program asked for. */
export interface Compiled<P extends Ir.Plan> {
  readonly plan: P
  readonly read: (cells: Ir.Cells) => Effect.Effect<unknown, StateCorrupt>
}

/** What a query is about. */
export interface Subject<in out S> {
  readonly name: string
  readonly codec: Codec<S>
}

/** Whether what is stored is the JSON that queries are about, so that a store may look into it. */
export const isPlain = ({ codec }: { readonly codec: { readonly format: string } }): boolean => codec.format === "json"

/** The JSON that queries are about, whatever the states are stored as. */
export const plainOf = <S>(subject: Subject<S>): Codec<S> =>
  isPlain(subject) ? subject.codec : json(subject.codec.schema)

/** Compiles, with what the resolver throws as the failure. */
export const attempt = <S, A>(subject: Subject<S>, compile: (resolver: Resolver) => A): Exit.Exit<A, QueryInvalid> => {
  const { codec, name } = subject
  try {
    return Exit.succeed(compile(new Resolver(name, SchemaFields.of(codec))))
  } catch (error) {
    if (error instanceof QueryInvalid) return Exit.fail(error)
    throw error
  }
}

const common = <S>(resolver: Resolver, options: Which<S> & Page) => ({
  over: options.over ?? "current",
  where: options.where === undefined ? undefined : condition(resolver, options.where(fields<S>(resolver.root), row)),
  limit: options.limit === Number.POSITIVE_INFINITY ? undefined : whole(resolver, "limit", options.limit),
  offset: whole(resolver, "offset", options.offset) ?? 0
})

const whole = (resolver: Resolver, name: string, value: number | undefined): number | undefined =>
  value === undefined || (Number.isSafeInteger(value) && value >= 0)
    ? value
    : resolver.refuse(`its ${name} is not a whole number of at least 0`)

const list = (order: Order | ReadonlyArray<Order>): ReadonlyArray<Order> =>
  Array.isArray(order) ? order : [order as Order]

// ---------------------------------------------------------------------------------------------------------------------
// Rows

type Reader = (cells: Ir.Cells) => Effect.Effect<unknown, CodecError & { readonly field?: ReadonlyArray<string> }>

/** The plan of `run` and of `stream`. */
export const rows = <S>(
  subject: Subject<S>,
  options: RunOptions<S, unknown>
): Exit.Exit<Compiled<Ir.RowsPlan>, QueryInvalid> =>
  attempt(subject, (resolver) => {
    const p = fields<S>(resolver.root)
    const columns = new Columns(resolver, erased(subject))
    const selected = options.select?.(p, row) ?? {
      key: row.key,
      state: p,
      revision: row.revision,
      savedAt: row.savedAt
    }
    const reader = columns.shape(selected)
    const [key, revision] = [columns.add(Ir.key), columns.add(Ir.revision)]
    const orderBy = list(options.orderBy?.(p, row) ?? []).map(({ descending, field }) => ({
      operand: resolver.scalar(field, "order").operand,
      descending
    }))
    return {
      plan: { _tag: "Rows", ...common(resolver, options), orderBy, columns: columns.all },
      read: (cells) =>
        Effect.mapError(reader(cells), (error) =>
          corrupt(subject.name, String(cells[key]), `revision ${cells[revision]}`, error)
        )
    }
  })

// Sound: a subject is asked for its name and for the structure of its schema, and decodes what the family itself has stored.
const erased = <S>(subject: Subject<S>): Subject<never> => subject as unknown as Subject<never>

const corrupt = (
  agent: string,
  key: string | undefined,
  location: string,
  error: CodecError & { readonly field?: ReadonlyArray<string> }
): StateCorrupt => {
  // A field is read as the property `v` of an object.
  const path = error.field === undefined ? error.path : [...error.field, ...error.path.slice(1)]
  return new StateCorrupt({
    agent,
    key,
    location: path.length === 0 ? location : `${location}, at "${path.map(String).join(".")}"`,
    reason: error.reason
  })
}

/** The columns that a shape needs, each once. */
class Columns {
  readonly all: Array<Ir.Column> = []
  readonly #resolver: Resolver
  readonly #subject: Subject<never>
  readonly #places = new Map<string, number>()

  constructor(resolver: Resolver, subject: Subject<never>) {
    this.#resolver = resolver
    this.#subject = subject
  }

  add(column: Ir.Column): number {
    const name = JSON.stringify(column)
    const known = this.#places.get(name)
    if (known !== undefined) return known
    this.#places.set(name, this.all.length)
    return this.all.push(column) - 1
  }

  shape(shape: unknown): Reader {
    if (refOf(shape) !== undefined) return this.#field(shape as Field<unknown>)
    if (typeof shape !== "object" || shape === null || Array.isArray(shape))
      return this.#resolver.refuse("its select answers something else than a field or an object of fields")
    const members = Object.entries(shape).map(([name, member]) => [name, this.shape(member)] as const)
    return (cells) => {
      const values: Record<string, unknown> = {}
      for (const [name, reader] of members) {
        const value = reader(cells)
        if (!Exit.isExit(value) || Exit.isFailure(value)) return gather(members, cells)
        define(values, name, value.value)
      }
      return Exit.succeed(values)
    }
  }

  #field(field: Field<unknown>): Reader {
    const resolved = this.#resolver.field(field)
    if (resolved._tag === "State") {
      const at = this.add({ _tag: "State" })
      const codec = plainOf(this.#subject)
      return (cells) => codec.decode(String(cells[at]))
    }
    const at = this.add(resolved.operand)
    if (resolved._tag === "Own") return (cells) => Exit.succeed(cells[at])
    const { unreadable, path } = resolved.field
    if (unreadable !== undefined) return this.#resolver.refuse(unreadable, path)
    return (cells) => {
      const text = cells[at]
      return Exit.mapError(read(resolved.field, text === undefined ? undefined : String(text)), (error) => ({
        ...error,
        field: path
      }))
    }
  }
}

// A plain assignment to `__proto__` would set the prototype.
const define = (values: object, name: string, value: unknown): void => {
  Object.defineProperty(values, name, { value, enumerable: true, writable: true, configurable: true })
}

const gather = (members: ReadonlyArray<readonly [name: string, reader: Reader]>, cells: Ir.Cells): ReturnType<Reader> =>
  Effect.map(
    Effect.forEach(members, ([, reader]) => reader(cells)),
    (all) => {
      const values: Record<string, unknown> = {}
      for (const [i, [name]] of members.entries()) define(values, name, all[i])
      return values
    }
  )

// ---------------------------------------------------------------------------------------------------------------------
// Groups

/** The plan of `group`, and without `by` that of `aggregate`. */
export const groups = <S, K extends Keys, X extends Aggregates>(
  subject: Subject<S>,
  options: GroupOptions<S, K, X>
): Exit.Exit<Compiled<Ir.GroupsPlan>, QueryInvalid> =>
  attempt(subject, (resolver) => {
    const p = fields<S>(resolver.root)
    const names: Array<string> = []
    const readers: Array<
      (cell: Ir.Cell) => Exit.Exit<unknown, CodecError & { readonly field?: ReadonlyArray<string> }>
    > = []
    const add = (name: string, reader: (typeof readers)[number]) => {
      if (names.includes(name)) resolver.refuse(`two of its columns are named ${JSON.stringify(name)}; rename one`)
      names.push(name)
      readers.push(reader)
    }
    const by = Object.entries(options.by(p, row)).map(([name, field]) => {
      const resolved = resolver.scalar(field, "equality")
      add(name, resolved._tag === "Field" ? (cell) => scalar(resolved.field, cell) : Exit.succeed)
      return resolved.operand
    })
    const aggregations = Object.entries(options.select(p, row)).map(([name, aggregate]): Ir.Aggregation => {
      const { _tag, field } = aggregate
      if (_tag === "Count" || field === undefined) {
        add(name, Exit.succeed)
        return { _tag: "Count" }
      }
      const resolved = _tag === "Sum" || _tag === "Avg" ? resolver.of(field, "number") : resolver.scalar(field, "order")
      const isValue = resolved._tag === "Field" && (_tag === "Min" || _tag === "Max")
      add(
        name,
        isValue ? (cell) => (cell === undefined ? Exit.succeed(cell) : scalar(resolved.field, cell)) : Exit.succeed
      )
      return { _tag, operand: resolved.operand }
    })
    const columns = Object.fromEntries(names.map((name) => [name, column(resolver.root, name)]))
    // Sound: the type names the same columns, and a field's type parameter is there for the compiler alone.
    const given = columns as never
    const orderBy = list(options.orderBy?.(given) ?? []).map(({ descending, field }) => {
      const ref = refOf(field)
      const at = ref?._tag === "Column" && ref.root === resolver.root ? names.indexOf(ref.name) : -1
      if (at < 0)
        resolver.refuse(
          "groups are ordered by the names of `by` and `select`; take them from the argument",
          pathOf(ref)
        )
      if (by[at]?.kind === "bigint") resolver.refuse("a bigint is stored as text, so it has no order here", pathOf(ref))
      return { column: at, descending }
    })
    return {
      plan: { _tag: "Groups", ...common(resolver, options), by, aggregations, orderBy },
      read: (cells) => {
        const values: Record<string, unknown> = {}
        for (const [i, name] of names.entries()) {
          const value = readers[i]?.(cells[i]) ?? Exit.succeed(undefined)
          if (Exit.isFailure(value))
            return Effect.mapError(value, (error) => corrupt(subject.name, undefined, "some of its states", error))
          define(values, name, value.value)
        }
        return Exit.succeed(values)
      }
    }
  })

/** The value of a field from what is compared for it. */
const scalar = (
  field: SchemaField,
  cell: Ir.Cell
): Exit.Exit<unknown, CodecError & { readonly field: ReadonlyArray<string> }> => {
  // What a field that is always there can still have for a missing value.
  if (cell === undefined && !field.mayBeMissing && field.kind === "number") return Exit.succeed(Number.NaN)
  if (cell === undefined && !field.mayBeMissing && field.kind === "date") return Exit.succeed(new Date(Number.NaN))
  if (cell === undefined && field.mayBeMissing) return Exit.succeed(undefined)
  const isName = typeof cell === "number" && !Number.isFinite(cell)
  const text = cell === undefined ? undefined : JSON.stringify(isName ? String(cell) : cell)
  return Exit.mapError(read(field, text), (error) => ({ ...error, field: field.path }))
}
