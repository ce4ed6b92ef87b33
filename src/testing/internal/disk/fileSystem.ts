/** Effect's `FileSystem` over a simulated system, as one process sees it. Errors are those of Node on Linux. */
import { posix } from "node:path"
import { Effect, FileSystem, Queue, Stream } from "effect"
import * as Contents from "./contents.ts"
import * as Directories from "./directories.ts"
import { Failure, Refusal } from "./errno.ts"
import { Handle, infoOf } from "./handle.ts"
import { type Machine, readable, writable } from "./machine.ts"
import { rename } from "./names.ts"
import type { Attributes } from "./operation.ts"
import * as Process from "./process.ts"

type Done = Process.Done

/** A file system service of its own for one process. */
export const make = (machine: Machine): FileSystem.FileSystem => {
  const process = Process.make(machine)
  const { call, id } = process

  const setAttributes = (
    method: string,
    path: string,
    syscall: string,
    set: (old: Attributes) => Partial<Attributes>
  ): Done =>
    call(method, path, (now) => {
      const node = machine.get(path, true, syscall)
      machine.commit(id, now, { _tag: "SetAttributes", ino: node.ino, set: set(node.attributes), path })
    })

  const writeFile = Contents.writeFile(process)
  const remove = Directories.remove(process)
  const makeTempDirectory = Directories.makeTempDirectory(process)

  const makeTempFile: FileSystem.FileSystem["makeTempFile"] = (options) =>
    Effect.flatMap(makeTempDirectory(options), (directory) => {
      const path = `${directory}/${machine.fresh().toString(16).padStart(12, "0")}${options?.suffix ?? ""}`
      return Effect.as(writeFile(path, new Uint8Array(0)), path)
    })

  const copy: FileSystem.FileSystem["copy"] = (from, to, options) =>
    Effect.flatMap(
      call("copy", from, () => machine.get(from, false, "lstat")),
      (node) => {
        if (node.kind === "directory")
          return Effect.flatMap(
            Effect.andThen(
              Directories.makeDirectories(process, to, node.attributes.mode),
              Directories.list(process, from, false)
            ),
            (children) =>
              Effect.forEach(children, (name) => copy(`${from}/${name}`, `${to}/${name}`, options), { discard: true })
          )
        const present = call("copy", to, () => machine.find(to, false, "lstat").node !== undefined)
        const one = node.kind === "symlink" ? symlink(node.target, to) : Contents.copyFile(process, from, to)
        return Effect.flatMap(present, (isThere) => (isThere && options?.overwrite !== true ? Effect.void : one))
      }
    )

  const symlink = (target: string, path: string): Done =>
    call("symlink", target, (now) => {
      if (target === "") throw new Failure("ENOENT", "symlink")
      const { node, slot } = machine.find(path, false, "symlink")
      if (node !== undefined || slot === undefined) throw new Failure("EEXIST", "symlink")
      machine.demandEntry(slot, "symlink")
      machine.commit(id, now, { _tag: "Symlink", ino: machine.nextIno(), at: slot, target, path })
    })

  const watch: FileSystem.FileSystem["watch"] = (path, options) =>
    Stream.callback((queue) =>
      Effect.flatMap(
        call("stat", path, () => machine.get(path, true, "stat")),
        ({ ino }) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              const stop = machine.watchers.add({
                ino,
                name: posix.basename(path),
                recursive: options?.recursive ?? false,
                tell: (event) => Queue.offerUnsafe(queue, event)
              })
              options?.onReady?.()
              return stop
            }),
            (stop) => Effect.sync(stop)
          )
      )
    )

  return FileSystem.make({
    access: (path, options) =>
      call("access", path, () => {
        const node = machine.get(path, true, "access")
        machine.demand(node, (options?.readable ? readable : 0) | (options?.writable ? writable : 0), "access")
      }),
    chmod: (path, mode) => setAttributes("chmod", path, "chmod", () => ({ mode: mode & 0o7777 })),
    chown: (path, uid, gid) => setAttributes("chown", path, "chown", () => ({ uid, gid })),
    copy,
    copyFile: (from, to) => Contents.copyFile(process, from, to),
    link: (from, to) =>
      call("link", from, (now) => {
        const { ino, kind } = machine.get(from, false, "link")
        const { node, slot } = machine.find(to, false, "link")
        if (node !== undefined || slot === undefined) throw new Failure("EEXIST", "link")
        if (kind === "directory") throw new Failure("EPERM", "link")
        machine.demandEntry(slot, "link")
        machine.commit(id, now, { _tag: "Link", ino, at: slot, from, path: to })
      }),
    lstat: (path) => call("lstat", path, () => infoOf(machine.get(path, false, "lstat"))),
    makeDirectory: (path, { mode = 0o777, recursive = false } = {}) =>
      recursive
        ? Directories.makeDirectories(process, path, mode)
        : call("makeDirectory", path, (now) => Directories.makeDirectory(process, now, path, mode)),
    makeTempDirectory,
    makeTempDirectoryScoped: (options) =>
      Effect.acquireRelease(makeTempDirectory(options), (path) =>
        Effect.orDie(remove(path, { recursive: true, force: true }))
      ),
    makeTempFile,
    makeTempFileScoped: (options) =>
      Effect.acquireRelease(makeTempFile(options), (path) =>
        Effect.orDie(remove(posix.dirname(path), { recursive: true, force: true }))
      ),
    open: (path, options) => {
      const flag = options?.flag ?? "r"
      const opened = call("open", path, (now) => {
        const node = Contents.openNode(process, now, path, flag, options?.mode, options?.noFollow)
        return new Handle(process, node, Contents.modes[flag])
      })
      return Effect.acquireRelease(opened, (handle) => Effect.sync(() => handle.close()))
    },
    readDirectory: (path, options) => Directories.list(process, path, options?.recursive ?? false),
    readDirectoryEntries: (path) =>
      call("readDirectoryEntries", path, () =>
        Directories.entriesOf(process, path).map(([name, node]) => ({ name, type: infoOf(node).type }))
      ),
    readFile: Contents.readFile(process),
    readLink: (path) =>
      call("readLink", path, () => {
        const node = machine.get(path, false, "readlink")
        if (node.kind !== "symlink") throw new Failure("EINVAL", "readlink")
        return node.target
      }),
    realPath: (path) =>
      call("realPath", path, () => {
        // Node takes `..` out of the path before it looks at links.
        const resolved = path.includes("\0") ? path : posix.resolve(path)
        machine.get(resolved, true, "lstat")
        return machine.find(resolved, true, "lstat").real
      }),
    remove,
    rename: (from, to) => call("rename", from, (now) => rename(machine, id, now, from, to)),
    stat: (path) => call("stat", path, () => infoOf(machine.get(path, true, "stat"))),
    symlink,
    truncate: (path, length = 0) =>
      call("truncate", path, (now) => {
        if (!Number.isInteger(length)) throw new Refusal('The value of "len" must be an integer')
        const node = Contents.openNode(process, now, path, "r+")
        if (node.kind === "file") machine.truncate(id, now, node, Math.max(0, length))
      }),
    utimes: (path, atime, mtime) =>
      setAttributes("utime", path, "utime", () => ({ atime: toMillis(atime), mtime: toMillis(mtime) })),
    watch,
    writeFile
  })
}

const toMillis = (time: Date | number): number => (typeof time === "number" ? time * 1_000 : time.getTime())
