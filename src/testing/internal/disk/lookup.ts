/** Paths to inodes, as Linux resolves them: `..` and symbolic links are followed physically, component by component. */
import { Failure, Refusal } from "./errno.ts"
import type { Slot } from "./operation.ts"
import type { DirectoryNode, Node, Volume } from "./volume.ts"

/** Where a path leads. */
export interface Found {
  readonly node: Node | undefined
  /** The name in a directory that it ends with; none for the root, `.` and `..`. */
  readonly slot: Slot | undefined
  /** The path without symbolic links, `.` and `..`. */
  readonly real: string
  /** Whether the path can only mean a directory, since it ends with a slash. */
  readonly mustBeDirectory: boolean
}

const maxLinks = 40

const checkPath = (path: string, syscall: string): void => {
  if (path.includes("\0")) throw new Refusal("The argument 'path' must be a string without null bytes")
  if (path === "") throw new Failure("ENOENT", syscall)
  if (path.length > 1_000 && Buffer.byteLength(path) > 4_095) throw new Failure("ENAMETOOLONG", syscall)
}

/** What a path means; `follow` says whether a symbolic link at its end is followed. */
export const lookup = (
  volume: Volume,
  path: string,
  follow: boolean,
  syscall: string,
  mayPass: (directory: DirectoryNode) => boolean
): Found => {
  checkPath(path, syscall)
  const names: Array<string> = []
  const parents: Array<DirectoryNode> = []
  let directory = volume.root
  const absolute = path.startsWith("/") ? path : `${process.cwd()}/${path}`
  const mustBeDirectory = path.endsWith("/") && path !== "/"
  const todo = absolute.split("/").reverse()
  let links = 0
  let slot: Slot | undefined
  while (true) {
    const name = todo.pop()
    if (name === undefined)
      return { node: directory, slot, real: `/${names.join("/")}`, mustBeDirectory: mustBeDirectory }
    if (name === "" || name === ".") continue
    if (!mayPass(directory)) throw new Failure("EACCES", syscall)
    if (name === "..") {
      directory = parents.pop() ?? volume.root
      names.pop()
      slot = undefined
      continue
    }
    if (name.length > 80 && Buffer.byteLength(name) > 255) throw new Failure("ENAMETOOLONG", syscall)
    slot = { directory: directory.ino, name }
    const ino = directory.entries.get(name)
    const node = ino === undefined ? undefined : volume.node(ino)
    const isLast = todo.every((part) => part === "")
    if (node?.kind === "symlink" && (!isLast || follow || todo.length > 0)) {
      if (++links > maxLinks) throw new Failure("ELOOP", syscall)
      if (node.target.startsWith("/")) {
        names.length = 0
        parents.length = 0
        directory = volume.root
      }
      todo.push(...node.target.split("/").reverse())
      continue
    }
    if (node?.kind === "directory") {
      names.push(name)
      parents.push(directory)
      directory = node
      continue
    }
    if (!isLast) throw new Failure(node === undefined ? "ENOENT" : "ENOTDIR", syscall)
    if (node !== undefined && todo.length > 0) throw new Failure("ENOTDIR", syscall)
    return { node, slot, real: `/${[...names, name].join("/")}`, mustBeDirectory }
  }
}
