import { Schema, SchemaAST, SchemaParser } from "effect"
import * as Jit from "./jit.ts"
import { type KeepsAll, keepsAll } from "./keepsAll.ts"
import { plainCodec } from "./plainCodec.ts"
import { isStoredAsIs } from "./storedAsIs.ts"

/**
 * Parses usual values at about the cost of a compiled type check. `undefined` means "not usual" and says nothing about
 * whether the value is valid: the exact parser decides. What is answered is what the exact parser would have answered.
 */
export interface FastPath {
  readonly encode: (state: unknown) => unknown
  readonly decode: (tree: unknown) => unknown
  /** Whether the value is valid for certain. */
  readonly validate: (state: unknown) => boolean
}

/** The fast path of a JSON codec and of the type side of its schema. */
export const make = (codec: Schema.Constraint, type: Schema.Constraint): FastPath => {
  const ast = plainCodec(codec.ast)
  const plain = Schema.make<Schema.Codec<unknown, unknown>>(ast)
  const checked = Schema.make<Schema.Codec<unknown, unknown>>(type.ast)
  Jit.enable(ast, SchemaAST.flip(ast), checked.ast)
  const whole = keepsAll(checked.ast, "validate")
  const is = SchemaParser.is(checked)
  return {
    encode: attempt(SchemaParser.encodeUnknownSync(plain), keepsAll(ast, "encode")),
    // What was parsed belongs to nobody else: where a state is its tree it need not be copied.
    decode: isStoredAsIs(ast)
      ? accept(SchemaParser.is(plain), keepsAll(ast, "decode"))
      : attempt(SchemaParser.decodeUnknownSync(plain), keepsAll(ast, "decode")),
    validate: (state) => {
      try {
        return whole !== undefined && is(state) && whole(state, state)
      } catch {
        return false
      }
    }
  }
}

const attempt = (parse: (input: unknown) => unknown, whole: KeepsAll | undefined) => (input: unknown) => {
  if (whole === undefined) return undefined
  try {
    const output = parse(input)
    return whole(input, output) ? output : undefined
  } catch {
    return undefined
  }
}

const accept = (is: (input: unknown) => boolean, whole: KeepsAll | undefined) => (input: unknown) => {
  if (whole === undefined) return undefined
  try {
    return is(input) && whole(input, input) ? input : undefined
  } catch {
    return undefined
  }
}
