/**
 * How a state becomes bytes and comes back.
 *
 * A codec is made from an Effect `Schema`. A value that does not fit is refused before a byte is written; bytes
 * that do not decode are a typed failure. What cannot come back equal is refused as well: nothing changes silently.
 */
import { Cause, type Effect, Exit, Option, Schema, SchemaAST, type SchemaIssue } from "effect"
import { mayChange } from "./internal/ambiguity.ts"
import { codecError } from "./internal/codecError.ts"
import { explain } from "./internal/explain.ts"
import * as FastPath from "./internal/fastPath.ts"
import { fingerprint } from "./internal/fingerprint.ts"
import { type FindForeign, findForeign } from "./internal/foreign.ts"
import { isUnchanged } from "./internal/isUnchanged.ts"
import * as Jit from "./internal/jit.ts"
import { isTooDeep, isUnbounded, maxLevels } from "./internal/nesting.ts"
import { mayEscapeKeys, parseEscapedKeys } from "./internal/parseJson.ts"
import { storable } from "./internal/storable.ts"
import { stringifyMinusZero } from "./internal/stringify.ts"

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

/** Where a state is kept: the name of its agent or family, and its key inside a family. */
export interface Place {
  readonly agent: string
  readonly key?: string | undefined
}

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
  /**
   * The codec for the states of one place. With it, agents and families encode and decode by what it answers, so that a
   * payload can be bound to where it belongs. Without it, the codec is the same everywhere.
   */
  readonly at?: ((place: Place) => Codec<S>) | undefined
  /**
   * Whether a payload is stored as `encode` would store it now, or in an older way that is merely still read. Without it, all
   * payloads are. It does not look further than it has to: a payload that is current may still not decode.
   */
  readonly isCurrent?: ((payload: Payload) => Effect.Effect<boolean, CodecError>) | undefined
}

/** The codec for the states of one place. */
export const bind = <S>(codec: Codec<S>, place: Place): Codec<S> => codec.at?.(place) ?? codec

/** Whether a payload is stored as the codec would store it now. */
export const isCurrent = <S>(codec: Codec<S>, payload: Payload): Effect.Effect<boolean, CodecError> =>
  codec.isCurrent?.(payload) ?? Exit.succeed(true)

/** A codec as it is, a schema as compact JSON. What every constructor does with its `schema`. */
export const toCodec = <S>(schema: Schema.Codec<S, unknown> | Codec<S>): Codec<S> =>
  "fingerprint" in schema ? schema : json(schema)

const tooDeep = codecError(`is nested more than ${maxLevels} levels deep, or refers to itself`)

const changed = codecError(
  "would come back changed, because the schema stores two different values alike: undefined and null, NaN and its name, a Date and its text; or because a transformation loses something"
)

const foreign =
  "is an instance of a class, of which only the properties would be stored; save a plain object, or use the schema of that class"

const utf8 = new TextDecoder("utf-8", { fatal: true })

const parse = (payload: Payload, parseText: (text: string) => unknown): Exit.Exit<unknown, CodecError> => {
  let text: string
  try {
    text = typeof payload === "string" ? payload : utf8.decode(payload)
  } catch {
    return Exit.fail(codecError("is not UTF-8 text"))
  }
  try {
    return Exit.succeed(parseText(text))
  } catch (error) {
    return Exit.fail(error instanceof SyntaxError ? codecError("is not JSON text") : fromThrown(error))
  }
}

// Excess properties are errors in both directions: dropping them would change a state without a word.
const parseOptions: SchemaAST.ParseOptions = { onExcessProperty: "error" }

const fromIssue = (issue: SchemaIssue.Issue): CodecError => {
  const { path, reason } = explain(issue)
  return codecError(reason, path)
}

const fromCause = (cause: Cause.Cause<Schema.SchemaError>): CodecError => {
  const failure = Cause.findErrorOption(cause)
  return Option.isSome(failure) ? fromIssue(failure.value.issue) : fromThrown(Cause.squash(cause))
}

// A getter that throws, a cycle or a very deep value surfaces as an exception out of user code or of the engine.
const fromThrown = (error: unknown): CodecError =>
  codecError(
    error instanceof RangeError && error.message.includes("call stack")
      ? "is nested too deeply or refers to itself"
      : Cause.isAsyncFiberError(error)
        ? "has a transformation in its schema that is asynchronous; a codec runs synchronous ones alone"
        : "threw while it was read, or a transformation of its schema did"
  )

/** Runs a parser or a serializer so that nothing escapes as a thrown defect. */
const guarded = <A>(run: () => Exit.Exit<A, CodecError>): Exit.Exit<A, CodecError> => {
  try {
    return run()
  } catch (error) {
    return Exit.fail(fromThrown(error))
  }
}

const settle = <A>(exit: Exit.Exit<A, Schema.SchemaError>): Exit.Exit<A, CodecError> =>
  Exit.isSuccess(exit) ? Exit.succeed(exit.value) : Exit.fail(fromCause(exit.cause))

const toText = (tree: unknown, indent: number): Exit.Exit<string, CodecError> => {
  const kept = storable(tree)
  if (kept === "less") return Exit.fail(codecError("holds a value that JSON cannot store"))
  return Exit.succeed(kept === "all" ? JSON.stringify(tree, undefined, indent) : stringifyMinusZero(tree, indent))
}

/**
 * The JSON codec: human-readable, and exact. Date, bigint, Map, Set, bytes, NaN, the infinities, -0, `undefined` in
 * optional fields and Schema classes come back equal. Where a schema may store two values alike (`Schema.NullishOr`, a
 * union of a Date and a string) or has transformations of its own, states are checked by a round trip, and the one that
 * would change is refused.
 *
 * Costs: plain data takes about 1.4 times as long as `JSON.stringify` alone to encode and 1.3 times as long as
 * `JSON.parse` to decode. Classes, Map, Set, Option, NaN, -0 and an explicit `undefined` in a state take the general
 * parser, at some ten times the cost of the compiled one; the check by a round trip adds a decoding to each encoding.
 */
export const json = <S>(
  schema: Schema.Codec<S, unknown>,
  options?: { /** Spaces of indentation; 0 (the default) is compact. */ readonly indent?: number | undefined }
): Codec<S> => {
  const indent = options?.indent ?? 0
  const known = made.get(schema) ?? new Map<number, Codec<unknown>>()
  made.set(schema, known)
  // Sound: what is kept under a schema was made from it.
  const codec = (known.get(indent) as Codec<unknown> as Codec<S> | undefined) ?? makeJson(schema, indent)
  known.set(indent, codec as Codec<unknown>)
  return codec
}

// Programs open many agents of one schema, and analysing one takes longer than opening a file.
const made = new WeakMap<object, Map<number, Codec<unknown>>>()

const makeJson = <S>(schema: Schema.Codec<S, unknown>, indent: number): Codec<S> => {
  const codec = Schema.toCodecJson(schema)
  const type = Schema.toType(schema)
  Jit.enable(codec.ast, SchemaAST.flip(codec.ast))
  const fast = FastPath.make(codec, type)
  const toTree = Schema.encodeUnknownExit(codec, parseOptions)
  const fromTree = Schema.decodeUnknownExit(codec, parseOptions)
  const checkType = Schema.decodeUnknownExit(type, parseOptions)
  const equals = mayChange(schema.ast, codec.ast) ? Schema.toEquivalence(type) : undefined
  const unbounded = isUnbounded(codec.ast)
  let find: FindForeign | undefined
  const refuseForeign = (state: S): Exit.Exit<void, CodecError> => {
    find ??= findForeign(type.ast)
    const path = find(state)
    return path === undefined ? Exit.void : Exit.fail(codecError(foreign, path))
  }
  const parseText = mayEscapeKeys(codec.ast) ? parseEscapedKeys : JSON.parse

  const decode = (payload: Payload): Exit.Exit<S, CodecError> =>
    guarded(() => {
      const tree = parse(payload, parseText)
      if (Exit.isFailure(tree)) return Exit.failCause(tree.cause)
      const usual = fast.decode(tree.value)
      // Sound: the fast path answers what `fromTree` would.
      return usual === undefined ? settle(fromTree(tree.value)) : Exit.succeed(usual as S)
    })

  const encodeUsual = (tree: unknown): Exit.Exit<string, CodecError> =>
    unbounded && isTooDeep(tree) ? Exit.fail(tooDeep) : Exit.succeed(JSON.stringify(tree, undefined, indent))

  const encodeExactly = (state: S): Exit.Exit<string, CodecError> => {
    const tree = settle(toTree(state))
    if (Exit.isFailure(tree)) return Exit.failCause(tree.cause)
    const refused = refuseForeign(state)
    if (Exit.isFailure(refused)) return Exit.failCause(refused.cause)
    return unbounded && isTooDeep(tree.value) ? Exit.fail(tooDeep) : toText(tree.value, indent)
  }

  const encode = (state: S): Exit.Exit<Payload, CodecError> => {
    try {
      const usual = fast.encode(state)
      const encoded = usual === undefined ? encodeExactly(state) : encodeUsual(usual)
      if (equals === undefined || Exit.isFailure(encoded)) return encoded
      const back = decode(encoded.value)
      return Exit.isSuccess(back) && isUnchanged(back.value, state, equals) ? encoded : Exit.fail(changed)
    } catch (error) {
      return Exit.fail(fromThrown(error))
    }
  }

  return {
    schema,
    format: "json",
    fingerprint: fingerprint(codec.ast),
    encode,
    decode,
    validate: (state) =>
      fast.validate(state)
        ? Exit.void
        : guarded(() => {
            const checked = settle(checkType(state))
            return Exit.isFailure(checked) ? Exit.failCause(checked.cause) : refuseForeign(state)
          })
  }
}
