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

const toBase64 = (vector: Float32Array): string => {
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
  return (isBigEndian ? Buffer.from(bytes).swap32() : bytes).toString("base64")
}

const fromBase64 = (text: string): Float32Array | undefined => {
  const bytes = Buffer.from(text, "base64")
  // Node skips what is not base64, so only text that comes back equal was read in full.
  if (bytes.byteLength % 4 !== 0 || bytes.toString("base64") !== text) return undefined
  if (isBigEndian) bytes.swap32()
  // A fresh buffer: a small one of Node's is a slice of a pool, at any offset.
  return new Float32Array(new Uint8Array(bytes).buffer)
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
