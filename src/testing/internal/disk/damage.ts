/**
 * What a power cut may make of a file whose last changes no fsync has made durable: nothing of them, all of them, some of
 * them, and space that was given to the file before its data arrived.
 */
import { type Bytes, changed, type DataChange, type FileNode } from "./volume.ts"

/** A content that a file may have after a power cut. */
export interface Variant {
  readonly bytes: Bytes
  /** In words; nothing where all changes are there. */
  readonly what: string
}

// Of a long series of changes the ends are looked at: what lies between differs from them in nothing but its length.
const maxSteps = 6

/** The contents that may be found, the one without any pending change first, the complete one second. */
export const variants = (file: FileNode, blockSize: number): ReadonlyArray<Variant> => {
  const { bytes: complete, durable, pending } = file
  const found: Array<Variant> = [{ bytes: durable, what: "its changes lost" }]
  const add = (bytes: Bytes, what: string) => {
    if (!found.some((variant) => equal(variant.bytes, bytes))) found.push({ bytes, what })
  }
  add(complete, "")
  if (found.length === 1) return found

  let before = durable
  const last = pending.length - 1
  for (const [i, change] of pending.entries()) {
    const after = changed(before, change)
    if (i < maxSteps / 2 || i > last - maxSteps / 2) {
      if (i < last) add(after, `only ${i + 1} of ${pending.length} changes done`)
      for (const end of cuts(change, blockSize)) {
        const kept = cut(change, end)
        add(changed(before, kept), `change ${i + 1} of ${pending.length} cut at a block, after ${end} bytes`)
      }
    }
    before = after
  }

  const range = rangeOf(durable, pending, complete.length)
  if (range === undefined) return found
  const [from, to] = range
  const block = Math.min(to, Math.floor(from / blockSize) * blockSize + blockSize)
  add(overlay(complete, durable, from, block), `a hole in place of its bytes ${from} to ${block}`)
  const tail = Math.max(from, Math.ceil(to / blockSize) * blockSize - blockSize)
  add(overlay(complete, durable, tail, to), `a hole in place of its bytes ${tail} to ${to}`)
  add(overlay(complete, durable, from, to), "its size grown, zeros for data")
  add(garbage(complete, from, to), "garbage in place of the changes")
  const stale = staleBlock(complete, pending, blockSize)
  if (stale !== undefined) add(stale.bytes, stale.what)
  return found
}

const equal = (a: Bytes, b: Bytes): boolean => a === b || (a.length === b.length && Buffer.compare(a, b) === 0)

/** Where a write may be cut: at its first and at its last block boundary. */
const cuts = (change: DataChange, blockSize: number): ReadonlyArray<number> => {
  if ("length" in change) return []
  const first = blockSize - (change.offset % blockSize)
  const end = change.offset + change.bytes.length
  const last = Math.floor((end - 1) / blockSize) * blockSize - change.offset
  return first >= change.bytes.length ? [] : last > first ? [first, last] : [first]
}

/** The beginning of a write. */
export const cut = (change: DataChange, length: number): DataChange =>
  "length" in change ? change : { offset: change.offset, bytes: change.bytes.subarray(0, length) }

/** From the first to the last byte that a pending write is about, as far as the file reaches. */
const rangeOf = (
  durable: Bytes,
  pending: ReadonlyArray<DataChange>,
  length: number
): readonly [from: number, to: number] | undefined => {
  let from = Number.POSITIVE_INFINITY
  let to = 0
  for (const change of pending) {
    // What a truncation takes away and a later write brings again is new data.
    const start = "length" in change ? Math.min(change.length, durable.length) : change.offset
    from = Math.min(from, start)
    to = Math.max(to, "length" in change ? change.length : change.offset + change.bytes.length)
  }
  to = Math.min(to, length)
  return from < to ? [from, to] : undefined
}

/** The content with a range as it was before, zeros where there was nothing. */
const overlay = (bytes: Bytes, before: Bytes, from: number, to: number): Bytes => {
  const copy = bytes.slice()
  copy.fill(0, from, to)
  if (from < before.length) copy.set(before.subarray(from, Math.min(to, before.length)), from)
  return copy
}

/**
 * The content with one block of what was written last as it was in what was written before it: a block that was used
 * already. Records of one length then fit together, and only a checksum tells.
 */
const staleBlock = (bytes: Bytes, pending: ReadonlyArray<DataChange>, blockSize: number): Variant | undefined => {
  const last = pending.at(-1)
  if (last === undefined || "length" in last || last.offset < last.bytes.length) return undefined
  const { length } = last.bytes
  const end = last.offset + length
  const from = Math.ceil((last.offset + 1) / blockSize) * blockSize
  const to = Math.min(end, from + blockSize)
  if (from >= end || end > bytes.length) return undefined
  const copy = bytes.slice()
  copy.set(bytes.subarray(from - length, to - length), from)
  return { bytes: copy, what: `older data in place of its bytes ${from} to ${to}` }
}

/** The content with a range that has nothing to do with it: no text, and not the same byte throughout. */
const garbage = (bytes: Bytes, from: number, to: number): Bytes => {
  const copy = bytes.slice()
  for (let i = from; i < to; i++) copy[i] = 0x80 | ((i * 0x9d + 0x3b) & 0x7f)
  return copy
}
