import type { CodecError } from "../Codec.ts"

/** Why something could not be encoded or decoded, and where in the state. Holds nothing of the state. */
export const codecError = (reason: string, path: ReadonlyArray<PropertyKey> = []): CodecError => ({
  _tag: "CodecError",
  path,
  reason
})
