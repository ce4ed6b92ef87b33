/** What the thread of a driver and its worker say to each other. */
import type { Failure, Write } from "../Engine.ts"
import type { Outcome } from "./commit.ts"
import type { Work } from "./logSteps.ts"
import type { Synchronous } from "./settings.ts"

/** What a worker is started with. */
export interface WorkerOptions {
  readonly file: string
  /** Which file that was when it was opened: there may be another one in its place by now. */
  readonly inode: string
  readonly isReadonly: boolean
  readonly synchronous: Synchronous
  /** In milliseconds. */
  readonly busyTimeout: number
}

/** What is asked of a worker. One thing after the other, answered in that order. */
export type Request =
  | { readonly _tag: "Commit"; readonly writes: ReadonlyArray<Work> }
  /** Commits as one write the steps of the parts that came before, and these. */
  | { readonly _tag: "CommitParts"; readonly last: Write }
  | { readonly _tag: "Checkpoint" }
  | { readonly _tag: "Integrity" }
  | { readonly _tag: "Close" }

/** A part of a write that is to be committed: not answered. All of a large one would take long to be copied. */
export interface Part {
  readonly _tag: "Part"
  readonly steps: Write
}

/** What it answers. */
export type Answer =
  | { readonly _tag: "Committed"; readonly outcomes: ReadonlyArray<Outcome>; readonly millis: number }
  | { readonly _tag: "Checkpointed" }
  | { readonly _tag: "Integrity"; readonly found: ReadonlyArray<string> }
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Failed"; readonly failure: Failure }

/** Said once, unasked, when the worker has opened the database. */
export interface Ready {
  readonly _tag: "Ready"
}
