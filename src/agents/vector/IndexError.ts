/** What keeping an index in a file can fail with. Neither loses an item: an index is made again from them. */
import { Data } from "effect"

/**
 * Why an index file is of no use: there is none, it cannot be read, its bytes are not what was written, or it was made with
 * other settings (engine, metric, dimension, version).
 */
export type Unusable = "absent" | "unreadable" | "damaged" | "other"

/** The file is of no use. The engine holds what it held before: add the vectors again, and save. */
export class IndexUnusable extends Data.TaggedError("IndexUnusable")<{
  readonly path: string
  readonly kind: Unusable
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return `The index file ${this.path} cannot be used: ${this.reason}. Make the index again from its vectors and save it.`
  }
}

/** The index could not be saved. The file is the one of before, or the new one if only its last step failed. */
export class IndexUnsaved extends Data.TaggedError("IndexUnsaved")<{
  readonly path: string
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return `The index could not be saved to ${this.path}: ${this.reason}. The items are safe; save again once this is put right, or the next open makes the index again.`
  }
}
