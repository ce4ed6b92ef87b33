/**
 * A codec for states whose shape has changed: what is stored says its version, is read at that version and taken up to the newest
 * by the steps of a `Migration`.
 *
 * - Promises: a state is decoded by the schema of the version that it was written with, checked against the schema of each
 *   version on the way up, and never read as another one. What was stored before there were versions is version 1. A state of a
 *   newer version than the chain knows, or of one that it no longer has, is refused. A load writes nothing: the next save stores
 *   the newest version, and `Maintenance.migrateAll` stores it for all; history is taken up as it is read.
 * - Costs: a few characters a state, and copying its text once; a state of an older version one decoding, the steps, and a check
 *   against each schema on the way, at every load until it is saved.
 * - Fails: a load with `StateCorrupt` that says which version could not be read or which step refused it; a save with
 *   `StateInvalid`. `make` throws `CodecOptionsInvalid`.
 */
import { Effect, Exit, Schema } from "effect"
import { type Codec, type CodecError, json, type Payload } from "./Codec.ts"
import { CodecOptionsInvalid } from "./CodecOptionsInvalid.ts"
import { codecError } from "./internal/codecError.ts"
import { isUnchanged } from "./internal/isUnchanged.ts"
import * as VersionTag from "./internal/versionTag.ts"
import type { Chain, Step } from "./Migration.ts"

/** What `make` takes besides. */
export interface Options {
  /**
   * The version that is written. Default: the newest. An older one lets programs that know no newer one go on reading while they
   * are replaced: states go down by the steps' `down`, and one that would not come up again as it was is refused.
   */
  readonly write?: number | undefined
  /** The property that says the version, which no state may have as its own. Default: `"$version"`. */
  readonly tag?: string | undefined
  /** Whether a state that says no version is read as version 1. Default: true where the chain begins there. */
  readonly unversioned?: boolean | undefined
  /** Spaces of indentation. Default: 0. */
  readonly indent?: number | undefined
}

/** One version, ready for use. */
interface Known {
  readonly version: number
  readonly codec: Codec<unknown>
  readonly isFlat: boolean
  readonly step: Step<unknown, unknown> | undefined
}

const refuse = (reason: string): never => {
  throw new CodecOptionsInvalid({ codec: "Versioned", reason })
}

/** A codec that reads every version of a chain. */
export const make = <S>(chain: Chain<S>, options: Options = {}): Codec<S> => {
  const { indent = 0, tag = "$version" } = options
  const versions = chain.versions.map(({ schema, step, version }): Known => {
    const isFlat = VersionTag.isFlat(Schema.toCodecJson(schema).ast, tag)
    return { version, codec: json(schema, { indent }), isFlat, step }
  })
  const [oldest] = versions
  const newest = versions.at(-1)
  if (oldest === undefined || newest === undefined) return refuse("a chain has at least one version")
  const unversioned = options.unversioned ?? oldest.version === 1
  const written = options.write ?? newest.version
  checkOptions({ oldest, newest, versions, tag, unversioned, written })
  const at = (version: number): Known | undefined => versions[version - oldest.version]
  const writer = at(written) ?? newest
  const up = versions.slice(writer.version - oldest.version + 1)
  const equals = Schema.toEquivalence(Schema.toType(chain.schema))

  const tagged = (payload: Payload): Exit.Exit<VersionTag.Tagged, CodecError> => {
    try {
      return Exit.succeed(VersionTag.read(tag, typeof payload === "string" ? payload : utf8.decode(payload)))
    } catch (error) {
      return Exit.fail(
        codecError(error instanceof SyntaxError ? "is not JSON text with a version" : "is not UTF-8 text")
      )
    }
  }

  const find = (version: number): Exit.Exit<Known, CodecError> => {
    const known = at(version)
    if (known !== undefined) return Exit.succeed(known)
    const range = `this program reads versions ${oldest.version} to ${newest.version}`
    return Exit.fail(
      codecError(
        version > newest.version
          ? `it was written as version ${version}, and ${range}: a newer program wrote it; update this one`
          : `it was written as version ${version}, and ${range}: open it with a program that still has that version, and migrate it there`
      )
    )
  }

  const decode = (payload: Payload): Effect.Effect<unknown, CodecError> => {
    const found = tagged(payload)
    if (Exit.isFailure(found)) return found
    const { state, version } = found.value
    if (version === undefined && !unversioned) return Exit.fail(codecError("it says no version"))
    const known = find(version ?? 1)
    if (Exit.isFailure(known)) return known
    const { codec, isFlat } = known.value
    let text: string
    try {
      text = state(isFlat)
    } catch {
      return Exit.fail(codecError("is not JSON text with a version"))
    }
    if (known.value === newest) return codec.decode(text)
    const decoded = Effect.mapErrorEager(codec.decode(text), (error) => as(known.value.version, error))
    return Effect.flatMapEager(decoded, (state) =>
      raise(state, versions.slice(known.value.version - oldest.version + 1))
    )
  }

  const encode = (state: S): Effect.Effect<Payload, CodecError> => {
    const stored = writer === newest ? newest.codec.encode(state) : lower(state)
    return Effect.mapEager(stored, (text) => VersionTag.write(tag, writer.version, writer.isFlat, String(text)))
  }

  // Going down may lose something, and nothing may be lost without a word.
  const lower = (state: S): Effect.Effect<Payload, CodecError> =>
    Effect.gen(function* () {
      yield* newest.codec.validate(state)
      let older: unknown = state
      for (const { step, version } of up.toReversed())
        older = yield* run(`from version ${version} to ${version - 1}`, () => step?.down?.(older))
      const text = yield* Effect.mapError(writer.codec.encode(older), (error) => as(writer.version, error))
      const back = yield* Effect.flatMap(writer.codec.decode(text), (lowered) => raise(lowered, up))
      // Sound: the last step up answers a state of the newest version, as `raise` has checked.
      return isUnchanged(back as S, state, equals) ? text : yield* Exit.fail(lossy(writer.version))
    })

  return {
    schema: chain.schema,
    format: "json+versions",
    fingerprint: newest.codec.fingerprint,
    encode,
    // Sound: what the newest version's codec or the last step up answers is of its type.
    decode: (payload) => decode(payload) as Effect.Effect<S, CodecError>,
    validate: newest.codec.validate,
    isCurrent: (payload) => Exit.map(tagged(payload), ({ version }) => version === writer.version)
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** Takes a state up, from the version before the first of these to the last of them. */
const raise = (state: unknown, versions: ReadonlyArray<Known>): Effect.Effect<unknown, CodecError> =>
  Effect.gen(function* () {
    let raised = state
    for (const { codec, step, version } of versions) {
      const name = `from version ${version - 1} to ${version}`
      raised = yield* run(name, () => step?.up(raised))
      yield* Effect.mapError(codec.validate(raised), ({ path, reason }) =>
        codecError(`the step ${name} answers what is no state of version ${version}: ${reason}`, path)
      )
    }
    return raised
  })

const run = (name: string, step: () => unknown): Exit.Exit<unknown, CodecError> => {
  try {
    return Exit.succeed(step())
  } catch {
    // What is thrown may tell what the state holds.
    return Exit.fail(codecError(`the step ${name} threw`))
  }
}

const as = (version: number, { path, reason }: CodecError): CodecError =>
  codecError(`as version ${version}: ${reason}`, path)

const lossy = (version: number): CodecError =>
  codecError(
    `cannot be written as version ${version}: going down to it and up again changes it; write a newer version, or mend the steps`
  )

const checkOptions = (given: {
  readonly oldest: Known
  readonly newest: Known
  readonly versions: ReadonlyArray<Known>
  readonly tag: string
  readonly unversioned: boolean
  readonly written: number
}): void => {
  const { newest, oldest, tag, unversioned, versions, written } = given
  if (!(Number.isSafeInteger(written) && written >= oldest.version && written <= newest.version))
    refuse(`the option write is ${written}, and the chain has versions ${oldest.version} to ${newest.version}`)
  const oneWay = versions.find(({ step, version }) => version > written && step?.down === undefined)
  if (oneWay !== undefined)
    refuse(
      `the option write is ${written}, and the step to version ${oneWay.version} has no way down; give it a \`down\``
    )
  if (tag === "" || tag === "$state" || !tag.isWellFormed()) refuse("the option tag is no name of a property to use")
  if (unversioned && oldest.version !== 1)
    refuse("the option unversioned is true, and the chain no longer has version 1, as which such states are read")
  if (unversioned && !VersionTag.isFree(Schema.toCodecJson(oldest.codec.schema).ast, tag))
    refuse(
      `states of version 1 may have a property ${JSON.stringify(tag)} of their own, so that it cannot say a version; choose another \`tag\`, or say \`unversioned: false\` if none was stored before there were versions`
    )
}
