import { Effect, Exit, Option, Stream } from "effect"
import type { DataAgent } from "../DataAgent.ts"
import type { ReadError, WriteError } from "../StateError.ts"
import type { StreamAgent } from "../StreamAgent.ts"
import type { Recorded } from "./journal.ts"
import type { EventsError } from "./StreamError.ts"

/** Who consumes a stream, and how far it is. */
export interface ConsumerOptions<E, Err, R> {
  /** Where the position of the last event that was handled is kept: an agent of this consumer alone, of any kind. */
  readonly position: DataAgent<number>
  /** Handles an event. One that fails ends the consumer, and the event is handled again by the next. */
  readonly handle: (event: Recorded<E>) => Effect.Effect<void, Err, R>
  /** The first position for a consumer that has none yet. Default: 1. */
  readonly from?: number | undefined
  /**
   * After how many events the position is saved; it is also when there are no more of them for now. After a crash up to so many
   * events are handled again. Default: 1.
   */
  readonly every?: number | undefined
}

/**
 * Handles each event of a stream in order, from where this consumer was, and goes on with those that come. At least once: an event
 * that was handled right before a crash is handled again. Ends when the scope of the stream closes.
 */
export const consume = <E, S, Err, R>(
  stream: StreamAgent<E, S>,
  { every = 1, from = 1, handle, position }: ConsumerOptions<E, Err, R>
): Effect.Effect<void, Err | EventsError | ReadError | WriteError, R> =>
  Effect.gen(function* () {
    const { journal } = stream.internals
    const stored = yield* position.current
    let handled = Option.isSome(stored) ? stored.value.state : from - 1
    let saved = handled
    const save = Effect.suspend(() => {
      if (handled === saved) return Effect.void
      const next = handled
      return Effect.map(position.save(next), () => {
        saved = next
      })
    })
    const pages = Stream.mapEffect(journal.live(handled + 1), (page) =>
      Effect.gen(function* () {
        for (const event of yield* journal.read(page)) {
          yield* handle(event)
          handled = event.position
          if (handled - saved >= every) yield* save
        }
        handled = page.at(-1)?.position ?? handled
        yield* save
      })
    )
    // What was handled before a failure or an interrupt need not be handled again.
    yield* Effect.onExit(Stream.runDrain(pages), (exit) => (Exit.isSuccess(exit) ? Effect.void : Effect.ignore(save)))
  })
