/**
 * Reads an index file, apart from what a library wrote. Nothing of it is used before all that is read is found to be what was
 * written.
 */
import { open } from "node:fs/promises"
import { IndexUnusable } from "../IndexError.ts"
import type { Stamp } from "../stamps.ts"
import { bytesOf, piece } from "./bytes.ts"
import type { Options, Parts, Place } from "./filed.ts"
import { type Header, readHeader } from "./header.ts"
import { NativePart } from "./native.ts"
import { read } from "./reading.ts"

/** What was in a file: it is the caller's to be put into its place. */
export interface Loaded {
  readonly place: Place
  readonly parts: Parts
  readonly mark: string
  readonly stamps: (i: number) => Stamp
  /** What a library wrote, if it did. */
  readonly native: NativePart | undefined
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
    const { nextLabel, norm, sizes } = header
    const { count, native } = sizes
    const place = placeOf(count)
    const [labels, gone] = [new Int32Array(sizes.labels), new Int32Array(sizes.gone)]
    const stamps = new Float64Array(2 * count)
    const [names, said] = [Buffer.allocUnsafe(sizes.ids), Buffer.allocUnsafe(sizes.mark)]
    const pieces = function* () {
      for (const vectors of place.vectors) yield* cut(bytesOf(vectors))
      for (const numbers of [labels, gone, stamps]) yield* cut(bytesOf(numbers))
      for (const bytes of [names, said, Buffer.allocUnsafe(headerBytes)]) yield* cut(bytes)
    }
    if ((await read(file, native, pieces())) !== checksum) throw unusable("damaged", "its checksum does not match")
    // Sound: the checksum says that these are the bytes that were written.
    const ids = JSON.parse(names.toString()) as ReadonlyArray<string>
    const mark = JSON.parse(said.toString()) as string
    return {
      place,
      parts: { ids, labels, gone, nextLabel, norm },
      mark,
      stamps: (i) => ({ revision: stamps[i] ?? 0, savedAt: stamps[count + i] ?? 0 }),
      native: await NativePart.of(path, file, { bytes: native, checksum: header.nativeChecksum })
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
