/**
 * A codec whose larger payloads are compressed.
 *
 * - Promises: what was stored comes back as it was. Payloads below `minBytes` stay as they are, so that small states can still
 *   be read by people and by SQL; what was stored before, uncompressed or by the other algorithm, is read all the same. Both kinds
 *   of container carry a checksum of what is in them.
 * - Costs: for 100 KB of chat about 0.2 ms with zstd, for a sixth of the bytes, and 4 ms with gzip. Above 256 KiB (gzip: 64)
 *   it is done by a thread of the pool. Compressed states cannot be seen by SQL, and a history of deltas keeps them in full.
 * - Fails: with `StateCorrupt` for a container that is damaged, cut, or holds more than `maxBytes`; with zstd on a Node before
 *   22.15 with `StateInvalid` at the save and `StateCorrupt` at the load, which say so. `make` throws `CodecOptionsInvalid`.
 *
 * Encrypt what is compressed, and not the other way round: ciphertext does not compress. Where an attacker can put text into a
 * state beside a secret and see how large it becomes, compressing before encrypting tells of the secret (CRIME): leave it out there.
 */
import { Effect, Exit, Predicate, type Schema } from "effect"
import { byteLength, type Codec, toCodec } from "./Codec.ts"
import { CodecOptionsInvalid } from "./CodecOptionsInvalid.ts"
import * as Envelope from "./Envelope.ts"
import { codecError } from "./internal/codecError.ts"
import { type Compression, containers } from "./internal/containers.ts"
import { type Opened, over } from "./internal/layer.ts"

export type { Compression } from "./internal/containers.ts"

/** What `make` takes besides. */
export interface Options {
  /** Default: `"zstd"`, which needs Node 22.15; `"gzip"` works on every version. */
  readonly algorithm?: Compression | undefined
  /** The bytes, as encoded by the codec below, from which on a payload is compressed. Default: 1 024. */
  readonly minBytes?: number | undefined
  /** How hard to try: 1 to 22 for zstd (default 3), 0 to 9 for gzip (default 6). */
  readonly level?: number | undefined
  /** The most bytes that a payload may have when it is decompressed. Default: what Node can hold in one piece, 2 GiB. */
  readonly maxBytes?: number | undefined
}

const kinds = { zstd: "z", gzip: "g" } as const

const levels = { zstd: [1, 22], gzip: [0, 9] } as const

// What Node can hold in one piece.
const most = 2 ** 31 - 1

/** The codec, or that of a schema, with larger payloads compressed. */
export const make = <S>(self: Schema.Codec<S, unknown> | Codec<S>, options: Options = {}): Codec<S> => {
  const given = withDefaults(options)
  checkOptions(given)
  const { algorithm, level, maxBytes, minBytes } = given
  const kind = kinds[algorithm]

  return over(toCodec(self), {
    name: algorithm,
    isBound: false,
    seal: (payload) => {
      const isSmall = byteLength(payload) < minBytes
      // Bytes that look like an envelope of this layer would be taken for one.
      if (isSmall && !isOurs(Envelope.read(payload))) return Exit.succeed(payload)
      const parts = Envelope.toBytes(payload)
      if (parts === undefined) return Exit.fail(codecError("its text has a lone surrogate, which UTF-8 cannot hold"))
      const { bytes, isText } = parts
      if (isSmall) return Exit.succeed(Envelope.write("r", isText, bytes))
      return Effect.mapEager(containers[algorithm].compress(bytes, level), (packed) =>
        Envelope.write(kind, isText, packed)
      )
    },
    open: (payload) => {
      const envelope = Envelope.read(payload)
      if (!isOurs(envelope)) return Exit.succeed({ payload, isCurrent: byteLength(payload) < minBytes })
      const { body, isText } = envelope
      if (envelope.kind === "r") return unpacked(body, isText, body.byteLength < minBytes)
      const container = containers[envelope.kind === "z" ? "zstd" : "gzip"]
      return Effect.flatMapEager(container.decompress(body, Math.min(maxBytes, most)), (bytes) =>
        unpacked(bytes, isText, envelope.kind === kind && bytes.byteLength >= minBytes)
      )
    }
  })
}

const withDefaults = ({ algorithm = "zstd", level, maxBytes = most, minBytes = 1024 }: Options) => ({
  algorithm,
  level,
  maxBytes,
  minBytes
})

const isOurs = (envelope: Envelope.Envelope | undefined): envelope is Envelope.Envelope =>
  envelope !== undefined && (envelope.kind === "z" || envelope.kind === "g" || envelope.kind === "r")

const unpacked = (
  bytes: Uint8Array,
  isText: boolean,
  isCurrent: boolean
): Exit.Exit<Opened, ReturnType<typeof codecError>> => {
  try {
    return Exit.succeed({ payload: Envelope.fromBytes(bytes, isText), isCurrent })
  } catch {
    return Exit.fail(codecError("is not UTF-8 text"))
  }
}

const checkOptions = ({ algorithm, level, maxBytes, minBytes }: ReturnType<typeof withDefaults>): void => {
  const refuse = (reason: string): never => {
    throw new CodecOptionsInvalid({ codec: "Compressed", reason })
  }
  if (algorithm !== "zstd" && algorithm !== "gzip") refuse('the option algorithm is neither "zstd" nor "gzip"')
  if (!Predicate.isNumber(minBytes) || !(minBytes >= 0)) refuse("the option minBytes has to be a number from 0")
  if (!Predicate.isNumber(maxBytes) || !(maxBytes >= 1)) refuse("the option maxBytes has to be a number from 1")
  const [low, high] = levels[algorithm]
  if (level !== undefined && !(Number.isInteger(level) && level >= low && level <= high))
    refuse(`the option level has to be a whole number from ${low} to ${high} for ${algorithm}`)
}
