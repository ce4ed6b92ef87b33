/**
 * What a vector agent can fail with besides the `StateError` union. Messages name the place and the next step, never an
 * item's or a query's content.
 */
import { Data, type Duration } from "effect"
import type { Settings } from "./Stored.ts"

/** The embedder failed, or answered something that cannot be used. Nothing was written. */
export class EmbeddingFailed extends Data.TaggedError("EmbeddingFailed")<{
  /** The embedder's identity. */
  readonly embedder: string
  readonly reason: string
  /** Whether the same call may succeed later without anybody changing something. */
  readonly retryable: boolean
  /** How long to wait at least, where a server says so. */
  readonly retryAfter?: Duration.Duration | undefined
  readonly cause?: unknown
}> {
  override get message() {
    return `The embedder "${this.embedder}" failed: ${this.reason}. ${this.retryable ? "Trying again may help." : "Trying again will not help until this is put right."}`
  }
}

const settingsText = (settings: Settings): string =>
  `embedder "${settings.embedder}", ${settings.dimension} dimensions, metric ${settings.metric}`

/** The memory was made with another embedder, dimension or metric: its vectors cannot be compared with new ones. */
export class EmbedderMismatch extends Data.TaggedError("EmbedderMismatch")<{
  /** The name of the vector agent. */
  readonly agent: string
  readonly stored: Settings
  readonly given: Settings
}> {
  override get message() {
    return `The memory "${this.agent}" was made with ${settingsText(this.stored)} and was opened with ${settingsText(this.given)}. Open it with what it was made with, or make a new memory and add the items again.`
  }
}

/** A query vector of the wrong length. */
export class DimensionMismatch extends Data.TaggedError("DimensionMismatch")<{
  readonly agent: string
  readonly expected: number
  readonly actual: number
}> {
  override get message() {
    return `A query vector for "${this.agent}" has ${this.actual} dimensions, and its items have ${this.expected}. Embed the query with the memory's own embedder.`
  }
}

/** A query that has no answer: blank text, a number that is not finite, an impossible `k` or `minScore`. */
export class QueryInvalid extends Data.TaggedError("QueryInvalid")<{
  readonly agent: string
  /** What is wrong, without the query's content. */
  readonly reason: string
}> {
  override get message() {
    return `A query on "${this.agent}" was refused: ${this.reason}.`
  }
}

/** What is wrong with a query itself. */
export type QueryError = QueryInvalid | DimensionMismatch
