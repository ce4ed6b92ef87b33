/** Arrays as parameters. */

/** An array as one parameter, of which a statement makes rows. */
export type ArrayParam =
  | { readonly type: "text"; readonly values: ReadonlyArray<string | null> }
  | { readonly type: "bytea"; readonly values: ReadonlyArray<Uint8Array | null> }
  | { readonly type: "int8" | "float4" | "float8"; readonly values: ReadonlyArray<number | null> }
  | { readonly type: "bool"; readonly values: ReadonlyArray<boolean> }

const oids = { bool: 16, bytea: 17, int8: 20, text: 25, float4: 700, float8: 701 } as const
const headerBytes = 20

/**
 * The binary format of an array of one dimension (`array_send` in the sources of PostgreSQL). As a literal, each text would be
 * escaped here and parsed there, which takes more than twice the time.
 */
export const toBinary = (array: ArrayParam): Uint8Array => {
  const { type, values } = array
  const sizes = values.map((value) => sizeOf(type, value))
  const buffer = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + 4 + Math.max(0, size), headerBytes))
  for (const [i, word] of [1, sizes.includes(-1) ? 1 : 0, oids[type], values.length, 1].entries())
    buffer.writeInt32BE(word, i * 4)
  let at = headerBytes
  for (const [i, value] of values.entries()) {
    const size = sizes[i] ?? -1
    at = buffer.writeInt32BE(size, at)
    if (value === null) continue
    if (typeof value === "string") buffer.write(value, at, "utf8")
    else if (typeof value === "boolean") buffer.writeUInt8(value ? 1 : 0, at)
    else if (typeof value !== "number") buffer.set(value, at)
    else if (type === "int8") buffer.writeBigInt64BE(BigInt(value), at)
    else if (type === "float4") buffer.writeFloatBE(value, at)
    else buffer.writeDoubleBE(value, at)
    at += size
  }
  return buffer
}

const sizeOf = (type: ArrayParam["type"], value: ArrayParam["values"][number]): number => {
  if (value === null) return -1
  if (typeof value === "string") return Buffer.byteLength(value, "utf8")
  return typeof value === "boolean" ? 1 : typeof value === "number" ? (type === "float4" ? 4 : 8) : value.byteLength
}
