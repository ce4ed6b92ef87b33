import { type Context, Deferred, Effect, Fiber, Stream } from "effect"
import type * as DataAgent from "../../agents/DataAgent.ts"
import type { CompareError, StateNotFound } from "../../agents/StateError.ts"
import { type Mode, transact } from "./modes.ts"

/** What `stream` takes. */
export interface StreamOptions<in out S, in out In, in out Out, out E, out R> {
  /** Default: the name of the memory. */
  readonly name?: string | undefined
  readonly memory: DataAgent.DataAgent<S>
  /** From an input and the current state to outputs, one by one. */
  readonly logic: (input: In, state: S) => Stream.Stream<Out, E, R>
  /** The next state, once all outputs are there. */
  readonly next: (state: S, outputs: ReadonlyArray<Out>, input: In) => NoInfer<S>
  /**
   * As for `make`; with `"serialize"` the memory stays locked until the stream has ended, however slowly it is read. Outputs
   * that are out cannot be taken back, so that nothing runs again: a conflict is a failure.
   */
  readonly mode?: Mode<NoInfer<S>> | undefined
}

/** Logic with a memory that answers bit by bit. */
export interface Streaming<in In, out Out, out E = never, out R = never> {
  readonly name: string
  /**
   * The outputs of the logic as they come; the stream ends when the next state is stored. One that fails, or that nobody
   * reads to its end, leaves the memory as it was.
   */
  readonly run: (input: In) => Stream.Stream<Out, E | StateNotFound | CompareError, R>
}

/** Streams the outputs of logic, and stores the next state at their end. */
export const streaming = <S, In, Out, E, R>({
  logic,
  memory,
  mode,
  name = memory.name,
  next
}: StreamOptions<S, In, Out, E, R>): Streaming<In, Out, E, R> => ({
  name,
  run: (input) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const begun = yield* Deferred.make<Begun<S, R>, StateNotFound | CompareError>()
        const ended = yield* Deferred.make<S>()
        const hold = (state: S) =>
          Effect.contextWith((context: Context.Context<R>) =>
            Effect.andThen(
              Deferred.succeed(begun, { state, context }),
              Effect.map(Deferred.await(ended), (next) => [undefined, next] as const)
            )
          )
        const retries = typeof mode === "object" ? undefined : 0
        // Ends with the stream, however that ends.
        const transaction = yield* Effect.forkScoped(
          Effect.onError(transact(memory, hold, { mode, retries }), (cause) => Deferred.failCause(begun, cause))
        )
        const { context, state } = yield* Deferred.await(begun)
        const outputs: Array<Out> = []
        const told = Stream.map(
          // The logic runs under the lock, though in the fiber of who reads, which is what slows it down.
          Stream.provideContext(logic(input, state), context),
          (output) => {
            outputs.push(output)
            return output
          }
        )
        const stored = Effect.andThen(
          Effect.suspend(() => Deferred.succeed(ended, next(state, outputs, input))),
          Fiber.join(transaction)
        )
        return Stream.concat(told, Stream.fromEffectDrain(stored))
      })
    )
})

/** What the logic is given: a state, and what says that it is locked. */
interface Begun<out S, in R> {
  readonly state: S
  readonly context: Context.Context<R>
}
