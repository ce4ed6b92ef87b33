import { AsyncLocalStorage } from "node:async_hooks"
import { Cause, Context, Effect, Exit, type Fiber, Function, Scope, Stream } from "effect"
import { AgentClosed } from "../agents/StateError.ts"

/** What every operation takes. */
export interface Signal {
  /**
   * Gives an operation up: its promise is rejected with the reason of the signal. A write that had begun runs to its end, so
   * that it may have happened.
   */
  readonly signal?: AbortSignal | undefined
}

/** A value, or a promise of one. */
export type Awaitable<A> = A | PromiseLike<A>

// What the running fiber knows (which states it is modifying, its tenant, its span) goes with the promises that it calls.
const ambient = new AsyncLocalStorage<Context.Context<never>>()

/** An asynchronous function as an effect, which fails with what the function throws. */
export const fromAsync = <A>(f: (signal: AbortSignal) => Awaitable<A>): Effect.Effect<A, unknown> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.tryPromise({
      try: (signal) => ambient.run(context, async () => f(signal)),
      catch: Function.identity
    })
  )

interface Running {
  readonly promise: Promise<unknown>
  readonly fiber: Fiber.Fiber<unknown, unknown>
}

/** Runs effects as promises and streams as async iterables, until it is closed. */
export class Runner {
  readonly #scope: Scope.Closeable
  readonly #name: string
  readonly #context: Context.Context<never>
  readonly #running = new Set<Running>()
  readonly #iterators = new Set<AsyncIterator<unknown>>()
  #isClosed = false
  #closing: Promise<void> | undefined

  /** `name` is what `AgentClosed` says was closed. */
  constructor(name: string, context: Context.Context<never>, scope: Scope.Closeable) {
    this.#name = name
    this.#context = context
    this.#scope = scope
  }

  /** Rejects with the very error that the effect fails with, or with what was thrown inside. */
  readonly run = <A, E>(effect: Effect.Effect<A, E>, { signal }: Signal = {}): Promise<A> => {
    if (this.#isClosed) return Promise.reject(this.#closed())
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const fiber = Effect.runForkWith(this.#here())(effect, { signal })
    const { promise, reject, resolve } = Promise.withResolvers<A>()
    const running: Running = { promise, fiber }
    this.#running.add(running)
    fiber.addObserver((exit) => {
      this.#running.delete(running)
      if (Exit.isSuccess(exit)) resolve(exit.value)
      else reject(this.#reason(exit.cause, signal))
    })
    return promise
  }

  /** Each iteration runs the stream anew. */
  readonly iterate = <A, E>(stream: Stream.Stream<A, E>, { signal }: Signal = {}): AsyncIterable<A> => ({
    [Symbol.asyncIterator]: () => this.#iterator(stream, signal)
  })

  /** Gives up what still runs, closes the scope, and ends what is still iterated. */
  readonly close = (): Promise<void> => {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    const running = [...this.#running]
    // Nobody may be there any more to hear that an operation was given up.
    for (const { promise } of running) promise.catch(Function.constVoid)
    for (const { fiber } of running) fiber.interruptUnsafe()
    await Promise.allSettled(running.map(({ promise }) => promise))
    try {
      await Effect.runPromise(Scope.close(this.#scope, Exit.void))
    } finally {
      await Promise.allSettled([...this.#iterators].map((iterator) => iterator.return?.()))
    }
  }

  #iterator<A, E>(stream: Stream.Stream<A, E>, signal: AbortSignal | undefined): AsyncIterator<A> {
    const inner = Stream.toAsyncIterableWith(stream, this.#here())[Symbol.asyncIterator]()
    const finish = async (): Promise<IteratorResult<A>> => {
      this.#iterators.delete(iterator)
      signal?.removeEventListener("abort", abort)
      await inner.return?.()
      return { done: true, value: undefined }
    }
    const abort = () => void finish().catch(Function.constVoid)
    const iterator: AsyncIterator<A> = {
      next: async () => {
        const result = signal?.aborted === true ? await finish() : await inner.next().catch(finallyFinish)
        if (result.done !== true) return result
        // It may have come to its end because it was given up.
        signal?.throwIfAborted()
        return finish()
      },
      return: finish
    }
    const finallyFinish = async (error: unknown): Promise<never> => {
      await finish()
      throw error
    }
    this.#iterators.add(iterator)
    signal?.addEventListener("abort", abort, { once: true })
    return iterator
  }

  #here(): Context.Context<never> {
    const outer = ambient.getStore()
    return outer === undefined ? this.#context : Context.merge(outer, this.#context)
  }

  #reason(cause: Cause.Cause<unknown>, signal: AbortSignal | undefined): unknown {
    if (!Cause.hasInterruptsOnly(cause)) return Cause.squash(cause)
    if (signal?.aborted === true) return signal.reason
    return this.#isClosed ? this.#closed() : Cause.squash(cause)
  }

  #closed(): AgentClosed {
    return new AgentClosed({ agent: this.#name })
  }
}
