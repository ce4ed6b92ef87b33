/** What inotify tells, through Node's `fs.watch` and Effect's `FileSystem.watch`: which name changed, and how. */
import type { FileSystem } from "effect"
import type { Operation, Slot } from "./operation.ts"
import type { Volume } from "./volume.ts"

/** Somebody who wants to know. */
export interface Watcher {
  /** What is watched, a file or a directory. */
  readonly ino: number
  /** The last part of the path to it. */
  readonly name: string
  readonly recursive: boolean
  readonly tell: (event: FileSystem.WatchEvent) => void
}

export class Watchers {
  readonly #watchers = new Set<Watcher>()

  add(watcher: Watcher): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Tells of an operation that has just happened. */
  observe(volume: Volume, operation: Operation): void {
    if (this.#watchers.size === 0) return
    switch (operation._tag) {
      case "Create":
      case "MakeDirectory":
      case "Symlink":
      case "Link":
      case "Unlink":
      case "RemoveDirectory":
        this.#renamed(volume, operation.at)
        break
      case "Rename":
        this.#renamed(volume, operation.at)
        this.#renamed(volume, operation.to)
        break
      case "Write":
      case "Truncate":
      case "SetAttributes":
        this.#changed(volume, operation.ino)
        break
    }
  }

  #renamed(volume: Volume, { directory, name }: Slot): void {
    const exists = volume.directory(directory).entries.has(name)
    for (const watcher of this.#watchers) {
      const prefix = pathBelow(volume, watcher, directory)
      if (prefix !== undefined) watcher.tell({ _tag: exists ? "Create" : "Remove", path: prefix + name })
    }
  }

  #changed(volume: Volume, ino: number): void {
    for (const watcher of this.#watchers) {
      if (watcher.ino === ino) watcher.tell({ _tag: "Update", path: watcher.name })
      for (const directory of volume.nodes.values()) {
        if (directory.kind !== "directory") continue
        const prefix = pathBelow(volume, watcher, directory.ino)
        if (prefix === undefined) continue
        for (const [name, child] of directory.entries)
          if (child === ino) watcher.tell({ _tag: "Update", path: prefix + name })
      }
    }
  }
}

/** The way from what is watched to a directory, if its entries are watched. */
const pathBelow = (volume: Volume, watcher: Watcher, directory: number): string | undefined => {
  if (watcher.ino === directory) return ""
  if (!watcher.recursive) return undefined
  const pending: Array<readonly [ino: number, path: string]> = [[watcher.ino, ""]]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [ino, path] = next
    const node = volume.node(ino)
    if (node.kind !== "directory") continue
    for (const [name, child] of node.entries) {
      if (child === directory) return `${path}${name}/`
      pending.push([child, `${path}${name}/`])
    }
  }
  return undefined
}
