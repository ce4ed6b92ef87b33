// The one place that imports Effect's unstable schema compiler.
import { Hash, Schema, SchemaAST } from "effect"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"

/** Compiles decoding, encoding and checking for this codec's own schemas; other schemas are left as they are. */
export const enable = (codec: Schema.Constraint, type: Schema.Constraint): void => {
  SchemaJITCompiler.enable(codec.ast)
  SchemaJITCompiler.enable(SchemaAST.flip(codec.ast))
  SchemaJITCompiler.enable(type.ast)
}

/** 16 hex digits over the representation of what is stored: equal shapes give equal fingerprints in every process. */
export const fingerprint = (codec: Schema.Constraint): string => {
  let text: string
  try {
    text = JSON.stringify(Schema.toRepresentation(Schema.toEncoded(codec)))
  } catch {
    // Schemas that have no representation still have an encoded JSON form, just not one that can be told apart.
    text = "json"
  }
  const hex = (n: number) => (n >>> 0).toString(16).padStart(8, "0")
  return hex(Hash.string(text)) + hex(Hash.string([...text].reverse().join("")))
}
