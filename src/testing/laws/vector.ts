/**
 * The laws of a vector agent: whatever is done to it, and whatever becomes of its index file between two runs, it answers as a
 * map of items and the plainest search would.
 *
 * ```ts
 * Laws.vectorSuite(it, {
 *   name: "my memory",
 *   open: (site, memory) => VectorAgent.make({ ...memory, items: (schema) => MyAgent.family({ name: "notes", schema }) })
 * })
 * ```
 */
import { Cause, Effect, Logger, type Scope } from "effect"
import type * as VectorAgent from "../../agents/VectorAgent.ts"
import type * as Embedder from "../../agents/vector/Embedder.ts"
import { Broken, live } from "../internal/case.ts"
import { budgetOfEnvironment, replayOfEnvironment, seedOfEnvironment } from "../internal/environment.ts"
import * as Gen from "../internal/gen.ts"
import * as Token from "../internal/token.ts"
import type { Budget } from "../internal/world.ts"
import type { It } from "../Laws.ts"
import { LawViolation } from "../LawViolation.ts"
import type * as Site from "../Site.ts"
import type { Note } from "./vectorModel.ts"
import { holds, type Kind, kinds, type Step, scripts, show } from "./vectorScript.ts"

/** The memory that the laws ask for: to be given to `VectorAgent.make`, with `items` and whatever else is tried. */
export type Memory = Pick<VectorAgent.Options<Note, never, never>, "name" | "schema" | "text" | "metric">

/** What is tried. */
export interface VectorSubject {
  readonly name: string
  /** Opens a memory whose items live on this site, and outlive its scope. */
  readonly open: (
    site: Site.Site,
    memory: Memory
  ) => Effect.Effect<VectorAgent.VectorAgent<Note>, unknown, Scope.Scope | Embedder.Embedder>
  /** By which metrics it is tried. Default: all. */
  readonly metrics?: ReadonlyArray<VectorAgent.Metric> | undefined
  /** Where it keeps its index on a site, if it does: then that file is damaged as well. */
  readonly indexFile?: ((site: Site.Site) => string) | undefined
}

/** How much is tried. */
export interface VectorOptions {
  /** `LAWS_BUDGET` comes before it. Default: `"quick"`. */
  readonly budget?: Budget | undefined
  /** Scripts a law and metric, at most, in place of the budget's. */
  readonly runs?: number | undefined
  /** No script begins after so many milliseconds, a law and metric, in place of the budget's. */
  readonly millis?: number | undefined
  /** Start of all choices, 32 bits. Default: `LAWS_SEED`, or random; a violation's replay token holds it. */
  readonly seed?: number | undefined
}

interface Law {
  readonly name: string
  readonly kinds: readonly [Kind, ...ReadonlyArray<Kind>]
  readonly ids: number
  /** Whether it is one of memories that keep an index in a file. */
  readonly ofFile: boolean
}

const laws: ReadonlyArray<Law> = [
  { name: "any script of operations answers as a map and a plain search do", kinds, ids: 8, ofFile: false },
  {
    name: "no index file, whatever became of it, changes an answer",
    kinds: ["add", "damage", "remove", "addMany", "damage", "update", "reopen", "damage"],
    // An item is often written again.
    ids: 3,
    ofFile: true
  }
]

const efforts: Record<Budget, { readonly runs: number; readonly millis: number }> = {
  quick: { runs: 40, millis: 3_000 },
  ci: { runs: 300, millis: 20_000 },
  soak: { runs: 10_000, millis: 600_000 }
}

const shrinkMillis = 5_000

// A script that takes longer hangs.
const patience = "1 minute"

// A memory logs whatever is wrong with its index file, and here it is wrong on purpose.
const quiet = Logger.layer([])

const metrics: ReadonlyArray<VectorAgent.Metric> = ["cosine", "dot", "euclidean"]

/** Registers one test a law and metric. `LAWS_REPLAY` repeats one case. */
export const vectorSuite = (it: It, subject: VectorSubject, options: VectorOptions = {}): void => {
  const budget = budgetOfEnvironment() ?? options.budget ?? "quick"
  for (const metric of subject.metrics ?? metrics)
    for (const { ids, kinds, name, ofFile } of laws) {
      if (ofFile && subject.indexFile === undefined) continue
      const law = `${name}, by ${metric}`
      it(`${subject.name}: ${law}`, async (context) => {
        const replay = replayOfEnvironment()
        const token = replay === undefined ? null : Token.parse(replay)
        if (token !== null && (token.law !== law || token.subject !== subject.name))
          return void context.skip("another case is replayed")
        const seed = token?.seed ?? options.seed ?? seedOfEnvironment() ?? Math.floor(Math.random() * 2 ** 31)
        const { millis = efforts[budget].millis, runs = efforts[budget].runs } = options
        let end = performance.now() + millis
        let hasFailed = false
        const tried = (script: ReadonlyArray<Step>) =>
          Effect.suspend(() => {
            if (performance.now() > end && token === null) return Effect.succeed(true)
            const held = Effect.timeout(Effect.scoped(holds(subject, metric, script)), patience)
            return Effect.catchCause(Effect.as(held, true), (cause) => {
              // From the first failure on, there is time to look for a smaller script.
              if (!hasFailed) end = performance.now() + shrinkMillis
              hasFailed = true
              return asBroken(cause)
            })
          })
        const checked = Gen.checkEffect(scripts(kinds, ids), tried, {
          runs,
          size: 12,
          seed: String(seed),
          replay: token?.case
        })
        const result = await Effect.runPromise(live(Effect.provide(checked, quiet)))
        if (result._tag === "Passed" || result._tag === "ReplayMismatch") return
        if (result._tag === "Exhausted") throw new Error("no scripts were made")
        const { failure, replay: found, shrunkInput } = result
        throw new LawViolation({
          subject: subject.name,
          law,
          script: shrunkInput.map((step) => show(metric, step)),
          evidence: failure._tag === "PropertyError" ? failure.error.evidence : "the law answered false",
          replay: Token.format({ subject: subject.name, law, budget, seed, case: found })
        })
      }, 3_600_000)
    }
}

const asBroken = (cause: Cause.Cause<unknown>): Effect.Effect<never, Broken> => {
  const error = Cause.squash(cause)
  return Effect.fail(error instanceof Broken ? error : new Broken({ evidence: `it failed: ${String(error)}` }))
}
