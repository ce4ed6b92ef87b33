import type { FileHandle } from "node:fs/promises"
import { crc32 } from "node:zlib"

/** Pieces that are read while earlier ones are summed up. */
export const ahead = 4

/** What is wrong with a file that ends too early. */
export const shorter = "it became shorter while it was read"

/** Fills pieces from a place in a file on, and answers their checksum. A piece can be used again once `ahead` others were asked for. */
export const read = async (file: FileHandle, from: number, pieces: Iterable<Uint8Array>): Promise<number> => {
  let checksum = 0
  let at = from
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
    if (bytesRead === 0) throw new Error(shorter)
    from += bytesRead
  }
  return into
}
