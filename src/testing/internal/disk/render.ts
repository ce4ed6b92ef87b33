import { hash } from "node:crypto"
import {
  type Bytes,
  type DirectoryNode,
  type FileNode,
  rootIno,
  type Snapshot,
  type SnapshotNode,
  type SymlinkNode,
  type Volume
} from "./volume.ts"

/** The hashes of contents, each taken once. */
export class Hashes {
  // Not a WeakMap: those are what the garbage collector takes longest over.
  readonly #known = new Map<Bytes, string>()

  of(bytes: Bytes): string {
    let known = this.#known.get(bytes)
    if (known === undefined) {
      known = hash("sha1", bytes, "base64")
      this.#known.set(bytes, known)
    }
    return known
  }
}

/** What is left of a volume: the changes of entries that survived, and the contents of files that had pending data. */
export interface Remains {
  readonly volume: Volume
  readonly entries: ReadonlyMap<number, ReadonlyMap<string, number | undefined>>
  readonly contents: ReadonlyMap<number, Bytes>
}

/** Takes what is found from the root, name by name in order. Inodes that no name leads to are gone. */
interface Visitor {
  readonly again: (number: number) => void
  readonly file: (node: FileNode, bytes: Bytes) => void
  readonly symlink: (node: SymlinkNode) => void
  readonly directory: (node: DirectoryNode, entries: ReadonlyMap<string, number>) => void
  readonly name: (name: string) => void
  readonly end: () => void
}

const walk = ({ contents, entries: changes, volume }: Remains, visitor: Visitor): void => {
  const numbers = new Map<number, number>()
  const visit = (ino: number): void => {
    const known = numbers.get(ino)
    if (known !== undefined) {
      visitor.again(known)
      return
    }
    numbers.set(ino, numbers.size)
    const node = volume.node(ino)
    if (node.kind === "symlink") visitor.symlink(node)
    // What has no pending data is durable as it is.
    else if (node.kind === "file") visitor.file(node, contents.get(ino) ?? node.bytes)
    else inside(node)
  }
  const inside = (node: DirectoryNode): void => {
    // A directory is in one place only; a power cut between two moves of it may leave two names, or a ring.
    const fits = (child: number) => volume.node(child).kind !== "directory" || !numbers.has(child)
    const entries = entriesOf(node.durable, changes.get(node.ino), fits)
    visitor.directory(node, entries)
    for (const [name, child] of entries.size < 2 ? entries : [...entries].sort(byName)) {
      visitor.name(name)
      visit(child)
    }
    visitor.end()
  }
  visit(rootIno)
}

/** Equal for remains that look alike. */
export const keyOf = (remains: Remains, hashes: Hashes): string => {
  let key = ""
  walk(remains, {
    again: (number) => {
      key += `=${number};`
    },
    file: ({ attributes }, bytes) => {
      key += `${attributes.mode};${hashes.of(bytes)};`
    },
    symlink: ({ target }) => {
      key += `${JSON.stringify(target)};`
    },
    directory: ({ attributes }) => {
      key += `${attributes.mode};{`
    },
    name: (name) => {
      key += `${JSON.stringify(name)}:`
    },
    end: () => {
      key += "}"
    }
  })
  return key
}

/** The remains as a disk of their own. */
export const snapshotOf = (remains: Remains): Snapshot => {
  const nodes = new Map<number, SnapshotNode>()
  walk(remains, {
    again: () => {},
    file: ({ attributes, ino, label }, bytes) => {
      nodes.set(ino, { kind: "file", attributes, label, bytes })
    },
    symlink: ({ attributes, ino, label, target }) => {
      nodes.set(ino, { kind: "symlink", attributes, label, target })
    },
    directory: ({ attributes, ino, label }, entries) => {
      nodes.set(ino, { kind: "directory", attributes, label, entries })
    },
    name: () => {},
    end: () => {}
  })
  return { nodes, nextIno: remains.volume.nextIno }
}

const byName = ([a]: readonly [string, number], [b]: readonly [string, number]): number => (a < b ? -1 : 1)

const entriesOf = (
  durable: ReadonlyMap<string, number>,
  changes: ReadonlyMap<string, number | undefined> | undefined,
  fits: (ino: number) => boolean
): ReadonlyMap<string, number> => {
  const entries = new Map<string, number>()
  for (const [name, ino] of durable) if (!changes?.has(name) && fits(ino)) entries.set(name, ino)
  if (changes !== undefined)
    for (const [name, ino] of changes) if (ino !== undefined && fits(ino)) entries.set(name, ino)
  return entries
}
