/**
 * Logic with a memory: a pure function of an input and a state, fused with the agent that keeps the state.
 *
 * - Promises: each run is on the state that another one left, and no run's state is lost: in the mode `"serialize"` (the
 *   default) they happen one after the other, in `"optimistic"` as if they had, and in `{ merge }` as the user's function
 *   merges them. A run that fails or is interrupted leaves the memory as it was. Durability and sharing are those of the
 *   memory. No run waits for itself: a tool whose memory it holds is a typed failure of `use`.
 * - Costs: one `modify` of the memory a run, or a read and a conditional write. With `"serialize"` the memory stays locked
 *   while the logic runs, so that others wait; with `"optimistic"` the logic runs again for each write of others in between.
 *   `choose` copies the state for each candidate, `stream` keeps its outputs until it ends.
 * - Fails: with what the logic fails with, `StateNotFound` when the memory is empty and has no `initial`, and what a
 *   conditional write fails with. When others wrote meanwhile, the logic runs again: see `retries`.
 *
 * Law: `run` is the logic on the memory's state: `run(input)` answers `output` and leaves `next` where
 * `logic(input, state)` gives `[output, next]`. `andThen` is associative; `map` and `mapInput` keep identity and order.
 * `batch` is one `run` after the other; `choose` of one candidate is `make`; `stream` read to its end is `make`.
 */
import { Effect, Function, Pipeable } from "effect"
import type * as DataAgent from "../agents/DataAgent.ts"
import type { CompareError, StateNotFound } from "../agents/StateError.ts"
import { type Choose, choosing, type Outcome } from "./symbiont/choosing.ts"
import { inTurn, type Logic } from "./symbiont/Logic.ts"
import { MemoryBusy, orBusy } from "./symbiont/MemoryBusy.ts"
import { type Merging, type Mode, type Transaction, transact } from "./symbiont/modes.ts"
import { type Streaming, type StreamOptions, streaming } from "./symbiont/streaming.ts"

export {
  type Choose,
  type Logic,
  MemoryBusy,
  type Merging,
  type Mode,
  type Outcome,
  type Streaming,
  type StreamOptions
}

const TypeId: unique symbol = Symbol.for("dgents/Symbiont")

/** Logic with a memory: what it takes, answers, may fail with (besides its memory) and needs. */
export interface Symbiont<in In, out Out, out E = never, out R = never> extends Pipeable.Pipeable {
  readonly [TypeId]: typeof TypeId
  /** Names it for people; `"a > b"` and `"a & b"` for composites. */
  readonly name: string
  /** Runs the logic on the state in memory, and stores the next state. */
  readonly run: (input: In) => Effect.Effect<Out, E | StateNotFound | CompareError, R>
}

/** Whether a value is a symbiont. */
export const isSymbiont = (u: unknown): u is Symbiont<never, unknown, unknown, unknown> =>
  typeof u === "object" && u !== null && TypeId in u

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What all kinds of symbionts take. `retries` says how often the logic may run again when others wrote meanwhile. */
export interface MemoryOptions<in out S> extends DataAgent.ModifyOptions {
  /** Default: the name of the memory. */
  readonly name?: string | undefined
  readonly memory: DataAgent.DataAgent<S>
  /**
   * How runs that overlap get along. Default: `"serialize"`. In the mode `{ merge }` nothing runs again, and `retries` (no
   * limit by default) says how often it is merged.
   */
  readonly mode?: Mode<NoInfer<S>> | undefined
}

/** What `make` and `batch` take. */
export interface Options<in out S, in out In, out Out, out E, out R> extends MemoryOptions<S> {
  /** From an input and the current state to an output and the next state. It never sees the agent. */
  readonly logic: (input: In, state: S) => Effect.Effect<readonly [output: Out, next: NoInfer<S>], E, R>
}

/** What `choose` takes. */
export interface ChooseOptions<in out S, in out In, in out Out, out E, out R, out E2, out R2> extends MemoryOptions<S> {
  /** What is tried: the same question to several models, or to one at several temperatures. At least one. */
  readonly candidates: readonly [Logic<S, In, Out, E, R>, ...ReadonlyArray<Logic<S, In, Out, E, R>>]
  /** Says which of the outcomes counts; it may make one of several. When all candidates fail, the first failure counts. */
  readonly choose: Choose<S, In, Out, E2, R2>
  /** How many run at the same time. Default: all. */
  readonly concurrency?: number | "unbounded" | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// make

/**
 * Fuses logic with a memory. The logic is a function of its arguments, so it is tested without either:
 *
 * ```ts
 * const count = (by: number, total: number) => Effect.succeed([total + by, total + by] as const)
 *
 * const counter = Symbiont.make({ memory, logic: count }) // in the program
 * Effect.runSync(count(2, 40)) // => [42, 42], in a test
 * ```
 */
export const make = <S, In, Out, E = never, R = never>(options: Options<S, In, Out, E, R>): Symbiont<In, Out, E, R> =>
  fused(options, options.logic)

/** Takes many inputs and writes the memory once, when all went well: each is run on the state that the one before left. */
export const batch = <S, In, Out, E = never, R = never>(
  options: Options<S, In, Out, E, R>
): Symbiont<ReadonlyArray<In>, ReadonlyArray<Out>, E, R> => {
  const all = fused(options, inTurn(options.logic))
  return of(all.name, (inputs) => (inputs.length === 0 ? Effect.succeed([]) : all.run(inputs)))
}

/** Runs several candidates, each on a copy of the memory, and stores what the one that is chosen leaves. */
export const choose = <S, In, Out, E = never, R = never, E2 = never, R2 = never>(
  options: ChooseOptions<S, In, Out, E, R, E2, R2>
): Symbiont<In, Out, E | E2, R | R2> => {
  const { candidates, choose, concurrency = "unbounded", memory } = options
  return fused(options, choosing(memory.codec, candidates, choose, concurrency))
}

/**
 * Logic whose outputs come one by one, such as the words of a model. What they come to is stored when all are there; a
 * stream that fails or is left early leaves the memory as it was.
 */
export const stream = <S, In, Out, E = never, R = never>(
  options: StreamOptions<S, In, Out, E, R>
): Streaming<In, Out, E, R> => streaming(options)

const fused = <S, In, Out, E, R>(
  options: MemoryOptions<S>,
  logic: (input: In, state: S) => Effect.Effect<readonly [Out, S], E, R>
): Symbiont<In, Out, E, R> => {
  const { memory, name = memory.name } = options
  const transaction: Transaction<S> = options
  return of(name, (input) => transact(memory, (state) => logic(input, state), transaction))
}

const Prototype = { ...Pipeable.Prototype, [TypeId]: TypeId } as const

const of = <In, Out, E, R>(name: string, run: Symbiont<In, Out, E, R>["run"]): Symbiont<In, Out, E, R> =>
  Object.assign(Object.create(Prototype) as typeof Prototype, { name, run })

// ---------------------------------------------------------------------------------------------------------------------
// Functions, symbiont first or last

/** Runs it on an input. */
export const run: {
  <In>(input: In): <Out, E, R>(self: Symbiont<In, Out, E, R>) => ReturnType<Symbiont<In, Out, E, R>["run"]>
  <In, Out, E, R>(self: Symbiont<In, Out, E, R>, input: In): ReturnType<Symbiont<In, Out, E, R>["run"]>
} = Function.dual(2, <In, Out, E, R>(self: Symbiont<In, Out, E, R>, input: In) => self.run(input))

/**
 * Runs it from inside the logic of another one, as a tool. Fails with `MemoryBusy` instead of waiting forever: when the run
 * that uses the tool holds the tool's memory, or its holder waits for that run, as when two symbionts use each other.
 */
export const use: {
  <In>(input: In): <Out, E, R>(tool: Symbiont<In, Out, E, R>) => Used<Out, E, R>
  <In, Out, E, R>(tool: Symbiont<In, Out, E, R>, input: In): Used<Out, E, R>
} = Function.dual(
  2,
  <In, Out, E, R>(tool: Symbiont<In, Out, E, R>, input: In): Used<Out, E, R> => orBusy(tool.name, tool.run(input))
)

type Used<Out, E, R> = Effect.Effect<Out, E | StateNotFound | CompareError | MemoryBusy, R>

/** Changes what it answers. The memory is written before `f` is applied. */
export const map: {
  <Out, Out2>(f: (output: Out) => Out2): <In, E, R>(self: Symbiont<In, Out, E, R>) => Symbiont<In, Out2, E, R>
  <In, Out, E, R, Out2>(self: Symbiont<In, Out, E, R>, f: (output: Out) => Out2): Symbiont<In, Out2, E, R>
} = Function.dual(
  2,
  <In, Out, E, R, Out2>(self: Symbiont<In, Out, E, R>, f: (output: Out) => Out2): Symbiont<In, Out2, E, R> =>
    of(self.name, (input) => Effect.map(self.run(input), f))
)

/** Changes what it takes. */
export const mapInput: {
  <In2, In>(f: (input: In2) => In): <Out, E, R>(self: Symbiont<In, Out, E, R>) => Symbiont<In2, Out, E, R>
  <In, Out, E, R, In2>(self: Symbiont<In, Out, E, R>, f: (input: In2) => In): Symbiont<In2, Out, E, R>
} = Function.dual(
  2,
  <In, Out, E, R, In2>(self: Symbiont<In, Out, E, R>, f: (input: In2) => In): Symbiont<In2, Out, E, R> =>
    of(self.name, (input) => Effect.suspend(() => self.run(f(input))))
)

/**
 * The output of the first is the input of the second. Each writes its own memory: when the second fails, the first one's
 * memory keeps what it learned.
 */
export const andThen: {
  <Out, Out2, E2, R2>(
    second: Symbiont<Out, Out2, E2, R2>
  ): <In, E, R>(first: Symbiont<In, Out, E, R>) => Symbiont<In, Out2, E | E2, R | R2>
  <In, Out, E, R, Out2, E2, R2>(
    first: Symbiont<In, Out, E, R>,
    second: Symbiont<Out, Out2, E2, R2>
  ): Symbiont<In, Out2, E | E2, R | R2>
} = Function.dual(
  2,
  <In, Out, E, R, Out2, E2, R2>(
    first: Symbiont<In, Out, E, R>,
    second: Symbiont<Out, Out2, E2, R2>
  ): Symbiont<In, Out2, E | E2, R | R2> =>
    of(`${first.name} > ${second.name}`, (input) => Effect.flatMap(first.run(input), second.run))
)

/** What `zip` takes. */
export interface ZipOptions {
  /** Runs both at the same time. Default: the second starts when the first has ended. */
  readonly concurrent?: boolean | undefined
}

/** Both on the same input. Each writes its own memory, as with `andThen`. */
export const zip: {
  <In2, Out2, E2, R2>(
    second: Symbiont<In2, Out2, E2, R2>,
    options?: ZipOptions
  ): <In, Out, E, R>(first: Symbiont<In, Out, E, R>) => Symbiont<In & In2, readonly [Out, Out2], E | E2, R | R2>
  <In, Out, E, R, In2, Out2, E2, R2>(
    first: Symbiont<In, Out, E, R>,
    second: Symbiont<In2, Out2, E2, R2>,
    options?: ZipOptions
  ): Symbiont<In & In2, readonly [Out, Out2], E | E2, R | R2>
} = Function.dual(
  (args) => isSymbiont(args[1]),
  <In, Out, E, R, In2, Out2, E2, R2>(
    first: Symbiont<In, Out, E, R>,
    second: Symbiont<In2, Out2, E2, R2>,
    options?: ZipOptions
  ): Symbiont<In & In2, readonly [Out, Out2], E | E2, R | R2> =>
    of(`${first.name} & ${second.name}`, (input) =>
      Effect.all([first.run(input), second.run(input)], { concurrency: options?.concurrent === true ? 2 : 1 })
    )
)
