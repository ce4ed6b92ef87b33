/** What backends that other processes write to as well say to the agents above them. Plain data, so that it can cross threads. */
import type { Entry } from "../Register.ts"

/** A current state, and the revision with which it began: higher than `revision` was before the last delete. */
export interface Current extends Entry {
  readonly since: number
}

/** A write that found another revision than it expected. Nothing of it was done. */
export interface Conflict {
  readonly _tag: "Conflict"
  /** 0 when there is no state. */
  readonly actual: number
  /** Which part of the write it is about, counted from 0. Default: the first. */
  readonly part?: number | undefined
}

/** Why a backend did not do what it was asked to. */
export type Failure =
  /** It cannot be reached or refuses to work; nothing was done. */
  | { readonly _tag: "Unavailable"; readonly reason: string; readonly retryable: boolean; readonly cause?: unknown }
  /** What is stored cannot be read. */
  | { readonly _tag: "Corrupt"; readonly location: string; readonly reason: string }
  /** The state cannot be stored; nothing was done. */
  | { readonly _tag: "Invalid"; readonly reason: string }
  /** The answer to a write was lost: it may or may not have happened. Writes only. */
  | { readonly _tag: "Indeterminate"; readonly reason: string; readonly cause?: unknown }
  /** It was used after it was closed. */
  | { readonly _tag: "Closed" }
