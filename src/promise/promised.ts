import { Effect, Option, Predicate, Stream } from "effect"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Families from "../agents/Family.ts"
import { isStreamAgent, type StreamAgent, type StreamFamily } from "../agents/StreamAgent.ts"
import { isVectorAgent, type VectorAgent } from "../agents/VectorAgent.ts"
import { isSymbiont, type Symbiont } from "../compose/Symbiont.ts"
import { type Agent, fromAgent } from "./Agent.ts"
import { type EventStream, type EventStreamFamily, fromStream, fromStreams } from "./EventStream.ts"
import { type Family, fromFamily } from "./Family.ts"
import type { Runner, Signal } from "./Runner.ts"
import { fromVectors, type VectorMemory } from "./VectorMemory.ts"

/** Logic with a memory, in promises. */
export interface Runnable<in In, out Out> {
  readonly name: string
  readonly run: (input: In, options?: Signal) => Promise<Out>
}

/**
 * A value of dgents in promises. What a combinator adds to an agent (figures, a flush) comes along: effects are functions that
 * answer a promise, streams functions that answer an async iterable. Records are converted field by field.
 */
export type Promised<A> =
  A extends DataAgent.DataAgent<infer S>
    ? Agent<S> & Members<Omit<A, keyof DataAgent.DataAgent<S>>>
    : A extends Families.Family<infer S>
      ? Family<S> & Members<Omit<A, keyof Families.Family<S>>>
      : A extends StreamAgent<infer E, infer S>
        ? EventStream<E, S>
        : A extends StreamFamily<infer E, infer S>
          ? EventStreamFamily<E, S>
          : A extends VectorAgent<infer Item>
            ? VectorMemory<Item>
            : A extends Symbiont<infer In, infer Out, infer _E, infer _R>
              ? Runnable<In, Out>
              : A extends
                    | ReadonlyArray<unknown>
                    | ReadonlyMap<unknown, unknown>
                    | ReadonlySet<unknown>
                    | Date
                    | Uint8Array
                ? A
                : A extends object
                  ? Members<A>
                  : A

/** The members of a value in promises. */
export type Members<A> = { readonly [K in keyof A]: Member<A[K]> }

/** One member. */
export type Member<M> =
  M extends Effect.Effect<infer A, infer _E, infer _R>
    ? (options?: Signal) => Promise<Plain<A>>
    : M extends Stream.Stream<infer A, infer _E, infer _R>
      ? (options?: Signal) => AsyncIterable<A>
      : M extends (...args: infer Args) => infer Result
        ? (...args: Args) => Answer<Result>
        : Promised<M>

/** What a function answers. */
export type Answer<Result> =
  Result extends Effect.Effect<infer A, infer _E, infer _R>
    ? Promise<Plain<A>>
    : Result extends Stream.Stream<infer A, infer _E, infer _R>
      ? AsyncIterable<A>
      : Promised<Result>

/** A value without `Option`. */
export type Plain<A> = A extends Option.Option<infer B> ? B | undefined : A

/** A value in promises. */
export const promised = <A>(value: A, runner: Runner): Promised<A> =>
  // Sound: `convert` takes the cases in the order of the type.
  convert(value, runner) as Promised<A>

const convert = (value: unknown, runner: Runner): unknown => {
  if (DataAgent.isDataAgent(value)) {
    const { codec, internals, ...members } = value
    return withMembers(fromAgent(value, runner), members, runner)
  }
  if (Families.isFamily(value)) {
    const { codec, query, ...members } = value
    return withMembers(fromFamily(value, runner), members, runner)
  }
  if (isStreamAgent(value)) return fromStream(value, runner)
  if (isVectorAgent(value)) return fromVectors(value, runner)
  if (isSymbiont(value)) return fromSymbiont(value, runner)
  if (isStreamFamily(value)) return fromStreams(value, runner)
  if (typeof value !== "object" || value === null) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype ? withMembers({}, value, runner) : value
}

const isStreamFamily = (u: unknown): u is StreamFamily<unknown, unknown> =>
  ["name", "claims", "at", "keys"].every((name) => Predicate.hasProperty(u, name))

const fromSymbiont = <In, Out>(symbiont: Symbiont<In, Out, unknown, unknown>, { run }: Runner): Runnable<In, Out> => ({
  name: symbiont.name,
  // Sound: what a symbiont needs, it was opened with.
  run: (input, options) => run(symbiont.run(input) as Effect.Effect<Out, unknown>, options)
})

/** Adds the members of a value that its counterpart in promises does not have. */
const withMembers = (counterpart: object, value: object, runner: Runner): object => {
  const members: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value))
    if (!(name in counterpart)) members[name] = toMember(member, runner)
  return { ...members, ...counterpart }
}

const toMember = (member: unknown, runner: Runner): unknown => {
  if (Effect.isEffect(member) || Stream.isStream(member)) return (options?: Signal) => answer(member, runner, options)
  if (typeof member === "function") return (...args: ReadonlyArray<unknown>) => answer(member(...args), runner)
  return convert(member, runner)
}

const answer = (result: unknown, runner: Runner, options?: Signal): unknown => {
  // Sound, twice: what they need, they were opened with.
  if (Effect.isEffect(result)) return runner.run(Effect.map(result as Effect.Effect<unknown, unknown>, plain), options)
  if (Stream.isStream(result)) return runner.iterate(result as Stream.Stream<unknown, unknown>, options)
  return convert(result, runner)
}

const plain = (value: unknown): unknown => (Option.isOption(value) ? Option.getOrUndefined(value) : value)
