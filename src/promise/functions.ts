import { Context, Effect, Scope, type Stream } from "effect"
import { type Awaitable, fromAsync, Runner, type Signal } from "./Runner.ts"

// Never closed: it holds nothing.
const free = new Runner("what was run", Context.empty(), Scope.makeUnsafe())

/** Runs an effect of dgents that needs nothing more, such as a query: `run(Query.run(profiles.effect, ...))`. */
export const run: <A, E>(effect: Effect.Effect<A, E>, options?: Signal) => Promise<A> = free.run

/** Reads a stream of dgents that needs nothing more. */
export const iterate: <A, E>(stream: Stream.Stream<A, E>, options?: Signal) => AsyncIterable<A> = free.iterate

/**
 * An asynchronous function for where dgents takes one that answers an effect: the logic of a `Symbiont`. Its last argument
 * is aborted when the operation is given up.
 */
export const task =
  <A, B, C>(f: (a: A, b: B, signal: AbortSignal) => Awaitable<C>): ((a: A, b: B) => Effect.Effect<C, unknown>) =>
  (a, b) =>
    fromAsync((signal) => f(a, b, signal))

/**
 * Runs an asynchronous function inside of what dgents puts around effects, for all that it awaits: `within(Tenant.as("acme"),
 * () => notes.at("today").load())`.
 */
export const within = <A, B, E>(
  around: (effect: Effect.Effect<A, unknown>) => Effect.Effect<B, E>,
  f: (signal: AbortSignal) => Awaitable<A>,
  options?: Signal
): Promise<B> => run(around(fromAsync(f)), options)

/** What a combinator answers: a value, or an effect that opens one. */
type Value<X> = X extends Effect.Effect<infer A, infer _E, infer _R> ? A : X
type Failure<X> = X extends Effect.Effect<infer _A, infer E, infer _R> ? E : never
type Needs<X> = X extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

/**
 * What a constructor makes, through combinators, the innermost first: `through(SqlAgent.make(options), Retrying.make(),
 * Cached.make())`.
 */
export const through: {
  <A, E, R, B>(opening: Effect.Effect<A, E, R>, ab: (a: A) => B): Effect.Effect<Value<B>, E | Failure<B>, R | Needs<B>>
  <A, E, R, B, C>(
    opening: Effect.Effect<A, E, R>,
    ab: (a: A) => B,
    bc: (b: Value<B>) => C
  ): Effect.Effect<Value<C>, E | Failure<B | C>, R | Needs<B | C>>
  <A, E, R, B, C, D>(
    opening: Effect.Effect<A, E, R>,
    ab: (a: A) => B,
    bc: (b: Value<B>) => C,
    cd: (c: Value<C>) => D
  ): Effect.Effect<Value<D>, E | Failure<B | C | D>, R | Needs<B | C | D>>
  <A, E, R, B, C, D, F>(
    opening: Effect.Effect<A, E, R>,
    ab: (a: A) => B,
    bc: (b: Value<B>) => C,
    cd: (c: Value<C>) => D,
    df: (d: Value<D>) => F
  ): Effect.Effect<Value<F>, E | Failure<B | C | D | F>, R | Needs<B | C | D | F>>
} = (opening: Effect.Effect<unknown, unknown, unknown>, ...steps: ReadonlyArray<(value: never) => unknown>) =>
  steps.reduce<Effect.Effect<unknown, unknown, unknown>>(
    (made, step) =>
      Effect.flatMap(made, (value) => {
        // Sound: the overloads have it that each step takes what the one before made.
        const next = step(value as never)
        return Effect.isEffect(next) ? next : Effect.succeed(next)
      }),
    opening
    // Sound, as before: the overloads say what comes out.
  ) as Effect.Effect<never, never, never>
