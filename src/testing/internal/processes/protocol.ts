/** What parent and child say to each other: one JSON value a line, orders on the child's stdin, news on its fd 3. */
import type { Claims } from "../../../agents/Claims.ts"

/** What one operation does. States are numbers of the order's list of states. */
export type Op =
  | { readonly op: "save" | "update" | "modify" | "compareAndSave"; readonly state: number }
  /** The state after the one that is there, first after last; through `update` or `modify`. */
  | { readonly op: "next"; readonly by: "update" | "modify" }
  | { readonly op: "delete" | "current" | "load" }

/** What is stored: the number of a state (-1 is one never heard of), and the revision that committed it. */
export type Entry = readonly [state: number, revision: number]

interface Place {
  /** The directory of the site. */
  readonly directory: string
  /** All states that are spoken of, as text. */
  readonly states: ReadonlyArray<string>
}

/** What a child is told to do. */
export type Order =
  /** Open the agent and say what is found. */
  | (Place & { readonly _tag: "Open" })
  /** Perform operations: those given, or `limit` that follow from the seed, or such ones without end. */
  | {
      readonly _tag: "Work"
      readonly ops?: ReadonlyArray<Op> | undefined
      readonly seed: number
      readonly limit?: number | undefined
      /** How many fibers perform them, each as many. */
      readonly fibers: number
      /** Records the operations in a history, under this name. */
      readonly client?: string | undefined
    }
  /** Close the agent. */
  | { readonly _tag: "Close" }

/** An operation that begins. `expected` is compareAndSave's. */
export type Start = Op & {
  readonly _tag: "Start"
  readonly fiber: number
  readonly n: number
  readonly expected?: number | undefined
}

/** An operation that has ended, with what it answered. */
export interface End {
  readonly _tag: "End"
  readonly fiber: number
  readonly n: number
  /** The tag of the error it failed with, and its message. */
  readonly error?: readonly [tag: string, message: string] | undefined
  /** The state that was there: what it loaded, or what its function was given last. -1 is one never heard of. */
  readonly seen?: number | undefined
  /** `current`: what is stored. */
  readonly current?: Entry | null | undefined
  /** The revision that it committed, where it answers one. */
  readonly revision?: number | undefined
}

/** What a child says. */
export type News =
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Opening" }
  | {
      readonly _tag: "Opened"
      readonly claims: Claims
      /** The state that `load` answers when none is stored; it may be one beyond the order's. */
      readonly initial: number | null
      readonly current: Entry | null
      /** Newest first. */
      readonly history: ReadonlyArray<Entry>
    }
  | Start
  | End
  /** A line of the history that is recorded. */
  | { readonly _tag: "Recorded"; readonly line: string }
  /** The order is fulfilled. */
  | { readonly _tag: "Done" }
  /** It cannot be, or something was seen that must not be. */
  | { readonly _tag: "Broken"; readonly evidence: string }
