/**
 * A JSON codec whose payloads are compact binary: CBOR (RFC 8949), in which a string that comes again, such as the name of a field,
 * is a reference of a few bytes, and base64 is the bytes that it stands for. Any CBOR reader that knows references opens it.
 *
 * - Promises: what the JSON codec below promises, as exactly. What was stored as JSON text before is read all the same.
 * - Costs: see docs/codecs.md for figures: fewer bytes than JSON, several times the time. `Compressed` alone saves more where
 *   states are large. Binary states cannot be seen by SQL, and a history of deltas keeps them in full.
 * - Fails: with `StateCorrupt` for bytes that are not what it writes. `make` throws `CodecOptionsInvalid` over a codec that does
 *   not write JSON text.
 */
import { Exit, type Schema } from "effect"
import { type Codec, type Payload, toCodec } from "./Codec.ts"
import { CodecOptionsInvalid } from "./CodecOptionsInvalid.ts"
import * as Envelope from "./Envelope.ts"
import * as Cbor from "./internal/cbor.ts"
import { codecError } from "./internal/codecError.ts"
import { over } from "./internal/layer.ts"
import { parseEscapedKeys } from "./internal/parseJson.ts"
import { stringifyMinusZero } from "./internal/stringify.ts"

const isJsonText = (format: string): boolean => format === "json" || format === "json+versions"

/** The JSON codec, or that of a schema, with binary payloads. */
export const make = <S>(self: Schema.Codec<S, unknown> | Codec<S>): Codec<S> => {
  const below = toCodec(self)
  if (!isJsonText(below.format))
    throw new CodecOptionsInvalid({
      codec: "Binary",
      reason: `it goes over JSON text, and what it is given is stored as ${JSON.stringify(below.format)}; put it next to the schema: Compressed.make(Binary.make(schema))`
    })
  return over(below, {
    name: "cbor",
    isBound: false,
    seal: (payload) => {
      try {
        return Exit.succeed(Envelope.write("c", true, Cbor.encode(parseEscapedKeys(String(payload)))))
      } catch {
        return Exit.fail(codecError("is not JSON text"))
      }
    },
    open: (payload) => {
      const envelope = Envelope.read(payload)
      if (envelope?.kind !== "c") return Exit.succeed({ payload, isCurrent: false })
      try {
        const { hasMinusZero, tree } = Cbor.decode(envelope.body)
        const text: Payload = hasMinusZero ? stringifyMinusZero(tree, 0) : JSON.stringify(tree)
        return Exit.succeed({ payload: text, isCurrent: true })
      } catch {
        return Exit.fail(codecError("is not the CBOR that it should be"))
      }
    }
  })
}
