/**
 * The names of the appends in a segment that is full, so that an append whose answer was lost can be told from a new one: in memory
 * 8 bytes each. They are kept in a file beside the segment, sorted by hash, which is only ever a shortcut: one that is missing or
 * damaged is made again from the segment.
 */
import { hash } from "node:crypto"
import { crc32 } from "node:zlib"

const magic = "dgids 1\n"
const headLength = 16
const entryLength = 8

/** The part of a hash that is kept. */
const short = (id: string): number => hash("sha256", id, "buffer").readUInt32LE()

/** Which positions an id may have, by its hash. */
export class IdTable {
  readonly #first: number
  /** Sorted. */
  readonly #hashes: Uint32Array
  /** The position of the last event of an append, less that of the segment's first. */
  readonly #offsets: Uint32Array

  private constructor(first: number, hashes: Uint32Array, offsets: Uint32Array) {
    this.#first = first
    this.#hashes = hashes
    this.#offsets = offsets
  }

  /** Of the ids of a segment, each with the position of the last event of its append. */
  static of(first: number, ids: Iterable<readonly [id: string, last: number]>): IdTable {
    const sorted = Array.from(ids, ([id, last]) => [short(id), last - first] as const).sort(([a], [b]) => a - b)
    return new IdTable(
      first,
      Uint32Array.from(sorted, ([hash]) => hash),
      Uint32Array.from(sorted, ([, offset]) => offset)
    )
  }

  /** What `encode` wrote; undefined when it is damaged. */
  static decode(first: number, bytes: Uint8Array): IdTable | undefined {
    const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (file.length < headLength || file.toString("latin1", 0, magic.length) !== magic) return undefined
    const count = file.readUInt32LE(magic.length)
    const body = file.subarray(headLength)
    if (body.length !== count * entryLength || crc32(body) !== file.readUInt32LE(magic.length + 4)) return undefined
    const read = (from: number) => Uint32Array.from({ length: count }, (_, i) => body.readUInt32LE((from + i) * 4))
    return new IdTable(first, read(0), read(count))
  }

  encode(): Uint8Array {
    const count = this.#hashes.length
    const file = Buffer.alloc(headLength + count * entryLength)
    file.write(magic, "latin1")
    file.writeUInt32LE(count, magic.length)
    for (const [i, hash] of this.#hashes.entries()) file.writeUInt32LE(hash, headLength + i * 4)
    for (const [i, offset] of this.#offsets.entries()) file.writeUInt32LE(offset, headLength + (count + i) * 4)
    file.writeUInt32LE(crc32(file.subarray(headLength)), magic.length + 4)
    return file
  }

  /** The positions of the events that may be the last of an append with this id; nearly always the one that is, or none. */
  find(id: string): ReadonlyArray<number> {
    const wanted = short(id)
    let low = 0
    let high = this.#hashes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#hashes[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    const found: Array<number> = []
    for (let i = low; this.#hashes[i] === wanted; i++) found.push(this.#first + (this.#offsets[i] ?? 0))
    return found
  }
}
