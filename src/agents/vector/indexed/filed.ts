/**
 * The index file of an engine over a library. First what the library wrote, which reads from the beginning and does not mind
 * what comes behind; then the vectors, the labels, the ids, and what the file is, with a checksum of all of it.
 *
 * It goes past Effect's `FileSystem` because the library itself opens the path.
 */
import { randomUUID } from "node:crypto"
import { closeSync, constants, openSync, statfsSync } from "node:fs"
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises"
import { endianness } from "node:os"
import { basename, dirname, join, resolve } from "node:path"
import { crc32 } from "node:zlib"
import { Effect, Semaphore } from "effect"
import type { IndexFile } from "../Engine.ts"
import { IndexUnsaved, IndexUnusable } from "../IndexError.ts"
import type { Metric } from "../Stored.ts"
import { type Header, readHeader, writeHeader } from "./header.ts"
import { Labelled, type Slot } from "./labelled.ts"
import type { NativeKind } from "./NativeIndex.ts"
import { Rows } from "./rows.ts"

/** What an engine holds at a moment. */
export interface Held {
  readonly rows: Rows
  readonly slots: ReadonlyArray<Slot>
  readonly labelled: Labelled | undefined
  readonly generation: number
}

/** What is kept in files. */
export interface Options {
  readonly kind: NativeKind
  readonly metric: Metric
  readonly dimension: number
  readonly held: () => Held
  /** Puts what was loaded in the place of all there is, unless all of it was replaced since. */
  readonly replace: (rows: Rows, slots: ReadonlyArray<Slot>, labelled: Labelled | undefined, generation: number) => void
}

// Read or written in one go.
const piece = 2 ** 20

/** The index file of an engine. */
export const filed = (options: Options): IndexFile => {
  const oneAtATime = Semaphore.makeUnsafe(1).withPermits(1)
  return {
    save: (path, mark) =>
      Effect.uninterruptible(
        oneAtATime(
          Effect.tryPromise({
            try: () => save(options, resolve(path), mark),
            catch: (cause) => new IndexUnsaved({ path, reason: reasonOf(cause), cause })
          })
        )
      ),
    load: (path) =>
      oneAtATime(
        Effect.tryPromise({
          try: (signal) => load(options, resolve(path), signal),
          catch: (cause) => {
            if (cause instanceof IndexUnusable) return cause
            const [kind, reason] = isAbsent(cause) ? (["absent", "there is none"] as const) : unreadable(cause)
            return new IndexUnusable({ path, kind, reason, cause })
          }
        })
      )
  }
}

const unreadable = (cause: unknown) => ["unreadable", reasonOf(cause)] as const
const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
const isAbsent = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

/** What must be the same for an index to be of use. */
const settingsOf = ({ dimension, kind, metric }: Options): Header["made"] => ({
  library: kind.library,
  settings: kind.settings,
  byteOrder: endianness(),
  metric,
  dimension
})

// ---------------------------------------------------------------------------------------------------------------------
// Saving

const save = async (options: Options, path: string, mark: string): Promise<void> => {
  const temp = `${path}.${randomUUID()}.tmp`
  const held = options.held()
  const release = held.rows.hold()
  try {
    // All that can change is taken before others run.
    const parts = take(options, held, temp)
    await removeStale(path, temp)
    const file = await open(temp, "r+")
    try {
      await complete(file, options, held, parts, mark)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temp, path)
    await syncDirectory(dirname(path))
  } catch (cause) {
    await rm(temp, { force: true })
    throw cause
  } finally {
    release()
  }
}

/** What goes into a file besides the vectors. */
interface Parts {
  readonly labels: Int32Array
  readonly gone: Int32Array
  readonly ids: Buffer
  readonly waste: number
  readonly nextLabel: number
}

const take = ({ dimension }: Options, { labelled, slots }: Held, temp: string): Parts => {
  closeSync(openSync(temp, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600))
  // Some libraries end the process when the disk is full, so there has to be room for twice what is usual.
  const { bavail, bsize } = statfsSync(dirname(temp))
  const needed = 2 * slots.length * (4 * dimension + 512)
  if (bavail * bsize < needed) throw new Error(`its disk has no ${Math.ceil(needed / 2 ** 20)} MiB left`)
  labelled?.native.save(temp)
  return {
    labels: Int32Array.from(slots, (slot) => labelled?.labelOf(slot) ?? -1),
    gone: Int32Array.from(labelled?.gone ?? []),
    ids: Buffer.from(JSON.stringify(slots.map(({ id }) => id))),
    waste: (labelled?.waste ?? 0) - (labelled?.gone.length ?? 0),
    nextLabel: labelled?.nextLabel ?? 0
  }
}

const complete = async (file: FileHandle, options: Options, { rows, slots }: Held, parts: Parts, mark: string) => {
  const native = (await file.stat()).size
  let checksum = 0
  const buffer = Buffer.allocUnsafe(piece)
  for (let at = 0; at < native; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(piece, native - at), at)
    if (bytesRead === 0) throw new Error("it became shorter while it was written")
    checksum = crc32(buffer.subarray(0, bytesRead), checksum)
    at += bytesRead
  }
  let end = native
  const append = async (bytes: Uint8Array) => {
    checksum = crc32(bytes, checksum)
    for (let from = 0; from < bytes.byteLength; ) {
      const { bytesWritten } = await file.write(bytes, from, bytes.byteLength - from, end)
      from += bytesWritten
      end += bytesWritten
    }
  }
  const d = options.dimension
  const perPiece = Math.max(1, Math.floor(piece / (4 * d)))
  for (let from = 0; from < slots.length; from += perPiece) {
    const some = slots.slice(from, from + perPiece)
    const vectors = new Float32Array(some.length * d)
    some.forEach(({ row }, i) => {
      vectors.set(rows.at(row), i * d)
    })
    await append(bytesOf(vectors))
  }
  const { gone, ids, labels, nextLabel, waste } = parts
  await append(bytesOf(labels))
  await append(bytesOf(gone))
  await append(ids)
  const sizes = { native, count: slots.length, gone: gone.length, ids: ids.length }
  const { footer, header } = writeHeader({ made: settingsOf(options), mark, sizes, waste, nextLabel })
  await append(header)
  await append(footer(checksum))
}

const bytesOf = ({ buffer, byteLength, byteOffset }: Float32Array | Int32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** Removes what a save left behind whose process was killed. */
const removeStale = async (path: string, mine: string): Promise<void> => {
  const [directory, name] = [dirname(path), basename(path)]
  for (const other of await readdir(directory)) {
    const isTemp = other.startsWith(`${name}.`) && /^[-0-9a-f]{36}\.tmp$/.test(other.slice(name.length + 1))
    if (isTemp && join(directory, other) !== mine) await rm(join(directory, other), { force: true })
  }
}

const syncDirectory = async (path: string): Promise<void> => {
  // Windows cannot: there a power cut may bring the old file back.
  if (process.platform === "win32") return
  const directory = await open(path, "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Loading

const load = async (options: Options, path: string, signal: AbortSignal): Promise<string> => {
  const { generation } = options.held()
  const unusable = (kind: IndexUnusable["kind"], reason: string, cause?: unknown) =>
    new IndexUnusable({ path, kind, reason, cause })
  const file = await open(path, "r")
  try {
    const found = await readHeader(file)
    if (found === undefined)
      throw unusable("damaged", "it does not end as an index file does: it was cut off, or is something else")
    const { checksum, header } = found
    const differing = differenceOf(header.made, settingsOf(options))
    if (differing !== undefined) throw unusable("other", differing)
    const { count, gone, ids, native } = header.sizes
    const reader = new Reader(file)
    for (let left = native; left > 0; ) left -= (await reader.read(new Uint8Array(Math.min(piece, left)))).byteLength
    const rows = new Rows(options.dimension)
    while (rows.end < count) rows.add()
    for (let row = 0; row < count; row += rows.rowsPerBlock) {
      const used = Math.min(count - row, rows.rowsPerBlock) * options.dimension
      for (let at = 0; at < used; at += piece)
        await reader.read(bytesOf(rows.block(row).subarray(at, Math.min(used, at + piece))))
    }
    const labels = new Int32Array(count)
    await reader.read(bytesOf(labels))
    const goneLabels = new Int32Array(gone)
    await reader.read(bytesOf(goneLabels))
    const idBytes = await reader.read(Buffer.allocUnsafe(ids))
    await reader.read(new Uint8Array(found.headerBytes))
    if (reader.checksum !== checksum) throw unusable("damaged", "its checksum does not match")
    // Sound: the checksum says that these are the bytes that `take` wrote.
    const names = JSON.parse(Buffer.from(idBytes).toString()) as ReadonlyArray<string>
    const slots = names.map((id, row): Slot => ({ id, row }))
    const labelled = native === 0 ? undefined : restore(options.kind, path, header, goneLabels, slots, labels)
    if (!signal.aborted) options.replace(rows, slots, labelled, generation)
    return header.mark
  } finally {
    await file.close()
  }
}

const restore = (
  kind: NativeKind,
  path: string,
  { nextLabel, waste }: Header,
  gone: Int32Array,
  slots: ReadonlyArray<Slot>,
  labels: Int32Array
): Labelled => {
  const labelled = Labelled.restored(loadNative(kind, path), waste, nextLabel, [...gone])
  slots.forEach((slot, i) => {
    const label = labels[i] ?? -1
    if (label >= 0) labelled.restore(slot, label)
  })
  return labelled
}

const loadNative = (kind: NativeKind, path: string) => {
  try {
    return kind.load(path)
  } catch (cause) {
    const reason = `${kind.library} does not read it: ${reasonOf(cause)}`
    throw new IndexUnusable({ path, kind: "other", reason, cause })
  }
}

const differenceOf = (made: Header["made"], wanted: Header["made"]): string | undefined => {
  for (const name of ["library", "metric", "dimension", "settings", "byteOrder"] as const)
    if (made[name] !== wanted[name]) return `it was made with ${name} ${made[name]}, and ${wanted[name]} is wanted`
  return undefined
}

/** Reads a file from its beginning, piece by piece, and sums up what it reads. */
class Reader {
  checksum = 0
  readonly #file: FileHandle
  #at = 0

  constructor(file: FileHandle) {
    this.#file = file
  }

  async read(into: Uint8Array): Promise<Uint8Array> {
    for (let from = 0; from < into.byteLength; ) {
      const { bytesRead } = await this.#file.read(into, from, into.byteLength - from, this.#at)
      if (bytesRead === 0) throw new Error("it became shorter while it was read")
      from += bytesRead
      this.#at += bytesRead
    }
    this.checksum = crc32(into, this.checksum)
    return into
  }
}
