/**
 * A simulated disk: Effect's `FileSystem` with a journal, and the disks that a crash at any point may leave behind.
 *
 * - Promises: answers and errors of Effect's file system for Node on Linux. Only an fsync makes the data of a file durable
 *   and only an fsync of a directory its names; what is pending survives a crash as the model says, and no other way.
 * - Costs: memory for the journal, that is, for all that was ever written. An image shares contents with its disk.
 * - Fails: as the system would, with `PlatformError`. Special files, extended attributes and quotas are not simulated, nor
 *   is the relation between the metadata of different disks.
 *
 * The rules follow Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014).
 *
 * ```ts
 * const disk = CrashDisk.make({ directories: ["/data"] })
 * yield* Effect.provideService(work, FileSystem.FileSystem, disk.fileSystem)
 * for (const point of disk.crashPoints())
 *   for (const image of point.images("posix")) yield* check(CrashDisk.fromImage(image).fileSystem)
 * ```
 */
import type { FileSystem } from "effect"
import { type CrashPoint, crashPoints } from "./internal/disk/crashPoint.ts"
import * as Files from "./internal/disk/fileSystem.ts"
import type { Image } from "./internal/disk/images.ts"
import { type Behaviour, Machine } from "./internal/disk/machine.ts"
import type { Operation } from "./internal/disk/operation.ts"
import { format, rootIno, type Snapshot, Volume } from "./internal/disk/volume.ts"

export type { CrashPoint } from "./internal/disk/crashPoint.ts"
export type {
  /** One disk that a crash may leave behind. */
  Image,
  ImageOptions,
  /**
   * What a crash takes. `process`: nothing, as when our process is killed. `ordered`: the pending directory entries from
   * some operation on, and pending data in every way, as a power cut on a file system that journals its metadata.
   * `posix`: any of the pending entries, name by name, and pending data in every way.
   */
  Model
} from "./internal/disk/images.ts"
export {
  /** An operation in words. */
  describe,
  /** One entry of the journal. */
  type Operation
} from "./internal/disk/operation.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** How a simulated disk behaves. */
export interface Options {
  /** Directories that exist, durably, from the start, besides `/` and `/tmp`. */
  readonly directories?: ReadonlyArray<string> | undefined
  /** Whether each operation lets other fibers run before it takes effect. Default: true. */
  readonly yields?: boolean | undefined
  /** Whether the modes of files and directories are enforced, as for an owner who is not root. Default: true. */
  readonly permissions?: boolean | undefined
  /** How many bytes all files together may have; past it, writes fail with ENOSPC. Default: no limit. */
  readonly capacity?: number | undefined
}

/** A simulated disk, and the system that runs over it. */
export interface CrashDisk {
  /** The disk as its first process sees it. */
  readonly fileSystem: FileSystem.FileSystem
  /** The disk as one more process sees it, with no function in common with the others. */
  readonly process: () => FileSystem.FileSystem
  /** What was done, in order. */
  readonly journal: ReadonlyArray<Operation>
  /** How many operations the journal has. */
  readonly length: number
  /** How many files and directories are open. */
  readonly openHandles: number
  /** What exists, sorted: files with their contents; directories, ending with a slash, and symbolic links with none. */
  readonly tree: ReadonlyMap<string, Uint8Array | undefined>
  /** The moments at which the system may stop, by the length of the journal: all of them, both ends included. */
  readonly crashPoints: (from?: number, to?: number) => Iterable<CrashPoint>
}

// ---------------------------------------------------------------------------------------------------------------------
// make

/** A new disk, empty but for some directories. */
export const make = (options: Options = {}): CrashDisk =>
  onSnapshot(format(["/tmp", ...(options.directories ?? [])], 0), options)

/** A disk with what a crash has left: all of it is durable, and the journal begins anew. */
export const fromImage = (image: Image, options: Options = {}): CrashDisk => onSnapshot(image.snapshot, options)

/**
 * The disk of a system that goes on at a crash point with new processes: nothing is lost, and what was pending still is,
 * so that a power cut may take it yet. What a kill leaves behind.
 */
export const resume = (point: CrashPoint, options: Options = {}): CrashDisk =>
  new Disk(() => point.volume.fork(), options)

const onSnapshot = (snapshot: Snapshot, options: Options) => new Disk(() => Volume.from(snapshot), options)

class Disk implements CrashDisk {
  readonly fileSystem: FileSystem.FileSystem
  readonly #start: () => Volume
  readonly #machine: Machine

  constructor(
    start: () => Volume,
    { capacity = Number.POSITIVE_INFINITY, permissions = true, yields = true }: Options
  ) {
    const behaviour: Behaviour = { yields, permissions, capacity }
    this.#start = start
    this.#machine = new Machine(start(), behaviour)
    this.fileSystem = Files.make(this.#machine)
  }

  process(): FileSystem.FileSystem {
    return Files.make(this.#machine)
  }

  get journal(): ReadonlyArray<Operation> {
    return this.#machine.journal
  }

  get length(): number {
    return this.#machine.journal.length
  }

  get openHandles(): number {
    return this.#machine.openHandles
  }

  get tree(): ReadonlyMap<string, Uint8Array | undefined> {
    const found = new Map<string, Uint8Array | undefined>()
    const { volume } = this.#machine
    const visit = (ino: number, path: string): void => {
      const node = volume.node(ino)
      if (node.kind !== "directory") {
        found.set(path, node.kind === "file" ? node.bytes.slice() : undefined)
        return
      }
      found.set(`${path}/`, undefined)
      for (const [name, child] of [...node.entries].sort(([a], [b]) => (a < b ? -1 : 1)))
        visit(child, `${path}/${name}`)
    }
    visit(rootIno, "")
    return found
  }

  crashPoints(from = 0, to = this.length): Iterable<CrashPoint> {
    return crashPoints(this.#start(), this.#machine.journal, from, to)
  }
}
