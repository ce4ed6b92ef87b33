import { Data } from "effect"

/** A codec that cannot be: what is wrong with what it was to be made of. Thrown where it is made, before anything is stored. */
export class CodecOptionsInvalid extends Data.TaggedError("CodecOptionsInvalid")<{
  /** The module that refused: `"Migration"`, `"Encrypted"`, ... */
  readonly codec: string
  readonly reason: string
}> {
  override get message() {
    return `${this.codec}: ${this.reason}`
  }
}
