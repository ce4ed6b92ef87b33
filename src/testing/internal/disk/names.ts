import { Failure } from "./errno.ts"
import type { Found } from "./lookup.ts"
import type { Machine } from "./machine.ts"
import type { DirectoryNode, Volume } from "./volume.ts"

/** Removes a name, and a directory that is empty. */
export const unlink = (machine: Machine, process: number, time: number, path: string): void => {
  const { node, slot } = machine.find(path, false, "unlink")
  if (node === undefined || slot === undefined) throw new Failure("ENOENT", "unlink")
  machine.demandEntry(slot, "unlink")
  if (node.kind === "directory" && node.entries.size > 0) throw new Failure("ENOTEMPTY", "rmdir")
  machine.commit(process, time, { _tag: node.kind === "directory" ? "RemoveDirectory" : "Unlink", at: slot, path })
}

/** rename(2): takes the place of what has the new name, if that is of the same kind. */
export const rename = (machine: Machine, process: number, time: number, path: string, toPath: string): void => {
  const from = machine.find(path, false, "rename")
  const to = machine.find(toPath, false, "rename")
  if (from.slot === undefined || to.slot === undefined) throw new Failure("EBUSY", "rename")
  const { node } = from
  if (node === undefined) throw new Failure("ENOENT", "rename")
  if (node.kind !== "directory" && (from.mustBeDirectory || to.mustBeDirectory)) throw new Failure("ENOTDIR", "rename")
  if (node.kind === "directory" && isBelow(machine.volume, node, to)) throw new Failure("EINVAL", "rename")
  if (to.node !== undefined && to.node !== node) checkReplaced(machine.volume, from, to.node)
  if (to.node === node) return
  machine.demandEntry(from.slot, "rename")
  machine.demandEntry(to.slot, "rename")
  machine.commit(process, time, { _tag: "Rename", ino: node.ino, at: from.slot, to: to.slot, path, toPath })
}

const checkReplaced = (volume: Volume, { node, slot }: Found, replaced: NonNullable<Found["node"]>): void => {
  if (replaced.kind === "directory" && slot !== undefined && within(volume, replaced, slot.directory))
    throw new Failure("ENOTEMPTY", "rename")
  if (node?.kind === "directory") {
    if (replaced.kind !== "directory") throw new Failure("ENOTDIR", "rename")
    if (replaced.entries.size > 0) throw new Failure("ENOTEMPTY", "rename")
  } else if (replaced.kind === "directory") throw new Failure("EISDIR", "rename")
}

/** Whether the new name would lie inside the directory that gets it. */
const isBelow = (volume: Volume, directory: DirectoryNode, { node, slot }: Found): boolean =>
  node !== directory && slot !== undefined && within(volume, directory, slot.directory)

const within = (volume: Volume, directory: DirectoryNode, ino: number): boolean => {
  const pending: Array<number> = [directory.ino]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next === ino) return true
    const node = volume.node(next)
    if (node.kind === "directory") pending.push(...node.entries.values())
  }
  return false
}
