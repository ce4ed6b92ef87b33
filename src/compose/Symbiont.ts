/**
 * Logic with a memory: a pure function of an input and a state, fused with the agent that keeps the state.
 *
 * - Promises: runs on one memory happen one after the other, each on the state that the one before left. A run that fails
 *   or is interrupted leaves the memory as it was. Durability and sharing are those of the memory.
 * - Costs: one `modify` of the memory a run. The memory stays locked while the logic runs, so that others wait.
 * - Fails: with what the logic fails with, `StateNotFound` when the memory is empty and has no `initial`, and what a
 *   conditional write fails with. When another process wrote meanwhile, the logic runs again: see `retries`.
 *
 * Law: `run` is the logic on the memory's state: `run(input)` answers `output` and leaves `next` where
 * `logic(input, state)` gives `[output, next]`. `andThen` is associative; `map` and `mapInput` keep identity and order.
 */
import { Effect, Function, Pipeable } from "effect"
import type * as DataAgent from "../agents/DataAgent.ts"
import type { CompareError, StateNotFound } from "../agents/StateError.ts"

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

/** What `make` takes. `retries` says how often the logic may run again when another process wrote meanwhile. */
export interface Options<S, In, Out, E, R> extends DataAgent.ModifyOptions {
  /** Default: the name of the memory. */
  readonly name?: string | undefined
  readonly memory: DataAgent.DataAgent<S>
  /** From an input and the current state to an output and the next state. It never sees the agent. */
  readonly logic: (input: In, state: S) => Effect.Effect<readonly [output: Out, next: NoInfer<S>], E, R>
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
export const make = <S, In, Out, E = never, R = never>(options: Options<S, In, Out, E, R>): Symbiont<In, Out, E, R> => {
  const { logic, memory } = options
  return of(options.name ?? memory.name, (input) => memory.modify((state) => logic(input, state), options))
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
