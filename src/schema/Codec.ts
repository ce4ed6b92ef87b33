/**
 * How a state becomes bytes and comes back.
 *
 * A codec is made from an Effect `Schema`. A value that does not fit is refused before a byte is written; bytes
 * that do not decode are a typed failure. What cannot come back equal is refused as well: nothing changes silently.
 */
import { Cause, type Effect, Exit, Option, Schema, type SchemaAST, SchemaIssue } from "effect"
import { mayConfuseUndefinedWithNull } from "./internal/ambiguity.ts"
import * as Jit from "./internal/jit.ts"
import { stringify } from "./internal/stringify.ts"

/** What a backend stores: text (JSON) or bytes (binary, compressed, encrypted codecs). */
export type Payload = string | Uint8Array

/** The size of a payload in bytes; text is counted as UTF-8. */
export const byteLength = (payload: Payload): number =>
  typeof payload === "string" ? Buffer.byteLength(payload, "utf8") : payload.byteLength

/**
 * Why a value could not be encoded or a payload could not be decoded. Holds where in the state and what was
 * expected, never the state's content. Agents turn it into `StateInvalid` or `StateCorrupt`, which name the agent.
 */
export interface CodecError {
  readonly _tag: "CodecError"
  /** Where in the state, outermost first; empty for the whole state. */
  readonly path: ReadonlyArray<PropertyKey>
  /** What is wrong, without the value. */
  readonly reason: string
}

const codecError = (reason: string, path: ReadonlyArray<PropertyKey> = []): CodecError => ({
  _tag: "CodecError",
  path,
  reason
})

/** Encodes and decodes states of type `S`. `encode` never keeps a reference to the state that it is given. */
export interface Codec<in out S> {
  readonly schema: Schema.Codec<S, unknown>
  /** The name of the format, as stored beside payloads: `"json"`. */
  readonly format: string
  /** 16 hex digits that differ when the stored shape of the schema differs. */
  readonly fingerprint: string
  readonly encode: (state: S) => Effect.Effect<Payload, CodecError>
  readonly decode: (payload: Payload) => Effect.Effect<S, CodecError>
  /** Checks a value against the schema's type side, excess properties included, without encoding it. */
  readonly validate: (state: S) => Effect.Effect<void, CodecError>
}

/** A codec as it is, a schema as compact JSON. What every constructor does with its `schema`. */
export const toCodec = <S>(schema: Schema.Codec<S, unknown> | Codec<S>): Codec<S> =>
  "fingerprint" in schema ? schema : json(schema)

const undefinedAsNull = codecError("holds an undefined that JSON would store as null; use NullOr or optionalKey")

const utf8 = new TextDecoder("utf-8", { fatal: true })

// Excess properties are errors in both directions: dropping them would change a state without a word.
const parseOptions: SchemaAST.ParseOptions = { onExcessProperty: "error" }

// The formatter's default hook prints literal and pattern expectations, never the actual value.
const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

const fromIssue = (issue: SchemaIssue.Issue): CodecError => {
  const first = formatIssue(issue).issues[0]
  return codecError(
    first?.message ?? "does not fit the schema",
    first?.path?.map((segment) => (typeof segment === "object" ? segment.key : segment)) ?? []
  )
}

const fromCause = (cause: Cause.Cause<Schema.SchemaError>): CodecError => {
  const failure = Cause.findErrorOption(cause)
  return Option.isSome(failure) ? fromIssue(failure.value.issue) : fromThrown(Cause.squash(cause))
}

// A getter that throws, a cycle or a very deep value surfaces as an exception out of user code or of the engine.
const fromThrown = (error: unknown): CodecError =>
  codecError(
    error instanceof RangeError
      ? "is nested too deeply or refers to itself"
      : error instanceof SyntaxError
        ? "is not JSON text"
        : "threw while it was read"
  )

/** Runs a schema parser or a serializer so that nothing escapes as a thrown defect. */
const guarded = <A>(run: () => Exit.Exit<A, Schema.SchemaError>): Exit.Exit<A, CodecError> => {
  try {
    const exit = run()
    return Exit.isSuccess(exit) ? Exit.succeed(exit.value) : Exit.fail(fromCause(exit.cause))
  } catch (error) {
    return Exit.fail(fromThrown(error))
  }
}

/**
 * The JSON codec: human-readable, and exact. Date, bigint, Map, Set, bytes, NaN, the infinities, -0, `undefined` in
 * optional fields and Schema classes come back equal. A schema under which `undefined` and `null` would be stored
 * alike (`Schema.NullishOr`) has each state checked by a round trip, and the one that would change is refused.
 *
 * Costs one schema encoding and one `JSON.stringify` a save, one `JSON.parse` and one compiled decoding a load.
 */
export const json = <S>(
  schema: Schema.Codec<S, unknown>,
  options?: { /** Spaces of indentation; 0 (the default) is compact. */ readonly indent?: number | undefined }
): Codec<S> => {
  const codec = Schema.toCodecJson(schema)
  const type = Schema.toType(schema)
  Jit.enable(codec, type)
  const toTree = Schema.encodeUnknownExit(codec, parseOptions)
  const fromTree = Schema.decodeUnknownExit(codec, parseOptions)
  const checkType = Schema.decodeUnknownExit(type, parseOptions)
  const equals = mayConfuseUndefinedWithNull(schema.ast) ? Schema.toEquivalence(type) : undefined
  const indent = options?.indent ?? 0

  const decode = (payload: Payload): Exit.Exit<S, CodecError> =>
    guarded(() => fromTree(JSON.parse(typeof payload === "string" ? payload : utf8.decode(payload))))

  const encode = (state: S): Exit.Exit<Payload, CodecError> => {
    const encoded = guarded(() => Exit.map(toTree(state), (tree) => stringify(tree, indent)))
    if (equals === undefined || Exit.isFailure(encoded)) return encoded
    const back = decode(encoded.value)
    return Exit.isSuccess(back) && equals(back.value, state) ? encoded : Exit.fail(undefinedAsNull)
  }

  return {
    schema,
    format: "json",
    fingerprint: Jit.fingerprint(codec),
    encode,
    decode,
    validate: (state) => Exit.asVoid(guarded(() => checkType(state)))
  }
}
