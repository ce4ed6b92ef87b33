/**
 * Laws that take real processes: children that import the subject, work on a real directory, are killed, and share a state.
 *
 * - Promises: other processes really did what is reported, and what is found really survived a SIGKILL. A kill finds less
 *   than a simulated power cut does: what the operating system has been given, it keeps.
 * - Costs: about a third of a second for each process that is started; the next one starts while one works.
 * - Fails: with a `LawViolation` whose evidence ends with what was done last.
 */
import { Effect, type Scope } from "effect"
import { type Codec, toCodec } from "../schema/Codec.ts"
import { Broken, live } from "./internal/case.ts"
import * as Gen from "./internal/gen.ts"
import * as Children from "./internal/processes/children.ts"
import type { Shared } from "./internal/processes/crew.ts"
import { killRounds as runKillRounds } from "./internal/processes/killRounds.ts"
import type { Module, Server } from "./internal/processes/module.ts"
import { toTexts } from "./internal/processes/numbers.ts"
import { sharedCounter as runSharedCounter } from "./internal/processes/sharedCounter.ts"
import { sharedHistory as runSharedHistory } from "./internal/processes/sharedHistory.ts"
import * as Same from "./internal/same.ts"
import { LawViolation } from "./LawViolation.ts"
import type { Subject } from "./Subject.ts"

export type { Module, Server }

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What all of these take. */
export interface Options<S> {
  /** Start of all choices. Default: 1. How processes interleave, and where a kill strikes, does not follow from it alone. */
  readonly seed?: number | undefined
  /** The states to work with, two at least. Default: samples of the schema. */
  readonly states?: ReadonlyArray<S> | undefined
  /** After how many milliseconds of silence a process counts as hung. Default: 10 000. */
  readonly patience?: number | undefined
}

/** What `killRounds` takes. */
export interface KillOptions<S> extends Options<S> {
  /** How often a process is killed. Default: 10. */
  readonly rounds?: number | undefined
  /** A server behind the agent, killed in about half of the rounds, before its client is. Default: the module's. */
  readonly server?: Server | undefined
}

/** What `sharedHistory` takes. */
export interface HistoryOptions<S> extends Options<S> {
  /** How many processes. Default: 3. */
  readonly processes?: number | undefined
  /** How many fibers each of them has. Default: 1. Beyond eight in all, a history takes long to judge. */
  readonly fibers?: number | undefined
  /** How many operations each fiber performs. Default: 50. */
  readonly operations?: number | undefined
  /** Whether one of the processes is killed in the middle. Default: no. */
  readonly kill?: boolean | undefined
}

/** What `sharedCounter` takes. */
export interface CounterOptions<S> extends Options<S> {
  /** How many processes. Default: 4. */
  readonly processes?: number | undefined
  /** How often each of them increments. Default: 250. */
  readonly times?: number | undefined
  /** Through what. Default: `update`. */
  readonly by?: "update" | "modify" | undefined
}

/** How often what was tried. */
export type Counts = Readonly<Record<string, number>>

// ---------------------------------------------------------------------------------------------------------------------
// Laws

/**
 * Kills processes at work on one site, one after another, and checks what each next one finds: all that was acknowledged,
 * and the operation under way at the kill either done or not; revisions that only grow; the history that is claimed. In
 * the end the site holds no more files than one on which nobody was killed.
 */
export const killRounds = <S>(subject: Subject<S>, options: KillOptions<S> = {}): Checked =>
  run(subject, "a killed process loses nothing acknowledged", options, (common) =>
    runKillRounds({
      ...common,
      claims: subject.claims,
      rounds: options.rounds ?? 10,
      server: options.server ?? subject.module?.server,
      settled: subject.module?.settled
    })
  )

/** Has several processes work on one site at the same time; what they did must fit one order of single steps. */
export const sharedHistory = <S>(subject: Subject<S>, options: HistoryOptions<S> = {}): Checked =>
  run(subject, "several processes keep one history", options, (common) => {
    const { fibers = 1, kill = false, operations = 50, processes = 3 } = options
    return runSharedHistory({ ...common, fibers, kill, operations, processes })
  })

/** Has several processes increment one counter at the same time; each increment must count. */
export const sharedCounter = <S>(subject: Subject<S>, options: CounterOptions<S> = {}): Checked =>
  run(subject, "increments of several processes are all counted", options, (common) => {
    const { by = "update", processes = 4, times = 250 } = options
    return runSharedCounter({ ...common, by, processes, times })
  })

type Checked = Effect.Effect<Counts, LawViolation>

const run = <S>(
  subject: Subject<S>,
  law: string,
  options: Options<S>,
  body: (common: Omit<Shared, "processes">) => Effect.Effect<void, Broken, Scope.Scope>
): Checked => {
  const counts: Record<string, number> = {}
  const { patience = 10_000, seed = 1 } = options
  const whole = Effect.gen(function* () {
    const { module } = subject
    if (module === undefined)
      return yield* new Broken({ evidence: "the subject has no `module`, so that no other process can import it" })
    const codec = toCodec(subject.schema)
    const states = yield* toTexts(codec, options.states ?? (yield* sample(codec, seed)))
    const children = yield* Children.make(module)
    const count = (what: string, n = 1) => {
      counts[what] = (counts[what] ?? 0) + n
    }
    yield* body({ children, states, seed, patience, count, doing: () => {} })
    return counts
  })
  return Effect.mapError(
    live(Effect.scoped(whole)),
    ({ evidence }) => new LawViolation({ subject: subject.name, law, script: [], evidence, replay: "" })
  )
}

const sample = <S>(codec: Codec<S>, seed: number): Effect.Effect<ReadonlyArray<S>, Broken> =>
  Effect.gen(function* () {
    const same = Same.make(codec)
    const storable = Gen.filter(Gen.values(codec.schema), same.storable)
    const samples = yield* Effect.mapError(
      Gen.sampleEffect(storable, { count: 40, size: 6, seed }),
      () => new Broken({ evidence: "the schema's checks reject nearly every sample" })
    )
    return [...new Map(samples.map((state) => [same.key(state), state])).values()]
  })
