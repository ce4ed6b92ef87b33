import { ByteSize, Effect, FileSystem, Option, type PlatformError } from "effect"
import { Failure, Refusal } from "./errno.ts"
import type { Process } from "./process.ts"
import type { Node } from "./volume.ts"

/** What an open file may be used for. */
export interface Mode {
  readonly read: boolean
  readonly write: boolean
  readonly append: boolean
}

/** What `stat` says. */
export const infoOf = (node: Node): FileSystem.File.Info => {
  const { attributes, ino, links } = node
  const size =
    node.kind === "file" ? node.bytes.length : node.kind === "directory" ? 4096 : Buffer.byteLength(node.target)
  const [type, bits] =
    node.kind === "file"
      ? (["File", 0o100000] as const)
      : node.kind === "directory"
        ? (["Directory", 0o040000] as const)
        : (["SymbolicLink", 0o120000] as const)
  return {
    type,
    mtime: Option.some(new Date(attributes.mtime)),
    atime: Option.some(new Date(attributes.atime)),
    birthtime: Option.some(new Date(attributes.birthtime)),
    dev: 1n,
    rdev: Option.some(0n),
    ino: Option.some(BigInt(ino)),
    mode: bits | attributes.mode,
    nlink: Option.some(BigInt(node.kind === "directory" ? links + 1 : links)),
    uid: Option.some(attributes.uid),
    gid: Option.some(attributes.gid),
    size: ByteSize.bytes(size),
    blksize: Option.some(ByteSize.bytes(4096)),
    blocks: Option.some(BigInt(Math.ceil(size / 512)))
  }
}

const fd = 0

/** An open file or directory. It keeps its inode, whatever becomes of the name. */
export class Handle implements FileSystem.File {
  readonly [FileSystem.FileTypeId]: typeof FileSystem.FileTypeId = FileSystem.FileTypeId
  readonly #process: Process
  readonly #node: Node
  readonly #mode: Mode
  #position = 0
  #closed = false

  constructor(process: Process, node: Node, mode: Mode) {
    this.#process = process
    this.#node = node
    this.#mode = mode
    process.machine.openHandles++
  }

  close(): void {
    if (!this.#closed) this.#process.machine.openHandles--
    this.#closed = true
  }

  /** A system call on an open handle. */
  #use<A>(method: string, syscall: string, run: (now: number) => A) {
    return this.#process.call(method, fd, (now) => {
      if (this.#closed) throw new Failure("EBADF", syscall)
      return run(now)
    })
  }

  get stat() {
    return this.#use("stat", "fstat", () => infoOf(this.#node))
  }

  get sync() {
    return this.#use("sync", "fsync", (now) => {
      const { ino, kind, label } = this.#node
      const _tag = kind === "directory" ? "SyncDirectory" : "Sync"
      this.#process.machine.commit(this.#process.id, now, { _tag, ino, path: label })
    })
  }

  seek(offset: bigint, from: FileSystem.SeekMode) {
    return Effect.map(
      this.#process.call("seek", fd, () => {
        const position = from === "start" ? Number(offset) : this.#position + Number(offset)
        if (position < 0) throw new Refusal("Cannot seek before the start of the file")
        this.#position = position
        return position
      }),
      BigInt
    )
  }

  read(buffer: Uint8Array, options?: FileSystem.File.ReadOptions) {
    return this.#use("read", "read", () => {
      const bytes = this.#take(buffer.length, options)
      buffer.set(bytes)
      return bytes.length
    })
  }

  readAlloc(size: number, options?: FileSystem.File.ReadOptions) {
    return this.#use("readAlloc", "read", () => {
      if (!Number.isInteger(size) || size < 0) throw new Refusal("size must be a non-negative integer")
      const bytes = this.#take(size, options)
      return bytes.length === 0 ? Option.none() : Option.some(bytes.slice())
    })
  }

  #take(size: number, options: FileSystem.File.ReadOptions | undefined): Uint8Array {
    const explicit = options?.position
    if (explicit !== undefined && explicit < 0n) throw new Refusal("Cannot read before the start of the file")
    if (size === 0) return new Uint8Array(0)
    if (!this.#mode.read) throw new Failure("EBADF", "read")
    const node = this.#node
    if (node.kind !== "file") throw new Failure("EISDIR", "read")
    const position = explicit === undefined ? this.#position : Number(explicit)
    const bytes = node.bytes.subarray(position, position + size)
    if (explicit === undefined) this.#position += bytes.length
    return bytes
  }

  truncate(length?: number) {
    return this.#use("truncate", "ftruncate", (now) => {
      const node = this.#node
      if (length !== undefined && !Number.isInteger(length)) throw new Refusal('The value of "len" must be an integer')
      if (node.kind !== "file" || !this.#mode.write) throw new Failure("EINVAL", "ftruncate")
      const wanted = Math.max(0, length ?? 0)
      this.#process.machine.truncate(this.#process.id, now, node, wanted)
      if (!this.#mode.append) this.#position = Math.min(this.#position, wanted)
    })
  }

  write(buffer: Uint8Array) {
    return this.#use("write", "write", (now) => this.#put(now, buffer))
  }

  writeAll(buffer: Uint8Array): Effect.Effect<void, PlatformError.PlatformError> {
    if (buffer.length === 0) return Effect.void
    return Effect.flatMap(
      this.#use("writeAll", "write", (now) => this.#put(now, buffer)),
      (written) => this.writeAll(buffer.subarray(written))
    )
  }

  #put(now: number, buffer: Uint8Array): number {
    const node = this.#node
    if (node.kind !== "file" || !this.#mode.write) throw new Failure("EBADF", "write")
    const offset = this.#mode.append ? node.bytes.length : this.#position
    const written = this.#process.machine.write(this.#process.id, now, node, offset, buffer)
    if (!this.#mode.append) this.#position += written
    return written
  }
}
