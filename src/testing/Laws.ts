/**
 * The law suite: schema and claims turned into properties that an agent either keeps or breaks.
 *
 * ```ts
 * Laws.suite(it, { name: "MyAgent", schema: Account, open: (site) => MyAgent.make({ path: site.path("account") }) })
 * ```
 */
import { Array as Arr, Cause, Effect, Exit, FileSystem, Random } from "effect"
import * as Claims from "../agents/Claims.ts"
import { toCodec } from "../schema/Codec.ts"
import { Broken, live, runCase } from "./internal/case.ts"
import { checker } from "./internal/checker.ts"
import { budgetOfEnvironment, replayOfEnvironment, seedOfEnvironment } from "./internal/environment.ts"
import * as Gen from "./internal/gen.ts"
import * as Same from "./internal/same.ts"
import * as Token from "./internal/token.ts"
import type { Budget, CheckedResult, Law, Settings, World } from "./internal/world.ts"
import { LawViolation } from "./LawViolation.ts"
import { all } from "./laws/all.ts"
import { opens } from "./laws/claims.ts"
import * as Report from "./Report.ts"
import * as Site from "./Site.ts"
import type { Subject } from "./Subject.ts"

export type {
  /** `quick`: an agent in under 2 s. `ci`: under 60 s. `soak`: 10 000 cases a law, which takes long. */
  Budget
} from "./internal/world.ts"
export { type VectorOptions, type VectorSubject, vectorSuite } from "./laws/vector.ts"

const budgets: Record<Budget, Omit<Settings, "seed" | "mostRuns">> = {
  quick: { budget: "quick", runs: 60, millis: 50, size: 6, shrinkMillis: 3_000, patience: 10_000 },
  ci: { budget: "ci", runs: 1_500, millis: 1_500, size: 12, shrinkMillis: 10_000, patience: 20_000 },
  soak: { budget: "soak", runs: 10_000, millis: 600_000, size: 24, shrinkMillis: 30_000, patience: 60_000 }
}

/** How to run the laws. */
export interface Options {
  readonly budget?: Budget | undefined
  /** Start of all choices, 32 bits. Default: `LAWS_SEED`, or random; the report and every replay token hold it. */
  readonly seed?: number | undefined
  /** Repeats the case of one violation instead of everything. Default: `LAWS_REPLAY`, if it names this subject. */
  readonly replay?: string | undefined
  /** Only these laws. Default: all. */
  readonly laws?: ReadonlyArray<string> | undefined
  /** Milliseconds after which a case counts as hung. */
  readonly patience?: number | undefined
  /** Milliseconds a law, in place of the budget's: with many, the number of cases decides, and not how busy the machine is. */
  readonly millis?: number | undefined
  /** Cases a law, at most, where the budget or the law would have more. */
  readonly runs?: number | undefined
}

/** The names of all laws, in the order in which they run. */
export const names: ReadonlyArray<string> = all.map((law) => law.name)

/** Runs the laws against a subject: a report of what was tried, or the first violation. A wrong `LAWS_SEED` is a defect. */
export const check = <S>(subject: Subject<S>, options: Options = {}): Effect.Effect<Report.Report, LawViolation> =>
  live(Effect.flatMap(prepare(subject, options), (prepared) => checkPrepared(prepared, options.laws)))

/** What `check` does first, and `suite` once for all its tests. */
interface Prepared<in out S> {
  readonly world: World<S>
  readonly token: Token.Token | undefined
}

const prepare = <S>(subject: Subject<S>, options: Options): Effect.Effect<Prepared<S>, LawViolation> =>
  Effect.gen(function* () {
    const replay = options.replay ?? replayOf(subject.name)
    const token = replay === undefined ? undefined : Token.parse(replay)
    if (token === null) {
      const evidence = "the replay token is not one of this suite"
      return yield* new LawViolation({
        subject: subject.name,
        law: "replay",
        script: [],
        evidence,
        replay: replay ?? ""
      })
    }
    const settings: Settings = {
      ...budgets[token?.budget ?? options.budget ?? "quick"],
      ...(options.patience === undefined ? {} : { patience: options.patience }),
      ...(options.millis === undefined ? {} : { given: { millis: options.millis } }),
      mostRuns: options.runs ?? Number.POSITIVE_INFINITY,
      seed: token?.seed ?? options.seed ?? seedOfEnvironment() ?? (yield* Random.nextIntBetween(0, 2 ** 31))
    }
    return { world: yield* makeWorld(subject, settings), token }
  })

const checkPrepared = <S>(
  { token, world }: Prepared<S>,
  only: ReadonlyArray<string> | undefined
): Effect.Effect<Report.Report, LawViolation> =>
  Effect.gen(function* () {
    const wanted = token === undefined ? only : [token.law]
    const laws = all.filter((law) => wanted === undefined || wanted.includes(law.name))
    const outcomes: Array<Report.Outcome> = []
    for (const law of laws) outcomes.push(yield* checkLaw(law, world, token?.case))
    const { budget, seed } = world.settings
    return { subject: world.subject.name, claims: Claims.describe(world.claims), budget, seed, outcomes }
  })

const checkLaw = <S>(
  law: Law,
  world: World<S>,
  replay: string | undefined
): Effect.Effect<Report.Outcome, LawViolation> =>
  Effect.gen(function* () {
    const plan = law.plan(world)
    if ("skipped" in plan) return { _tag: "Skipped", law: law.name, reason: plan.skipped }
    const started = performance.now()
    const checked = yield* plan.check(checker(replay))
    const result = checked._tag === "Kept" ? whole(checked) : checked
    if (result._tag === "Kept") {
      const { counts } = result
      return { _tag: "Kept", law: law.name, counts, millis: performance.now() - started }
    }
    const { budget, seed } = world.settings
    return yield* new LawViolation({
      subject: world.subject.name,
      law: law.name,
      rule: law.rule,
      script: result.script,
      evidence: result.evidence,
      replay: Token.format({ subject: world.subject.name, law: law.name, budget, seed, case: result.token })
    })
  })

/** A law that could not decide some of its cases has not shown anything. */
const whole = (kept: CheckedResult & { readonly _tag: "Kept" }): CheckedResult => {
  const undecided = kept.counts["undecided"] ?? 0
  if (undecided === 0) return kept
  return { _tag: "Broken", script: [], evidence: `${undecided} cases could not be decided`, token: "" }
}

/** Opens the agent once, to learn what it claims and which sampled states it accepts. */
const makeWorld = <S>(subject: Subject<S>, settings: Settings): Effect.Effect<World<S>, LawViolation> =>
  Effect.gen(function* () {
    const codec = toCodec(subject.schema)
    const same = Same.make(codec)
    const violation = (evidence: string) =>
      new LawViolation({
        subject: subject.name,
        law: opens.name,
        rule: opens.rule,
        script: ["open, save some states of the schema"],
        evidence,
        replay: Token.format({ subject: subject.name, law: opens.name, ...settings, case: "" })
      })
    const states = yield* Effect.try({
      try: () => Gen.filter(Gen.values(codec.schema), same.storable),
      catch: (error) => violation(`no states can be sampled from the schema: ${String(error)}`)
    })
    const { seed, size } = settings
    const samples = yield* Effect.mapError(
      Gen.sampleEffect(states, { count: 150, size: Math.min(size, 8), seed }),
      () => violation("the schema's checks reject nearly every sample")
    )
    const distinct = [...new Map(samples.map((state) => [same.key(state), state]))]
      .sort(([a], [b]) => a.length - b.length)
      .map(([, state]) => state)
    if (!Arr.isReadonlyArrayNonEmpty(distinct)) return yield* violation("the schema has no states")

    const draft: World<S> = {
      subject,
      claims: subject.claims ?? {
        durability: "volatile",
        consistency: "lastWriteWins",
        sharing: "process",
        history: "none"
      },
      carried: { durability: "volatile", consistency: "lastWriteWins", sharing: "process", history: "none" },
      onFiles: yield* takesFileSystem(subject),
      noFiles,
      codec,
      same,
      states,
      pool: distinct,
      pooled: Gen.pick(distinct),
      settings
    }
    let world = draft
    const probe = runCase(draft, new Map(), (run) =>
      Effect.gen(function* () {
        const { agent } = yield* run.open
        const accepted: Array<S> = []
        for (const state of distinct.slice(0, settings.budget === "quick" ? 16 : 40)) {
          if (yield* run.save("save", agent.save(state))) accepted.push(state)
        }
        if (!Arr.isReadonlyArrayNonEmpty(accepted))
          return yield* new Broken({ evidence: "every sampled state is refused" })
        world = {
          ...draft,
          claims: subject.claims ?? agent.claims,
          carried: agent.claims,
          pool: accepted,
          pooled: Gen.pick(accepted)
        }
      })
    )
    yield* Effect.mapError(probe, ({ evidence }) => violation(evidence))
    const { carried, claims } = world
    if (!sameClaims(Claims.weaker(claims, carried), claims))
      return yield* violation(
        `the subject is said to promise "${Claims.describe(claims)}", but the agent carries "${Claims.describe(carried)}"`
      )
    return world
  })

const noFiles = FileSystem.makeNoop({})

/** Whether an agent, when it is opened, looks at the `FileSystem` that it is given. What comes of the opening is not asked. */
const takesFileSystem = <S>(subject: Subject<S>): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    let looked = false
    const watched = new Proxy(noFiles, {
      get: (target, name) => {
        looked = true
        return Reflect.get(target, name)
      }
    })
    const opened = Effect.scoped(Effect.flatMap(Site.temporary, (site) => subject.open(site)))
    return Effect.map(Effect.exit(Effect.provideService(opened, FileSystem.FileSystem, watched)), () => looked)
  })

const sameClaims = (a: Claims.Claims, b: Claims.Claims): boolean =>
  a.durability === b.durability &&
  a.consistency === b.consistency &&
  a.sharing === b.sharing &&
  Claims.historyLength(a.history) === Claims.historyLength(b.history) &&
  Claims.historyMost(a.history) === Claims.historyMost(b.history)

/** The part of a test runner's `it` that `suite` needs. */
export type It = (name: string, test: (context: TestContext) => Promise<void>, timeout?: number) => unknown

/** The part of a test's context that `suite` needs. */
export interface TestContext {
  readonly skip: (note?: string) => unknown
}

/**
 * Registers one test a law with the `it` of vitest or `@effect/vitest`. `LAWS_BUDGET` chooses the budget, `LAWS_REPLAY`
 * repeats one case, `LAWS_REPORT=1` prints what was tried; laws that the agent does not claim show as skipped, with the
 * reason. Throws where `LAWS_BUDGET` or `LAWS_SEED` is none.
 */
export const suite = <S>(it: It, subject: Subject<S>, options: Options = {}): void => {
  const settings = { ...options, ...fromEnvironment(options) }
  let prepared: Promise<Prepared<S>> | undefined
  const outcomes: Array<Report.Outcome> = []
  const chosen = names.filter((name) => options.laws?.includes(name) ?? true)
  for (const name of chosen) {
    it(`${subject.name}: ${name}`, async (context) => {
      const token = settings.replay === undefined ? undefined : Token.parse(settings.replay)
      if (token != null && (token.law !== name || token.subject !== subject.name))
        return void context.skip("another case is replayed")
      prepared ??= run(prepare(subject, settings))
      const report = await run(checkPrepared(await prepared, [name]))
      outcomes.push(...report.outcomes)
      if (name === chosen.at(-1) && process.env["LAWS_REPORT"] === "1")
        process.stdout.write(`${Report.format({ ...report, outcomes })}\n`)
      for (const outcome of report.outcomes) if (outcome._tag === "Skipped") context.skip(outcome.reason)
    }, 3_600_000)
  }
}

/** Rejects with the violation itself, whose message is the report. */
const run = async <A>(effect: Effect.Effect<A, LawViolation>): Promise<A> => {
  const exit = await Effect.runPromiseExit(live(effect))
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  return exit.value
}

/** `LAWS_REPLAY`, if it is the token of this subject. */
const replayOf = (subject: string): string | undefined => {
  const replay = replayOfEnvironment()
  return replay !== undefined && Token.parse(replay)?.subject === subject ? replay : undefined
}

const fromEnvironment = (options: Options): Pick<Options, "budget" | "replay" | "seed"> => ({
  budget: budgetOfEnvironment() ?? options.budget,
  replay: replayOfEnvironment() ?? options.replay,
  seed: options.seed ?? seedOfEnvironment()
})
