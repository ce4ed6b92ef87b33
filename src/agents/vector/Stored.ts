/** What a vector agent keeps in its family: one entry an item, and one that says how the vectors were made. */
import { Effect, Schema, SchemaIssue, SchemaTransformation } from "effect"

/** How two vectors are compared. */
export type Metric = "cosine" | "dot" | "euclidean"

/** What all vectors of one memory have in common. */
export interface Settings {
  /** The identity of the embedder that made the vectors. */
  readonly embedder: string
  readonly dimension: number
  readonly metric: Metric
}

/** An item with its vector as the embedder gave it. */
export interface StoredItem<out A> {
  readonly _tag: "Item"
  readonly item: A
  readonly vector: Float32Array
}

/**
 * An entry of the family: an item with its vector, or the settings of the memory, with a name that no
 * other memory has.
 */
export type Stored<A> = StoredItem<A> | ({ readonly _tag: "Settings"; readonly memory?: string } & Settings)

const isBigEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 0

const bytesOf = (vector: Float32Array): Buffer => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)

const toBase64 = (vector: Float32Array): string => {
  const bytes = bytesOf(vector)
  return (isBigEndian ? Buffer.from(bytes).swap32() : bytes).toString("base64")
}

const fromBase64 = (text: string): Float32Array | undefined => {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0
  const length = (text.length / 4) * 3 - padding
  if (text.length % 4 !== 0 || length % 4 !== 0) return undefined
  const vector = new Float32Array(length / 4)
  const bytes = bytesOf(vector)
  bytes.write(text, "base64")
  // Node skips what it does not know, and bits that do not count: what was written here is what these bytes make.
  if (bytes.toString("base64") !== text) return undefined
  if (isBigEndian) bytes.swap32()
  return vector
}

/** Whether every number is finite. */
export const allFinite = (vector: Float32Array): boolean => {
  // A sum of numbers times 0 is 0 unless one of them is NaN or infinite.
  let sum = 0
  for (const value of vector) sum += value * 0
  return sum === 0
}

const sameVector = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && a.every((value, i) => Object.is(value, b[i]))

const FiniteVector = Schema.declare((u: unknown): u is Float32Array => u instanceof Float32Array && allFinite(u), {
  expected: "a Float32Array of finite numbers",
  toEquivalence: () => sameVector
})

/** A vector of finite 32-bit floats, stored as base64 of its little-endian bytes: exact, 5.3 bytes a number. */
export const Vector: Schema.Codec<Float32Array, string> = Schema.String.pipe(
  Schema.decodeTo(
    FiniteVector,
    SchemaTransformation.transformEffect<Float32Array, string>({
      decode: (text, options) => {
        const vector = fromBase64(text)
        return vector === undefined
          ? Effect.fail(new SchemaIssue.InvalidValue({ expected: "base64 of 32-bit floats" }, text, options))
          : Effect.succeed(vector)
      },
      encode: (vector) => Effect.succeed(toBase64(vector))
    })
  )
)

/** The schema of the family's entries. */
export const Stored = <A>(item: Schema.Codec<A, unknown>): Schema.Codec<Stored<A>, unknown> =>
  Schema.Union([
    Schema.TaggedStruct("Item", { item, vector: Vector }),
    Schema.TaggedStruct("Settings", {
      memory: Schema.optionalKey(Schema.String),
      embedder: Schema.String,
      dimension: Schema.Number,
      metric: Schema.Literals(["cosine", "dot", "euclidean"])
    })
  ])
