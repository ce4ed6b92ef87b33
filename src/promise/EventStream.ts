import type { Claims } from "../agents/Claims.ts"
import type { ModifyOptions } from "../agents/DataAgent.ts"
import type { KeysOptions } from "../agents/Family.ts"
import type {
  AppendOptions,
  Bounds,
  Folded,
  Range,
  Recorded,
  StreamAgent,
  StreamFamily
} from "../agents/StreamAgent.ts"
import { type Awaitable, fromAsync, type Runner, type Signal } from "./Runner.ts"

/** A `StreamAgent` in promises. */
export interface EventStream<in out E, in out S> {
  readonly name: string
  readonly key: string | undefined
  readonly claims: Claims
  /** The state after all events that were acknowledged before. */
  readonly load: (options?: Signal) => Promise<S>
  /** The same with the position of the last event in it, to append with `expected`. */
  readonly current: (options?: Signal) => Promise<Folded<S>>
  /** Appends an event, or several that are recorded all or none, and answers the position of the last one. */
  readonly append: (events: E | ReadonlyArray<E>, options?: AppendOptions & Signal) => Promise<number>
  /** Runs a function on the state, and appends the events that it answers, if nobody else appended in between. */
  readonly decide: <A>(
    f: (state: S, signal: AbortSignal) => Awaitable<readonly [answer: A, events: ReadonlyArray<E>]>,
    options?: ModifyOptions & Signal
  ) => Promise<A>
  readonly at: (when: number | Date, options?: Signal) => Promise<Folded<S>>
  readonly events: (options?: Range & Signal) => AsyncIterable<Recorded<E>>
  readonly history: (options?: Range & Signal) => AsyncIterable<Recorded<E> & { readonly state: S }>
  /** Recorded events from a position on (default 1), then each that is appended, once and in order. */
  readonly changes: (options?: { readonly from?: number | undefined } & Signal) => AsyncIterable<Recorded<E>>
  readonly bounds: (options?: Signal) => Promise<Bounds>
  readonly compact: (before: number | Date, options?: Signal) => Promise<void>
}

/** Many streams of one kind in promises. */
export interface EventStreamFamily<in out E, in out S> {
  readonly name: string
  readonly claims: Claims
  readonly at: (key: string) => EventStream<E, S>
  readonly keys: (options?: KeysOptions & Signal) => AsyncIterable<string>
}

/** A stream of events in promises. */
export const fromStream = <E, S>(stream: StreamAgent<E, S>, { iterate, run }: Runner): EventStream<E, S> => ({
  name: stream.name,
  key: stream.key,
  claims: stream.claims,
  load: (options) => run(stream.load, options),
  current: (options) => run(stream.current, options),
  append: (events, options) => run(stream.append(events, options), options),
  decide: (f, options) =>
    run(
      stream.decide((state) => fromAsync((signal) => f(state, signal)), options),
      options
    ),
  at: (when, options) => run(stream.at(when), options),
  events: (options) => iterate(stream.events(options), options),
  history: (options) => iterate(stream.history(options), options),
  changes: (options) => iterate(stream.changes(options), options),
  bounds: (options) => run(stream.bounds, options),
  compact: (before, options) => run(stream.compact(before), options)
})

/** A family of streams in promises. */
export const fromStreams = <E, S>(family: StreamFamily<E, S>, runner: Runner): EventStreamFamily<E, S> => ({
  name: family.name,
  claims: family.claims,
  at: (key) => fromStream(family.at(key), runner),
  keys: (options) => runner.iterate(family.keys(options), options)
})
