/** Directories: made, listed and removed, also as whole trees, each name by a step of its own. */
import { posix } from "node:path"
import { Effect, type FileSystem, type PlatformError } from "effect"
import { Failure } from "./errno.ts"
import { readable } from "./machine.ts"
import { unlink } from "./names.ts"
import type { Done, Process } from "./process.ts"
import type { Node } from "./volume.ts"

const temporary = "/tmp"

/** mkdir(2). */
export const makeDirectory = (
  { id, machine }: Process,
  now: number,
  path: string,
  mode: number,
  syscall = "mkdir"
): void => {
  const { node, slot } = machine.find(path, false, syscall)
  if (node !== undefined || slot === undefined) throw new Failure("EEXIST", syscall)
  machine.demandEntry(slot, syscall)
  const masked = machine.masked(mode)
  machine.commit(id, now, { _tag: "MakeDirectory", ino: machine.nextIno(), at: slot, mode: masked, path })
}

/** `mkdir -p`: from the first directory that is missing, each by a step of its own. */
export const makeDirectories = (process: Process, path: string, mode: number): Done => {
  const { call, ifPresent } = process
  const parent = posix.dirname(path)
  const attempt = call("makeDirectory", path, (now) => {
    const found = ifPresent(path, true, "mkdir")
    if (found?.kind === "directory") return "there"
    // A link to nowhere is not made good, neither here nor on the way.
    const present = ifPresent(path, false, "mkdir")
    if (found === undefined && present !== undefined) throw new Failure("ENOENT", "mkdir")
    if (present === undefined && ifPresent(parent, true, "mkdir") === undefined) {
      if (ifPresent(parent, false, "mkdir") !== undefined) throw new Failure("ENOTDIR", "mkdir")
      return "missing"
    }
    makeDirectory(process, now, path, mode)
    return "there"
  })
  return Effect.flatMap(attempt, (answer) =>
    answer === "there"
      ? Effect.void
      : Effect.andThen(makeDirectories(process, parent, mode), makeDirectories(process, path, mode))
  )
}

/** The names in a directory, and what they mean. */
export const entriesOf = ({ machine }: Process, path: string): ReadonlyArray<readonly [string, Node]> => {
  const directory = machine.getDirectory(path, "scandir")
  machine.demand(directory, readable, "scandir")
  return [...directory.entries].map(([name, ino]) => [name, machine.volume.node(ino)])
}

const removeTree = (process: Process, path: string): Done =>
  Effect.flatMap(
    process.call("remove", path, (now) => {
      const { node } = process.machine.find(path, false, "lstat")
      if (node === undefined) return []
      const empty = node.kind !== "directory" || node.entries.size === 0
      if (empty) unlink(process.machine, process.id, now, path)
      return empty ? [] : entriesOf(process, path)
    }),
    (children) =>
      children.length === 0
        ? Effect.void
        : Effect.andThen(
            Effect.forEach(children, ([name]) => removeTree(process, `${path}/${name}`), { discard: true }),
            removeTree(process, path)
          )
  )

/** `rm` of Node. */
export const remove =
  (process: Process): FileSystem.FileSystem["remove"] =>
  (path, options) =>
    Effect.flatMap(
      process.call("remove", path, () => {
        const node =
          options?.force === true ? process.ifPresent(path, false, "lstat") : process.machine.get(path, false, "lstat")
        if (node?.kind === "directory" && options?.recursive !== true) throw new Failure("ERR_FS_EISDIR", "rm")
        return node?.kind === "directory"
      }),
      (isDirectory) =>
        isDirectory
          ? removeTree(process, path)
          : process.call("remove", path, (now) => {
              // Somebody else may have been faster; Node does not mind.
              if (process.ifPresent(path, false, "unlink") !== undefined) unlink(process.machine, process.id, now, path)
            })
    )

/** Node follows symbolic links when it lists recursively. */
const leadsToDirectory = ({ ifPresent }: Process, node: Node, path: string): boolean => {
  if (node.kind !== "symlink") return node.kind === "directory"
  try {
    return ifPresent(path, true, "scandir")?.kind === "directory"
  } catch {
    return false
  }
}

/** The names in a directory, and below it if that is wanted. */
export const list = (
  process: Process,
  path: string,
  recursive: boolean,
  prefix = ""
): Effect.Effect<Array<string>, PlatformError.PlatformError> =>
  Effect.flatMap(
    process.call("readDirectory", path, () => entriesOf(process, path)),
    (entries) =>
      !recursive
        ? Effect.succeed(entries.map(([name]) => name))
        : Effect.map(
            Effect.forEach(entries, ([name, node]) =>
              Effect.map(
                leadsToDirectory(process, node, `${path}/${name}`)
                  ? list(process, `${path}/${name}`, true, `${prefix}${name}/`)
                  : Effect.succeed([]),
                (below) => [prefix + name, ...below]
              )
            ),
            (lists) => lists.flat()
          )
  )

/** A new directory under a name that nothing has. */
export const makeTempDirectory =
  (process: Process): FileSystem.FileSystem["makeTempDirectory"] =>
  ({ directory = temporary, prefix = "" } = {}) =>
    process.call("makeTempDirectory", directory, (now) => {
      const start = posix.join(directory, prefix === "" ? "/" : prefix)
      while (true) {
        const path = start + process.machine.fresh().toString(36).padStart(6, "0")
        // The disk may come from a crash, with such names on it.
        if (process.ifPresent(path, false, "mkdtemp") !== undefined) continue
        makeDirectory(process, now, path, 0o700, "mkdtemp")
        return path
      }
    })
