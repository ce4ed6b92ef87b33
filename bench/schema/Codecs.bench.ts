import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { zstdCompressSync, zstdDecompressSync } from "node:zlib"
import { Binary, type Codec, Compressed, Encrypted, Migration, Versioned } from "dgents"
import { Effect } from "effect"
import { bench } from "../harness.ts"
import { Conversation, conversations } from "../states.ts"

const key = randomBytes(32)

const encrypt = (text: string) => {
  const nonce = randomBytes(12)
  const cipher = createCipheriv("aes-256-gcm", key, nonce)
  return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()])
}

const decrypt = (bytes: Buffer) => {
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12))
  decipher.setAuthTag(bytes.subarray(-16))
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString()
}

const versioned = Versioned.make(
  Migration.to(Migration.from(1, Conversation), 2, Conversation, { up: (conversation) => conversation })
)
const older = Versioned.make(Migration.from(1, Conversation))

for (const [size, bytes] of [
  ["1 KB", 1_000],
  ["100 KB", 100_000]
] as const) {
  const next = conversations(bytes)
  const text = JSON.stringify(next(0))

  const pair = <S extends typeof Conversation.Type>(
    name: string,
    codec: Codec.Codec<S>,
    raw: { readonly encode: (text: string) => unknown; readonly decode: () => unknown; readonly words: string }
  ) => {
    bench(
      `${name}/encode ${size}, against JSON.stringify${raw.words}`,
      // Sound: the states are those of the schema.
      Effect.succeed({ ours: (i) => codec.encode(next(i) as S), raw: (i) => raw.encode(JSON.stringify(next(i))) })
    )
    bench(
      `${name}/decode ${size}, against JSON.parse${raw.words}`,
      Effect.map(codec.encode(next(0) as S), (payload) => ({ ours: () => codec.decode(payload), raw: raw.decode }))
    )
  }

  const plain = { encode: (text: string) => text, decode: () => JSON.parse(text), words: "" }
  const secret = encrypt(text)
  const packed = zstdCompressSync(text)
  const zstd = {
    encode: (text: string) => zstdCompressSync(text),
    decode: () => JSON.parse(zstdDecompressSync(packed).toString()),
    words: " and zstd"
  }
  pair("binary", Binary.make(Conversation), plain)
  pair("zstd", Compressed.make(Conversation, { minBytes: 0 }), zstd)
  pair("encrypted", Encrypted.make(Conversation, { current: "k", keys: { k: key } }), {
    encode: encrypt,
    decode: () => JSON.parse(decrypt(secret)),
    words: " and AES"
  })
  pair("versions", versioned, plain)
  bench(
    `versions/decode ${size} of the version before, against JSON.parse`,
    Effect.map(older.encode(next(0)), (payload) => ({
      ours: () => versioned.decode(payload),
      raw: () => JSON.parse(text)
    }))
  )
}
