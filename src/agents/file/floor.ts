import { Clock, Effect, Option, Result, Semaphore } from "effect"
import { StateCorrupt } from "../StateError.ts"
import type { Disk } from "./disk.ts"
import * as Frame from "./frame.ts"
import type { IoError, Unsettled } from "./ioError.ts"
import type { Where } from "./stored.ts"

/**
 * The highest revision ever deleted in a directory, in a file of its own: new states begin above it, so that no number is
 * used twice.
 */
export class Floor {
  readonly #disk: Disk
  readonly #path: string
  readonly #replace: (bytes: Uint8Array) => Effect.Effect<void, IoError | Unsettled>
  readonly #turn = Semaphore.makeUnsafe(1)
  #revision = 0

  constructor(disk: Disk, path: string, replace: (bytes: Uint8Array) => Effect.Effect<void, IoError | Unsettled>) {
    this.#disk = disk
    this.#path = path
    this.#replace = replace
  }

  /** As it was when it was last read or raised. */
  get revision(): number {
    return this.#revision
  }

  /** Reads it; what is found need not be durable yet. */
  read(where: Where): Effect.Effect<number, IoError | StateCorrupt> {
    return Effect.flatMap(this.#disk.read(this.#path), (found): Effect.Effect<number, StateCorrupt> => {
      if (Option.isNone(found)) return Effect.succeed(this.#revision)
      const frame = Frame.decode(found.value)
      if (Result.isFailure(frame))
        return Effect.fail(new StateCorrupt({ ...where, location: this.#path, reason: frame.failure.reason }))
      // Two readers may be answered out of order; the floor itself never sinks.
      this.#revision = Math.max(this.#revision, frame.success.revision)
      return Effect.succeed(this.#revision)
    })
  }

  /** Makes it durable, if there is one. */
  get sync(): Effect.Effect<void, IoError> {
    return this.#revision === 0 ? Effect.void : Effect.asVoid(this.#disk.syncFile(this.#path))
  }

  /** Raises it to a revision that is about to be deleted. */
  raise(revision: number): Effect.Effect<void, IoError> {
    return (
      this.#turn
        .withPermit(
          Effect.gen({ self: this }, function* () {
            if (this.#revision >= revision) return
            const savedAt = yield* Clock.currentTimeMillis
            const header = { revision, since: revision, savedAt, codec: "json", schema: "floor", key: undefined }
            yield* this.#replace(Frame.encode({ ...header, payload: "null" }))
            this.#revision = revision
          })
        )
        // A floor that may be too high only skips numbers, and nothing was deleted.
        .pipe(Effect.catchTag("Unsettled", ({ error }) => Effect.fail(error)))
    )
  }
}
