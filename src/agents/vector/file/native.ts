/**
 * What a library wrote at the beginning of an index file. It is read after the vectors, since comparing with all of them does while
 * it is not there, and it is used only while the file is the one that the vectors were read from, and as it was.
 */
import { type BigIntStats, closeSync, fstatSync, openSync, readSync, statSync } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import { crc32 } from "node:zlib"
import { IndexUnusable } from "../IndexError.ts"
import { piece } from "./bytes.ts"
import { ahead, read, shorter } from "./reading.ts"

export class NativePart {
  readonly #path: string
  readonly #bytes: number
  readonly #checksum: number
  readonly #made: BigIntStats

  private constructor(path: string, bytes: number, checksum: number, made: BigIntStats) {
    this.#path = path
    this.#bytes = bytes
    this.#checksum = checksum
    this.#made = made
  }

  /** Of an open file; none if no library wrote to it. */
  static async of(
    path: string,
    file: FileHandle,
    { bytes, checksum }: { readonly bytes: number; readonly checksum: number }
  ): Promise<NativePart | undefined> {
    return bytes === 0 ? undefined : new NativePart(path, bytes, checksum, await file.stat({ bigint: true }))
  }

  /** Reads all of it, while others run, so that it is in memory when the library reads it. Fails if it is not what was written. */
  async check(): Promise<void> {
    const file = await open(this.#path, "r")
    try {
      this.#isSame(await file.stat({ bigint: true }))
      const scratch = Array.from({ length: ahead }, () => Buffer.allocUnsafe(piece))
      const bytes = this.#bytes
      const pieces = function* () {
        for (let [at, i] = [0, 0]; at < bytes; at += piece, i++)
          // Sound: `i % ahead` is below the length.
          yield (scratch[i % ahead] as Buffer).subarray(0, Math.min(piece, bytes - at))
      }
      this.#isWhole(await read(file, 0, pieces()))
    } finally {
      await file.close()
    }
  }

  /** The same at once, for who cannot wait. */
  checkNow(): void {
    const file = openSync(this.#path, "r")
    try {
      this.#isSame(fstatSync(file, { bigint: true }))
      const buffer = Buffer.allocUnsafe(piece)
      let checksum = 0
      for (let at = 0, length = 0; at < this.#bytes; at += length) {
        length = readSync(file, buffer, 0, Math.min(piece, this.#bytes - at), at)
        if (length === 0) throw new Error(shorter)
        checksum = crc32(buffer.subarray(0, length), checksum)
      }
      this.#isWhole(checksum)
    } finally {
      closeSync(file)
    }
  }

  /** Lets a library read it, after a check. Fails if another file has taken its place. */
  load<A>(load: (path: string) => A): A {
    this.#isSame(statSync(this.#path, { bigint: true }))
    const loaded = load(this.#path)
    this.#isSame(statSync(this.#path, { bigint: true }))
    return loaded
  }

  #isSame({ ino, mtimeNs, size }: BigIntStats): void {
    const made = this.#made
    if (ino !== made.ino || size !== made.size || mtimeNs !== made.mtimeNs)
      throw this.#unusable("other", "another file has taken its place since its vectors were read")
  }

  #isWhole(checksum: number): void {
    if (checksum !== this.#checksum)
      throw this.#unusable("damaged", "the checksum of what the library wrote does not match")
  }

  #unusable(kind: IndexUnusable["kind"], reason: string): IndexUnusable {
    return new IndexUnusable({ path: this.#path, kind, reason })
  }

  /** What any of these fails with, and what the library does. */
  unusable(cause: unknown): IndexUnusable {
    if (cause instanceof IndexUnusable) return cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new IndexUnusable({ path: this.#path, kind: "unreadable", reason, cause })
  }
}
