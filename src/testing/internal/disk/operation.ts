/** What was done to a simulated disk: one entry of its journal. Paths are for people; the numbers are inodes. */
export type Operation = Change & {
  /** Which process did it, by the order in which the processes were made. */
  readonly process: number
  /** When, in milliseconds since the epoch. */
  readonly time: number
}

/** A step that changes the disk or makes changes durable. Each is atomic for those who look at the running system. */
export type Change = { readonly path: string } & (
  | { readonly _tag: "Create"; readonly ino: number; readonly at: Slot; readonly mode: number }
  | { readonly _tag: "MakeDirectory"; readonly ino: number; readonly at: Slot; readonly mode: number }
  | { readonly _tag: "Symlink"; readonly ino: number; readonly at: Slot; readonly target: string }
  | { readonly _tag: "Link"; readonly ino: number; readonly at: Slot; readonly from: string }
  | { readonly _tag: "Unlink"; readonly at: Slot }
  | { readonly _tag: "RemoveDirectory"; readonly at: Slot }
  | { readonly _tag: "Rename"; readonly ino: number; readonly at: Slot; readonly to: Slot; readonly toPath: string }
  | { readonly _tag: "Write"; readonly ino: number; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly _tag: "Truncate"; readonly ino: number; readonly length: number }
  | { readonly _tag: "Sync"; readonly ino: number }
  | { readonly _tag: "SyncDirectory"; readonly ino: number }
  | { readonly _tag: "SetAttributes"; readonly ino: number; readonly set: Partial<Attributes> }
)

/** A name in a directory, by the directory's inode. */
export interface Slot {
  readonly directory: number
  readonly name: string
}

/** What an inode says of itself. */
export interface Attributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly atime: number
  readonly mtime: number
  readonly birthtime: number
}

/** An operation in words. */
export const describe = (change: Change): string => {
  const { path } = change
  switch (change._tag) {
    case "Create":
      return `create ${path}`
    case "MakeDirectory":
      return `mkdir ${path}`
    case "Symlink":
      return `symlink ${path} -> ${change.target}`
    case "Link":
      return `link ${change.from} as ${path}`
    case "Unlink":
      return `unlink ${path}`
    case "RemoveDirectory":
      return `rmdir ${path}`
    case "Rename":
      return `rename ${path} -> ${change.toPath}`
    case "Write":
      return `write ${change.bytes.length} bytes at ${change.offset} of ${path}`
    case "Truncate":
      return `truncate ${path} to ${change.length} bytes`
    case "Sync":
      return `fsync ${path}`
    case "SyncDirectory":
      return `fsync directory ${path}`
    case "SetAttributes":
      return `set attributes of ${path}`
  }
}
