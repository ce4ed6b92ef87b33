/** The running system over one volume: what is done goes to the journal, watchers hear of it, open files are counted. */
import { Failure } from "./errno.ts"
import { type Found, lookup } from "./lookup.ts"
import type { Change, Operation, Slot } from "./operation.ts"
import type { DirectoryNode, FileNode, Node, Volume } from "./volume.ts"
import { Watchers } from "./watch.ts"

/** How a simulated system behaves. */
export interface Behaviour {
  /** Whether every operation lets other fibers run before it takes effect. */
  readonly yields: boolean
  /** Whether the permissions of files and directories are enforced, as for their owner who is not root. */
  readonly permissions: boolean
  /** How many bytes all files together may have. */
  readonly capacity: number
}

/** The bits of a mode that decide about the owner. */
export const readable = 0o400
export const writable = 0o200
export const searchable = 0o100

const umask = 0o022

export class Machine {
  readonly volume: Volume
  readonly behaviour: Behaviour
  readonly journal: Array<Operation> = []
  readonly watchers = new Watchers()
  openHandles = 0
  processes = 0
  #random = 0

  constructor(volume: Volume, behaviour: Behaviour) {
    this.volume = volume
    this.behaviour = behaviour
  }

  /** Does one step and writes it down. */
  commit(process: number, time: number, change: Change): void {
    // Sound: both parts of the intersection are here; a spread of a union is more than the compiler follows.
    const operation = { ...change, process, time } as Operation
    this.volume.apply(operation)
    this.journal.push(operation)
    this.watchers.observe(this.volume, operation)
  }

  find(path: string, follow: boolean, syscall: string): Found {
    return lookup(this.volume, path, follow, syscall, this.#mayPass)
  }

  /** What is at a path, which must exist. */
  get(path: string, follow: boolean, syscall: string): Node {
    const { mustBeDirectory, node } = this.find(path, follow, syscall)
    if (node === undefined) throw new Failure("ENOENT", syscall)
    if (mustBeDirectory && node.kind !== "directory") throw new Failure("ENOTDIR", syscall)
    return node
  }

  getDirectory(path: string, syscall: string): DirectoryNode {
    const node = this.get(path, true, syscall)
    if (node.kind !== "directory") throw new Failure("ENOTDIR", syscall)
    return node
  }

  readonly #mayPass = (directory: DirectoryNode): boolean =>
    !this.behaviour.permissions || (directory.attributes.mode & searchable) !== 0

  /** Fails unless the node allows all of these. */
  demand(node: Node, bits: number, syscall: string): void {
    if (this.behaviour.permissions && (node.attributes.mode & bits) !== bits) throw new Failure("EACCES", syscall)
  }

  /** Fails unless names in the directory of this one may be changed. */
  demandEntry(slot: Slot, syscall: string): void {
    this.demand(this.volume.directory(slot.directory), writable | searchable, syscall)
  }

  readonly masked = (mode: number): number => mode & 0o7777 & ~umask

  readonly nextIno = (): number => this.volume.nextIno

  /** A number that no earlier call gave: names of temporary files are made of it, so that a run repeats exactly. */
  readonly fresh = (): number => this.#random++

  createFile(process: number, time: number, path: string, slot: Slot, mode: number, syscall: string): FileNode {
    this.demandEntry(slot, syscall)
    const ino = this.nextIno()
    this.commit(process, time, { _tag: "Create", ino, at: slot, mode: this.masked(mode), path })
    return this.volume.file(ino)
  }

  /** Writes as many of the bytes as there is room for; how many. */
  write(process: number, time: number, file: FileNode, offset: number, bytes: Uint8Array): number {
    if (bytes.length === 0) return 0
    const room = this.#room(file, offset)
    if (room <= 0) throw new Failure("ENOSPC", "write")
    // A copy: `slice` of a Buffer would be a view of memory that belongs to the caller.
    const taken = new Uint8Array(bytes.subarray(0, room))
    this.commit(process, time, { _tag: "Write", ino: file.ino, offset, bytes: taken, path: file.label })
    return taken.length
  }

  #room(file: FileNode, offset: number): number {
    const { capacity } = this.behaviour
    if (capacity === Number.POSITIVE_INFINITY) return Number.MAX_SAFE_INTEGER
    let used = 0
    for (const node of this.volume.nodes.values()) if (node.kind === "file" && node.links > 0) used += node.bytes.length
    return capacity - used + Math.max(0, file.bytes.length - offset)
  }

  truncate(process: number, time: number, file: FileNode, length: number): void {
    if (length === file.bytes.length) return
    if (length > file.bytes.length && this.#room(file, length) < 0) throw new Failure("ENOSPC", "ftruncate")
    this.commit(process, time, { _tag: "Truncate", ino: file.ino, length, path: file.label })
  }
}
