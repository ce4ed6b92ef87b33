/**
 * What a state looked like in each of its versions, and how one becomes the next: typed steps, which `Versioned.make` turns into
 * a codec that reads them all.
 *
 * ```ts
 * const chain = Migration.from(1, ProfileV1).pipe(
 *   Migration.to(2, ProfileV2, { up: ({ name }) => ({ names: [name] }), down: ({ names }) => ({ name: names.join(" ") }) }),
 *   Migration.to(3, ProfileV3, { up: (profile) => ({ ...profile, tags: [] }) })
 * )
 * ```
 *
 * Versions are numbered by hand, so that two branches which both add one are told when they meet: a chain is checked when it is
 * built, and one with a gap, a version given twice or a way back is refused with `CodecOptionsInvalid`.
 */
import { Function, Pipeable, type Schema } from "effect"
import { CodecOptionsInvalid } from "./CodecOptionsInvalid.ts"

const TypeId: unique symbol = Symbol.for("dgents/Migration")

/** How states of one version become states of the next. Both are pure and synchronous, and change nothing that they are given. */
export interface Step<in out A, in out B> {
  readonly up: (state: A) => B
  /** The way back, without which nothing can be written as the version before. */
  readonly down?: ((state: B) => A) | undefined
}

/** One version of a chain, and the step that leads to it. What it holds is of the types that `from` and `to` checked. */
export interface Version {
  readonly version: number
  readonly schema: Schema.Codec<unknown, unknown>
  /** From the version before; absent for the oldest. */
  readonly step: Step<unknown, unknown> | undefined
}

/** The versions of a state, the newest of which has the type `S`. */
export interface Chain<in out S> extends Pipeable.Pipeable {
  readonly [TypeId]: (_: S) => S
  readonly schema: Schema.Codec<S, unknown>
  /** Oldest first; never empty. */
  readonly versions: ReadonlyArray<Version>
}

/** Whether a value is a chain of versions. */
export const isChain = (u: unknown): u is Chain<unknown> => typeof u === "object" && u !== null && TypeId in u

const chain = <S>(schema: Schema.Codec<S, unknown>, versions: ReadonlyArray<Version>): Chain<S> =>
  Object.assign(Object.create(Pipeable.Prototype) as Pipeable.Pipeable, {
    [TypeId]: Function.identity<S>,
    schema,
    versions
  })

const refuse = (reason: string): never => {
  throw new CodecOptionsInvalid({ codec: "Migration", reason })
}

// Sound: a chain hands each version's states to that version's schema and to the steps at either side of it, and to nothing else.
const erase = <S>(schema: Schema.Codec<S, unknown>) => schema as unknown as Schema.Codec<unknown, unknown>

/** The oldest version that is still read. States from before there were versions count as version 1. */
export const from = <S>(version: number, schema: Schema.Codec<S, unknown>): Chain<S> =>
  Number.isSafeInteger(version) && version >= 1
    ? chain(schema, [{ version, schema: erase(schema), step: undefined }])
    : refuse(`${version} is no version; versions are whole numbers from 1`)

/** The next version. */
export const to: {
  <A, B>(version: number, schema: Schema.Codec<B, unknown>, step: Step<A, NoInfer<B>>): (self: Chain<A>) => Chain<B>
  <A, B>(
    self: Chain<A>,
    version: number,
    schema: Schema.Codec<B, unknown>,
    step: Step<NoInfer<A>, NoInfer<B>>
  ): Chain<B>
} = Function.dual(
  4,
  <A, B>(self: Chain<A>, version: number, schema: Schema.Codec<B, unknown>, step: Step<A, B>): Chain<B> => {
    const last = self.versions.at(-1)?.version ?? 0
    if (version === last + 1)
      // Sound: as with schemas, a step is given states of the version before alone.
      return chain(schema, [
        ...self.versions,
        { version, schema: erase(schema), step: step as unknown as Step<unknown, unknown> }
      ])
    if (self.versions.some((known) => known.version === version))
      return refuse(`version ${version} is given twice; if two branches added one each, number the later ${last + 1}`)
    return version > last
      ? refuse(`version ${version} follows version ${last}; give the step to version ${last + 1} before it`)
      : refuse(`version ${version} comes after version ${last}; versions go up by one from the oldest to the newest`)
  }
)
