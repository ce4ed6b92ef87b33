/**
 * Inodes and directory entries, each as the running system sees it and as far as it is durable. What lies between the
 * two is pending: a power cut may take it, or leave parts of it.
 */
import type { Attributes, Change, Operation, Slot } from "./operation.ts"

/** Contents are never changed in place, so that disks, images and journals share them. */
export type Bytes = Uint8Array

/** A write or a truncation that no fsync has made durable yet. */
export type DataChange = { readonly offset: number; readonly bytes: Bytes } | { readonly length: number }

interface Inode {
  readonly ino: number
  attributes: Attributes
  /** How many names it has. */
  links: number
  /** A path that it had last, for people. */
  label: string
}

export interface FileNode extends Inode {
  readonly kind: "file"
  bytes: Bytes
  durable: Bytes
  pending: ReadonlyArray<DataChange>
}

export interface DirectoryNode extends Inode {
  readonly kind: "directory"
  entries: Map<string, number>
  durable: ReadonlyMap<string, number>
}

export interface SymlinkNode extends Inode {
  readonly kind: "symlink"
  readonly target: string
}

export type Node = FileNode | DirectoryNode | SymlinkNode

/** A directory entry that no fsync has made durable yet: a name that now means an inode, or nothing. */
export interface EntryChange {
  readonly directory: number
  readonly name: string
  readonly ino: number | undefined
  /** Entries of one operation have this in common. */
  readonly operation: number
  /** The operation in words. */
  readonly change: Change
}

/** What is on a disk when the power comes back: everything on it is durable. */
export interface Snapshot {
  readonly nodes: ReadonlyMap<number, SnapshotNode>
  readonly nextIno: number
}

export type SnapshotNode =
  | { readonly kind: "file"; readonly attributes: Attributes; readonly label: string; readonly bytes: Bytes }
  | {
      readonly kind: "directory"
      readonly attributes: Attributes
      readonly label: string
      readonly entries: ReadonlyMap<string, number>
    }
  | { readonly kind: "symlink"; readonly attributes: Attributes; readonly label: string; readonly target: string }

export const rootIno = 1

const empty: Bytes = new Uint8Array(0)

export class Volume {
  readonly nodes = new Map<number, Node>()
  /** In the order in which they were made. */
  pendingEntries: ReadonlyArray<EntryChange> = []
  nextIno = rootIno + 1
  #operations = 0

  /** A disk of which everything is durable. */
  static from({ nextIno, nodes }: Snapshot): Volume {
    const volume = new Volume()
    volume.nextIno = nextIno
    for (const [ino, node] of nodes) {
      const inode = { ino, attributes: node.attributes, links: 0, label: node.label }
      volume.nodes.set(
        ino,
        node.kind === "file"
          ? { ...inode, kind: "file", bytes: node.bytes, durable: node.bytes, pending: [] }
          : node.kind === "directory"
            ? { ...inode, kind: "directory", entries: new Map(node.entries), durable: node.entries }
            : { ...inode, kind: "symlink", target: node.target }
      )
    }
    for (const node of volume.nodes.values())
      if (node.kind === "directory") for (const ino of node.entries.values()) volume.node(ino).links++
    return volume
  }

  /** A copy that goes its own way; contents are shared. */
  fork(): Volume {
    const copy = new Volume()
    copy.nextIno = this.nextIno
    copy.pendingEntries = this.pendingEntries
    copy.#operations = this.#operations
    for (const [ino, node] of this.nodes)
      copy.nodes.set(ino, node.kind === "directory" ? { ...node, entries: new Map(node.entries) } : { ...node })
    return copy
  }

  /** Whether a power cut could take anything. */
  get isPending(): boolean {
    if (this.pendingEntries.length > 0) return true
    for (const node of this.nodes.values()) if (node.kind === "file" && node.pending.length > 0) return true
    return false
  }

  node(ino: number): Node {
    const node = this.nodes.get(ino)
    if (node === undefined) throw new Error(`the simulated disk has lost inode ${ino}`)
    return node
  }

  file(ino: number): FileNode {
    const node = this.node(ino)
    if (node.kind !== "file") throw new Error(`inode ${ino} of the simulated disk is no file`)
    return node
  }

  directory(ino: number): DirectoryNode {
    const node = this.node(ino)
    if (node.kind !== "directory") throw new Error(`inode ${ino} of the simulated disk is no directory`)
    return node
  }

  get root(): DirectoryNode {
    return this.directory(rootIno)
  }

  /** Does one step, which must be possible. */
  apply(operation: Operation): void {
    this.#operations++
    const { path, time } = operation
    // A journal is played again on copies, which must not give its numbers to other files.
    if ("ino" in operation) this.nextIno = Math.max(this.nextIno, operation.ino + 1)
    switch (operation._tag) {
      case "Create": {
        const { at, ino, mode } = operation
        const inode = { ino, attributes: born(mode, time), links: 0, label: path }
        this.nodes.set(ino, { ...inode, kind: "file", bytes: empty, durable: empty, pending: [] })
        this.#enter(at, ino, operation)
        break
      }
      case "MakeDirectory": {
        const { at, ino, mode } = operation
        const inode = { ino, attributes: born(mode, time), links: 0, label: path }
        this.nodes.set(ino, { ...inode, kind: "directory", entries: new Map(), durable: new Map() })
        this.#enter(at, ino, operation)
        break
      }
      case "Symlink": {
        const { at, ino, target } = operation
        this.nodes.set(ino, { ino, attributes: born(0o777, time), links: 0, label: path, kind: "symlink", target })
        this.#enter(at, ino, operation)
        break
      }
      case "Link":
        this.#enter(operation.at, operation.ino, operation)
        break
      case "Unlink":
      case "RemoveDirectory":
        this.#enter(operation.at, undefined, operation)
        break
      case "Rename":
        this.#enter(operation.to, operation.ino, operation)
        this.#enter(operation.at, undefined, operation)
        this.node(operation.ino).label = operation.toPath
        break
      case "Write":
        this.#change(operation.ino, { offset: operation.offset, bytes: operation.bytes }, time)
        break
      case "Truncate":
        this.#change(operation.ino, { length: operation.length }, time)
        break
      case "Sync": {
        const file = this.file(operation.ino)
        file.durable = file.bytes
        file.pending = []
        break
      }
      case "SyncDirectory":
        this.#syncDirectory(this.directory(operation.ino))
        break
      case "SetAttributes": {
        const node = this.node(operation.ino)
        node.attributes = { ...node.attributes, ...operation.set }
      }
    }
  }

  #enter({ directory, name }: Slot, ino: number | undefined, operation: Operation): void {
    const node = this.directory(directory)
    const before = node.entries.get(name)
    if (before !== undefined) this.node(before).links--
    if (ino === undefined) node.entries.delete(name)
    else {
      node.entries.set(name, ino)
      this.node(ino).links++
    }
    node.attributes = { ...node.attributes, mtime: operation.time }
    const entry = { directory, name, ino, operation: this.#operations, change: operation }
    this.pendingEntries = [...this.pendingEntries, entry]
  }

  #change(ino: number, change: DataChange, time: number): void {
    const file = this.file(ino)
    file.bytes = changed(file.bytes, change)
    file.pending = [...file.pending, change]
    file.attributes = { ...file.attributes, mtime: time }
  }

  #syncDirectory(directory: DirectoryNode): void {
    const others = this.pendingEntries.filter((entry) => entry.directory !== directory.ino)
    if (others.length === this.pendingEntries.length) return
    this.pendingEntries = others
    directory.durable = new Map(directory.entries)
  }
}

const born = (mode: number, time: number): Attributes => ({
  mode,
  uid: 0,
  gid: 0,
  atime: time,
  mtime: time,
  birthtime: time
})

/** A content with one change made to it. What lies between the old end and the change is zeros. */
export const changed = (bytes: Bytes, change: DataChange): Bytes => {
  if ("length" in change) {
    if (change.length <= bytes.length) return bytes.subarray(0, change.length)
    const longer = new Uint8Array(change.length)
    longer.set(bytes)
    return longer
  }
  const end = change.offset + change.bytes.length
  if (change.offset === 0 && end >= bytes.length) return change.bytes
  const next = new Uint8Array(Math.max(bytes.length, end))
  next.set(bytes)
  next.set(change.bytes, change.offset)
  return next
}

/** A disk with nothing but a root directory and the given ones, by their paths. */
export const format = (directories: Iterable<string>, time: number): Snapshot => {
  const attributes = born(0o755, time)
  const nodes = new Map<number, SnapshotNode>()
  const root = new Map<string, number>()
  nodes.set(rootIno, { kind: "directory", attributes, label: "/", entries: root })
  const entriesOf = new Map([[rootIno, root]])
  let nextIno = rootIno + 1
  for (const path of directories) {
    let entries = root
    let label = ""
    for (const name of path.split("/").filter((part) => part !== "")) {
      label += `/${name}`
      let ino = entries.get(name)
      if (ino === undefined) {
        ino = nextIno++
        entries.set(name, ino)
        const children = new Map<string, number>()
        entriesOf.set(ino, children)
        nodes.set(ino, { kind: "directory", attributes, label, entries: children })
      }
      entries = entriesOf.get(ino) ?? root
    }
  }
  return { nodes, nextIno }
}
