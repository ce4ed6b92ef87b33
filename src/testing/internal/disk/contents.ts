/** Whole files: opened by a path, read, written, copied. */
import { Effect, type FileSystem } from "effect"
import { Failure } from "./errno.ts"
import type { Mode } from "./handle.ts"
import { readable, writable } from "./machine.ts"
import type { Done, Process } from "./process.ts"
import type { Bytes, FileNode, Node } from "./volume.ts"

/** What the flags of `open` mean. */
export const modes: Readonly<
  Record<FileSystem.OpenFlag, Mode & { create: boolean; exclusive: boolean; truncate: boolean }>
> = Object.assign(
  {},
  ...(["r", "r+", "w", "wx", "w+", "wx+", "a", "ax", "a+", "ax+"] as const).map((flag) => ({
    [flag]: {
      read: flag === "r" || flag.endsWith("+"),
      write: flag !== "r",
      append: flag.startsWith("a"),
      create: !flag.startsWith("r"),
      exclusive: flag.includes("x"),
      truncate: flag.startsWith("w")
    }
  }))
)

/** Opens a path: the inode, made or truncated as the flag says. */
export const openNode = (
  { id, machine }: Process,
  now: number,
  path: string,
  flag: FileSystem.OpenFlag,
  mode = 0o666,
  noFollow = false
): Node => {
  const wanted = modes[flag]
  const found = machine.find(path, !wanted.exclusive && !noFollow, "open")
  const { slot } = found
  const { node } = found
  if (node !== undefined && wanted.exclusive) throw new Failure("EEXIST", "open")
  if (node?.kind === "symlink") throw new Failure("ELOOP", "open")
  if (node === undefined) {
    if (!wanted.create || slot === undefined) throw new Failure("ENOENT", "open")
    if (found.mustBeDirectory) throw new Failure("EISDIR", "open")
    return machine.createFile(id, now, path, slot, mode, "open")
  }
  if (node.kind === "directory" && wanted.write) throw new Failure("EISDIR", "open")
  if (node.kind === "file" && found.mustBeDirectory) throw new Failure("ENOTDIR", "open")
  machine.demand(node, (wanted.read ? readable : 0) | (wanted.write ? writable : 0), "open")
  if (wanted.truncate && node.kind === "file") machine.truncate(id, now, node, 0)
  return node
}

const contentOf = (node: Node): Bytes => {
  if (node.kind !== "file") throw new Failure("EISDIR", "read")
  return node.bytes.slice()
}

const put = (
  process: Process,
  method: string,
  path: string,
  node: Node,
  bytes: Uint8Array,
  append: boolean,
  at: number
): Done =>
  bytes.length === 0
    ? Effect.void
    : Effect.flatMap(
        process.call(method, path, (now) => {
          // Sound: nothing but a file can be opened for writing.
          const file = node as FileNode
          return process.machine.write(process.id, now, file, append ? file.bytes.length : at, bytes)
        }),
        (written) => put(process, method, path, node, bytes.subarray(written), append, at + written)
      )

export const writeFile =
  (process: Process): FileSystem.FileSystem["writeFile"] =>
  (path, data, options) => {
    const flag = options?.flag ?? "w"
    return Effect.flatMap(
      process.call("writeFile", path, (now) => {
        const node = openNode(process, now, path, flag, options?.mode)
        if (!modes[flag].write && data.length > 0) throw new Failure("EBADF", "write")
        return node
      }),
      (node) => put(process, "writeFile", path, node, data, modes[flag].append, 0)
    )
  }

export const readFile =
  (process: Process): FileSystem.FileSystem["readFile"] =>
  (path) =>
    Effect.flatMap(
      process.call("readFile", path, (now) => openNode(process, now, path, "r")),
      (node) => process.call("readFile", path, () => contentOf(node))
    )

export const copyFile = (process: Process, from: string, to: string): Done => {
  const { call, id, machine } = process
  return Effect.flatMap(
    call("copyFile", from, (now) => {
      const source = machine.get(from, true, "copyfile")
      const target = machine.find(to, true, "copyfile")
      if (source.kind !== "file" || target.node?.kind === "directory") throw new Failure("EISDIR", "copyfile")
      machine.demand(source, readable, "copyfile")
      if (target.node === source) return undefined
      const { mode } = source.attributes
      const copied = openNode(process, now, to, "w", mode)
      if (copied.attributes.mode !== mode)
        machine.commit(id, now, { _tag: "SetAttributes", ino: copied.ino, set: { mode }, path: to })
      return { source, target: copied }
    }),
    (files) =>
      files === undefined ? Effect.void : put(process, "copyFile", from, files.target, files.source.bytes, false, 0)
  )
}
