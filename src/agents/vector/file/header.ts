/** What an index file says of itself, at its end: a line of JSON, then a footer of fixed size that leads to it. */
import type { FileHandle } from "node:fs/promises"
import { Option, Schema } from "effect"

const Count = Schema.Number.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(0))

const HeaderSchema = Schema.Struct({
  /** What has to be the same for the index to be of use. */
  made: Schema.Struct({
    library: Schema.String,
    settings: Schema.String,
    byteOrder: Schema.Literals(["BE", "LE"]),
    metric: Schema.Literals(["cosine", "dot", "euclidean"]),
    dimension: Count,
    /** Numbers from one vector to the next. */
    stride: Count
  }),
  /** `native`, `ids` and `mark` in bytes; the others say how many. */
  sizes: Schema.Struct({ native: Count, count: Count, labels: Count, gone: Count, ids: Count, mark: Count }),
  nativeChecksum: Count,
  nextLabel: Count,
  norm: Schema.Number
})

/** What an index file says of itself. */
export type Header = typeof HeaderSchema.Type

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(HeaderSchema))

// The last character is the version of the format.
const magic = Buffer.from("dgentsi3", "latin1")

/** The magic, the length of the header and the checksum of all that is behind what a library wrote, 4 bytes each. */
export const footerBytes: number = magic.length + 8

export const writeHeader = (
  header: Header
): { readonly header: Buffer; readonly footer: (checksum: number) => Buffer } => {
  const bytes = Buffer.from(JSON.stringify(header))
  return {
    header: bytes,
    footer: (checksum) => {
      const footer = Buffer.alloc(footerBytes)
      footer.writeUInt32LE(bytes.length, 0)
      footer.writeUInt32LE(checksum, 4)
      magic.copy(footer, 8)
      return footer
    }
  }
}

/** The header of a file with what the footer says, if the two are there and fit the length of the file. */
export const readHeader = async (file: FileHandle) => {
  const { size } = await file.stat()
  const footer = await readAt(file, size - footerBytes, footerBytes)
  if (footer === undefined || !footer.subarray(8).equals(magic)) return undefined
  const headerBytes = footer.readUInt32LE(0)
  const start = size - footerBytes - headerBytes
  const header = Option.getOrUndefined(decode((await readAt(file, start, headerBytes))?.toString()))
  if (header === undefined) return undefined
  const { count, gone, ids, labels, mark, native } = header.sizes
  // Checked before anything is allocated by it. A stamp takes 16 bytes.
  if (native + count * (4 * header.made.stride + 16) + 4 * (labels + gone) + ids + mark !== start) return undefined
  return { header, headerBytes, checksum: footer.readUInt32LE(4) }
}

const readAt = async (file: FileHandle, start: number, length: number): Promise<Buffer | undefined> => {
  if (start < 0) return undefined
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, start)
  return bytesRead === length ? bytes : undefined
}
