/**
 * A codec whose payloads are encrypted and authenticated: AES-256-GCM (NIST SP 800-38D), under keys that have names, so that they
 * can be replaced.
 *
 * ```ts
 * const codec = Encrypted.make(Profile, {
 *   current: "2026-11",
 *   keys: { "2026-11": Redacted.make(key), "2025-06": Redacted.make(olderKey) }
 * })
 * ```
 *
 * - Promises: nobody without a key learns more of a state than its size, its key's name and its place; nobody changes it unseen.
 *   Each payload is bound to the name of its agent and to its key in a family: put anywhere else, it is refused. New payloads are
 *   under the key `current`; those of the other keys are read. Key and plaintext appear in no error.
 * - Costs: what the cipher takes, some 0.1 ms for 100 KB, and 37 bytes a state besides the name of the key. Encrypted states cannot be seen by SQL, and a
 *   history of deltas keeps them in full.
 * - Fails: with `StateCorrupt`, which tells apart a payload that is not encrypted, one under a key that is not given, and one that
 *   does not authenticate: the key is another one, or the payload was changed, cut, or belongs elsewhere. `make` throws
 *   `CodecOptionsInvalid`.
 *
 * What it does not do: an older payload of the same place, put back, is accepted, since a codec knows no revisions. The name of
 * an agent is part of its states: give a `PersistentAgent` a name, or they are bound to the path. One key is good for 2^32 saves
 * (nonces are random): take a new one in time. What other agents keep of the state, a cache, an index, they encrypt by their own codec.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto"
import { Exit, Redacted, type Schema } from "effect"
import { type Codec, type CodecError, type Place, toCodec } from "./Codec.ts"
import { CodecOptionsInvalid } from "./CodecOptionsInvalid.ts"
import * as Envelope from "./Envelope.ts"
import { codecError } from "./internal/codecError.ts"
import { type Opened, over } from "./internal/layer.ts"

/** What `make` takes besides. */
export interface Options {
  /** The name of the key that new payloads are encrypted under. It is stored with them, in the clear. */
  readonly current: string
  /** Keys by name, 32 random bytes each: the current one, and those under which something is still stored. */
  readonly keys: Readonly<Record<string, Redacted.Redacted<Uint8Array> | Uint8Array>>
  /**
   * What to do with a payload that is not encrypted. Default: `"refuse"`. `"read"` takes it as it is, for as long as it takes
   * `Maintenance.migrateAll` to encrypt what was stored before: meanwhile whoever can write to the storage can forge states.
   */
  readonly unencrypted?: "refuse" | "read" | undefined
}

const algorithm = "aes-256-gcm"
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const maxNameBytes = 255

/** The codec, or that of a schema, with its payloads encrypted. */
export const make = <S>(self: Schema.Codec<S, unknown> | Codec<S>, options: Options): Codec<S> => {
  const { unencrypted = "refuse" } = options
  const keys = keysOf(options)
  const current = Buffer.from(options.current)
  const currentKey = keys.get(options.current) ?? refuse("there is no key of the name that is current")
  if (unencrypted !== "refuse" && unencrypted !== "read")
    refuse('the option unencrypted is neither "refuse" nor "read"')

  return over(toCodec(self), {
    name: algorithm,
    isBound: true,
    seal: (payload, place) => {
      const parts = Envelope.toBytes(payload)
      if (parts === undefined) return Exit.fail(codecError("its text has a lone surrogate, which UTF-8 cannot hold"))
      const { bytes, isText } = parts
      const name = Buffer.concat([Buffer.of(current.length), current])
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv(algorithm, currentKey, nonce, { authTagLength: tagBytes })
      cipher.setAAD(associated(isText, name, place))
      const ciphertext = [cipher.update(bytes), cipher.final()]
      return Exit.succeed(Envelope.write("e", isText, name, nonce, ...ciphertext, cipher.getAuthTag()))
    },
    open: (payload, place) => {
      const envelope = Envelope.read(payload)
      if (envelope?.kind !== "e")
        return unencrypted === "read" ? Exit.succeed({ payload, isCurrent: false }) : Exit.fail(plain)
      return open(envelope, place, keys, options.current)
    }
  })
}

const open = (
  { body, isText }: Envelope.Envelope,
  place: Place | undefined,
  keys: ReadonlyMap<string, KeyObject>,
  current: string
): Exit.Exit<Opened, CodecError> => {
  const nameEnd = 1 + (body[0] ?? 0)
  const start = nameEnd + nonceBytes
  const end = body.length - tagBytes
  if (end < start) return Exit.fail(codecError("its ciphertext is cut"))
  const name = body.toString("utf8", 1, nameEnd)
  const key = keys.get(name)
  if (key === undefined)
    return Exit.fail(
      codecError(
        `it is encrypted under a key named ${JSON.stringify(name)}, which is not among those given; add it to \`keys\``
      )
    )
  const decipher = createDecipheriv(algorithm, key, body.subarray(nameEnd, start), { authTagLength: tagBytes })
  decipher.setAAD(associated(isText, body.subarray(0, nameEnd), place))
  decipher.setAuthTag(body.subarray(end))
  try {
    const text = Buffer.concat([decipher.update(body.subarray(start, end)), decipher.final()])
    return Exit.succeed({ payload: Envelope.fromBytes(text, isText), isCurrent: name === current })
  } catch {
    return Exit.fail(
      codecError(
        `it does not authenticate: the key named ${JSON.stringify(name)} is another one than it was encrypted under, or it was changed, cut, or stored for another agent or key`
      )
    )
  }
}

const plain = codecError(
  'it is not encrypted; to take over what was stored before, open with `unencrypted: "read"` and run Maintenance.migrateAll'
)

/** What a payload is authenticated together with: all that is stored in the clear, and where it belongs. */
const associated = (isText: boolean, name: Uint8Array, place: Place | undefined): Uint8Array => {
  // JSON, because it tells ["a", "bc"] from ["ab", "c"]; escapes make lone surrogates storable.
  const where = JSON.stringify(place === undefined ? [] : [place.agent, place.key ?? null])
  return Buffer.concat([Envelope.head("e", isText), name, Buffer.from(where)])
}

const refuse = (reason: string): never => {
  throw new CodecOptionsInvalid({ codec: "Encrypted", reason })
}

const keysOf = ({ keys }: Options): ReadonlyMap<string, KeyObject> =>
  new Map(
    Object.entries(keys).map(([name, given]): [string, KeyObject] => {
      const key = Redacted.isRedacted(given) ? Redacted.value(given) : given
      if (!name.isWellFormed() || Buffer.byteLength(name) > maxNameBytes)
        refuse(`the name of a key has to be text of at most ${maxNameBytes} bytes`)
      if (!(key instanceof Uint8Array) || key.byteLength !== keyBytes)
        refuse(
          `the key ${JSON.stringify(name)} has to be ${keyBytes} bytes; make one with crypto.randomBytes(${keyBytes})`
        )
      return [name, createSecretKey(Buffer.from(key))]
    })
  )
