/** Writes an index file: to a file of another name, synced, which then takes the place of the old one. */
import { randomUUID } from "node:crypto"
import { closeSync, constants, openSync, statfsSync } from "node:fs"
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { crc32 } from "node:zlib"
import { type Stamp, unknown } from "../stamps.ts"
import { bytesOf, piece } from "./bytes.ts"
import type { Taken } from "./filed.ts"
import { type Header, writeHeader } from "./header.ts"

export const save = async (
  path: string,
  made: Header["made"],
  taken: Taken,
  mark: string,
  stampOf: ((id: string) => Stamp | undefined) | undefined
): Promise<void> => {
  const temp = `${path}.${randomUUID()}.tmp`
  try {
    // All that can change is taken before others run.
    const stamps = stampsOf(taken.ids, stampOf)
    begin(temp, made, taken)
    await removeStale(path, temp)
    const file = await open(temp, "r+")
    try {
      await complete(file, made, taken, stamps, mark)
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
    taken.release()
  }
}

/** Revisions, then times. */
const stampsOf = (ids: ReadonlyArray<string>, stampOf: ((id: string) => Stamp | undefined) | undefined) => {
  const stamps = new Float64Array(2 * ids.length)
  for (const [i, id] of ids.entries()) {
    const { revision, savedAt } = stampOf?.(id) ?? unknown
    stamps[i] = revision
    stamps[ids.length + i] = savedAt
  }
  return stamps
}

const begin = (temp: string, { stride }: Header["made"], { ids, native }: Taken): void => {
  closeSync(openSync(temp, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600))
  if (native === undefined) return
  // Some libraries end the process when the disk is full, so there has to be room for twice what is usual.
  const { bavail, bsize } = statfsSync(dirname(temp))
  const needed = 2 * ids.length * (4 * stride + 512)
  if (bavail * bsize < needed) throw new Error(`its disk has no ${Math.ceil(needed / 2 ** 20)} MiB left`)
  native(temp)
}

const complete = async (
  file: FileHandle,
  made: Header["made"],
  { gone, ids, labels, nextLabel, norm, vectors }: Taken,
  stamps: Float64Array,
  mark: string
) => {
  const native = (await file.stat()).size
  let nativeChecksum = 0
  const buffer = Buffer.allocUnsafe(piece)
  for (let at = 0; at < native; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(piece, native - at), at)
    if (bytesRead === 0) throw new Error("it became shorter while it was written")
    nativeChecksum = crc32(buffer.subarray(0, bytesRead), nativeChecksum)
    at += bytesRead
  }
  let checksum = 0
  let end = native
  const append = async (bytes: Uint8Array) => {
    checksum = crc32(bytes, checksum)
    for (let from = 0; from < bytes.byteLength; ) {
      const { bytesWritten } = await file.write(bytes, from, bytes.byteLength - from, end)
      from += bytesWritten
      end += bytesWritten
    }
  }
  for (const some of vectors) await append(bytesOf(some))
  const [names, said] = [Buffer.from(JSON.stringify(ids)), Buffer.from(JSON.stringify(mark))]
  for (const part of [bytesOf(labels), bytesOf(gone), bytesOf(stamps), names, said]) await append(part)
  const sizes = {
    native,
    count: ids.length,
    labels: labels.length,
    gone: gone.length,
    ids: names.length,
    mark: said.length
  }
  const { footer, header } = writeHeader({ made, sizes, nativeChecksum, nextLabel, norm })
  await append(header)
  await append(footer(checksum))
}

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
