/** Reads an index file. Nothing of it is used before all of it is found to be what was written. */
import { type FileHandle, open } from "node:fs/promises"
import { crc32 } from "node:zlib"
import { IndexUnusable } from "../IndexError.ts"
import type { Stamp } from "../stamps.ts"
import { bytesOf, piece } from "./bytes.ts"
import type { Options, Parts, Place } from "./filed.ts"
import { type Header, readHeader } from "./header.ts"

// Pieces that are read while earlier ones are summed up.
const ahead = 4

/** What was in a file: it is the caller's to be put into its place. */
export interface Loaded {
  readonly place: Place
  readonly parts: Parts
  readonly mark: string
  readonly stamps: (i: number) => Stamp
  /** The file, if a library wrote to it. */
  readonly native: string | undefined
}

export const load = async (
  path: string,
  made: Header["made"],
  placeOf: ReturnType<Options["place"]>
): Promise<Loaded> => {
  const unusable = (kind: IndexUnusable["kind"], reason: string) => new IndexUnusable({ path, kind, reason })
  const file = await open(path, "r")
  try {
    const found = await readHeader(file)
    if (found === undefined)
      throw unusable("damaged", "it does not end as an index file does: it was cut off, or is something else")
    const { checksum, header, headerBytes } = found
    const differing = differenceOf(header.made, made)
    if (differing !== undefined) throw unusable("other", differing)
    const { nextLabel, norm, sizes, waste } = header
    const { count, native } = sizes
    const place = placeOf(count)
    const [labels, gone] = [new Int32Array(sizes.labels), new Int32Array(sizes.gone)]
    const stamps = new Float64Array(2 * count)
    const [names, said] = [Buffer.allocUnsafe(sizes.ids), Buffer.allocUnsafe(sizes.mark)]
    const pieces = function* () {
      // What the library reads by itself is only summed up.
      const scratch = Array.from({ length: native === 0 ? 0 : ahead }, () => Buffer.allocUnsafe(piece))
      for (let [at, i] = [0, 0]; at < native; at += piece, i++)
        yield (scratch[i % ahead] ?? Buffer.alloc(piece)).subarray(0, Math.min(piece, native - at))
      for (const vectors of place.vectors) yield* cut(bytesOf(vectors))
      for (const numbers of [labels, gone, stamps]) yield* cut(bytesOf(numbers))
      for (const bytes of [names, said, Buffer.allocUnsafe(headerBytes)]) yield* cut(bytes)
    }
    if ((await read(file, pieces())) !== checksum) throw unusable("damaged", "its checksum does not match")
    // Sound: the checksum says that these are the bytes that were written.
    const ids = JSON.parse(names.toString()) as ReadonlyArray<string>
    const mark = JSON.parse(said.toString()) as string
    return {
      place,
      parts: { ids, labels, gone, waste, nextLabel, norm },
      mark,
      stamps: (i) => ({ revision: stamps[i] ?? 0, savedAt: stamps[count + i] ?? 0 }),
      native: native === 0 ? undefined : path
    }
  } finally {
    await file.close()
  }
}

const cut = function* (bytes: Uint8Array) {
  for (let at = 0; at < bytes.byteLength; at += piece) yield bytes.subarray(at, at + piece)
}

const differenceOf = (made: Header["made"], wanted: Header["made"]): string | undefined => {
  for (const name of ["library", "metric", "dimension", "stride", "settings", "byteOrder"] as const)
    if (made[name] !== wanted[name]) return `it was made with ${name} ${made[name]}, and ${wanted[name]} is wanted`
  return undefined
}

/** Fills pieces from the beginning of a file on, and answers their checksum. */
const read = async (file: FileHandle, pieces: Iterable<Uint8Array>): Promise<number> => {
  let checksum = 0
  let at = 0
  const under: Array<Promise<Uint8Array>> = []
  const sumUp = async () => {
    const bytes = await under.shift()
    if (bytes !== undefined) checksum = crc32(bytes, checksum)
  }
  try {
    for (const into of pieces) {
      const reading = readAt(file, into, at)
      // It is awaited when its turn comes; until then a failure is not to count as one that nobody looks at.
      reading.catch(() => undefined)
      under.push(reading)
      at += into.byteLength
      if (under.length === ahead) await sumUp()
    }
    while (under.length > 0) await sumUp()
  } finally {
    // What fails is closed only when nothing reads it any more.
    await Promise.allSettled(under)
  }
  return checksum
}

const readAt = async (file: FileHandle, into: Uint8Array, at: number): Promise<Uint8Array> => {
  for (let from = 0; from < into.byteLength; ) {
    const { bytesRead } = await file.read(into, from, into.byteLength - from, at + from)
    if (bytesRead === 0) throw new Error("it became shorter while it was read")
    from += bytesRead
  }
  return into
}
