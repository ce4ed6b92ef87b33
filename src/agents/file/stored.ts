import type { Effect, Option } from "effect"
import type { CodecError, Payload } from "../../schema/Codec.ts"
import type * as Register from "../Register.ts"
import type { Compression } from "./compression.ts"
import type { Retention } from "./retention.ts"

/** A state as its file holds it. */
export interface Stored {
  readonly entry: Register.Entry
  /** The revision of the first save since there was no state. */
  readonly since: number
  /** The first line of its frame, where that is needed to know the frame again. */
  readonly line: string | undefined
  /** The bytes of the file, where they are to be kept as an earlier state. */
  readonly bytes: Uint8Array | undefined
}

/** The stored state, if there is one. */
export type Current = Option.Option<Stored>

/** What an error says about its place. */
export interface Where {
  readonly agent: string
  readonly key?: string | undefined
}

/** How one opening writes its states. */
export interface Writing {
  readonly codec: { readonly format: string; readonly fingerprint: string }
  readonly retention: Retention
  readonly compression: Compression
  /** What the payload of an edited file becomes, or why it cannot; none where edited files are refused. */
  readonly adopt: ((payload: Payload, where: Where) => Effect.Effect<Payload, CodecError>) | undefined
}

// Bytes are handed over as copies, so that neither side can change what the other one holds. Text cannot change.
export const copyOf = (payload: Payload): Payload => (typeof payload === "string" ? payload : payload.slice())

/** An entry that shares no bytes with the given one. */
export const copyEntry = (entry: Register.Entry): Register.Entry =>
  typeof entry.state === "string" ? entry : { ...entry, state: copyOf(entry.state) }
