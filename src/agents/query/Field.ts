import type { Pipeable } from "effect"
import type { Revision } from "../Revision.ts"

declare const FieldTypeId: unique symbol

/** A field of a state, of a row or of a group, to compare, order by and select. `A` is the type of its value. */
export interface Field<out A> {
  readonly [FieldTypeId]: { readonly value: () => A }
}

/** What compares for equality: a literal, an enum or a branded type is what it is made of. */
export type Equatable = string | number | boolean | bigint | Date

/** What has an order: numbers by value, dates by time, strings by code points, false before true. */
export type Orderable = string | number | boolean | Date

// What has properties that are no fields.
type Whole =
  | Equatable
  | symbol
  | ReadonlyArray<unknown>
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | ArrayBufferView
  | Pipeable.Pipeable
  | ((...args: never) => unknown)

type Names<S> = string extends keyof S
  ? never
  : { [K in Extract<keyof S, string>]: S[K] extends (...args: never) => unknown ? never : K }[Extract<keyof S, string>]

type Below<S, Missing> = { readonly [K in Names<S>]: Fields<S[K] | Missing> }

/**
 * A state's fields: `p.address.city` is a `Field<string>`, or a `Field<string | undefined>` where `address` is optional.
 * Arrays, records, maps and classes of other libraries are fields as a whole. Of a union, the fields that all members have.
 */
export type Fields<S> = Field<S> &
  (NonNullable<S> extends Whole
    ? unknown
    : NonNullable<S> extends object
      ? Below<NonNullable<S>, S extends null | undefined ? undefined : never>
      : unknown)

/** What a row has besides its state. */
export interface Row {
  /** The key inside the family. */
  readonly key: Field<string>
  /** The revision that committed the state. */
  readonly revision: Field<Revision>
  /** When it was saved, in milliseconds since the epoch. */
  readonly savedAt: Field<number>
}

/** What a field refers to. */
export type Ref =
  | { readonly _tag: "Property"; readonly root: object; readonly path: ReadonlyArray<string> }
  | { readonly _tag: "Key" | "Revision" | "SavedAt" }
  | { readonly _tag: "Column"; readonly root: object; readonly name: string }

const refs = new WeakMap<object, Ref>()

const make = (ref: Ref, target: object = {}): Field<never> => {
  refs.set(target, ref)
  // Sound: a field is known by its reference; the member in its type is never there.
  return target as Field<never>
}

/** What a value refers to, if it is a field. */
export const refOf = (value: unknown): Ref | undefined =>
  typeof value === "object" && value !== null ? refs.get(value) : undefined

/** The fields of the states below `root`, made as they are named: any name at all, so that the schema decides. */
export const fields = <S>(root: object, path: ReadonlyArray<string> = []): Fields<S> => {
  const below = new Map<string, unknown>()
  const proxy = new Proxy(Object.freeze(Object.create(null)), {
    get: (_target, name) => {
      if (typeof name === "symbol") return undefined
      if (!below.has(name)) below.set(name, fields(root, [...path, name]))
      return below.get(name)
    }
  })
  // Sound: every property that the type has is answered by the trap with a field of its path.
  return make({ _tag: "Property", root, path }, proxy) as unknown as Fields<S>
}

/** The row's own fields. */
export const row: Row = {
  key: make({ _tag: "Key" }),
  revision: make({ _tag: "Revision" }),
  savedAt: make({ _tag: "SavedAt" })
}

/** A column of a group, by its name. */
export const column = (root: object, name: string): Field<never> => make({ _tag: "Column", root, name })
