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
import { replayOfEnvironment, seedOfEnvironment } from "../internal/environment.ts"
import * as Gen from "../internal/gen.ts"
import * as Token from "../internal/token.ts"
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
  /** Where it keeps its index on a site, if it does: then that file is damaged as well. */
  readonly indexFile?: ((site: Site.Site) => string) | undefined
}

/** How much is tried. */
export interface VectorOptions {
  /** Scripts a law and metric, at most. Default: 30. */
  readonly runs?: number | undefined
  /** No script begins after so many milliseconds, a law and metric. Default: 1000. */
  readonly millis?: number | undefined
  /** Start of all choices, 32 bits. Default: `LAWS_SEED`, or random; a violation's replay token holds it. */
  readonly seed?: number | undefined
}

const laws: ReadonlyArray<{ readonly name: string; readonly kinds: readonly [Kind, ...ReadonlyArray<Kind>] }> = [
  { name: "any script of operations answers as a map and a plain search do", kinds },
  {
    name: "no index file, whatever became of it, changes an answer",
    kinds: ["add", "damage", "remove", "addMany", "damage", "update", "reopen", "damage"]
  }
]

const shrinkMillis = 5_000

// A memory logs whatever is wrong with its index file, and here it is wrong on purpose.
const quiet = Logger.layer([])

const metrics: ReadonlyArray<VectorAgent.Metric> = ["cosine", "dot", "euclidean"]

/** Registers one test a law and metric. `LAWS_REPLAY` repeats one case. */
export const vectorSuite = (it: It, subject: VectorSubject, options: VectorOptions = {}): void => {
  for (const metric of metrics)
    for (const { kinds, name } of laws) {
      const law = `${name}, by ${metric}`
      it(`${subject.name}: ${law}`, async (context) => {
        const replay = replayOfEnvironment()
        const token = replay === undefined ? null : Token.parse(replay)
        if (token !== null && (token.law !== law || token.subject !== subject.name))
          return void context.skip("another case is replayed")
        if (kinds[1] === "damage" && subject.indexFile === undefined) return void context.skip("it keeps no index file")
        const seed = token?.seed ?? options.seed ?? seedOfEnvironment() ?? Math.floor(Math.random() * 2 ** 31)
        let end = performance.now() + (options.millis ?? 1000)
        let hasFailed = false
        const tried = (script: ReadonlyArray<Step>) =>
          Effect.suspend(() => {
            if (performance.now() > end && token === null) return Effect.succeed(true)
            return Effect.catchCause(Effect.as(Effect.scoped(holds(subject, metric, script)), true), (cause) => {
              // From the first failure on, there is time to look for a smaller script.
              if (!hasFailed) end = performance.now() + shrinkMillis
              hasFailed = true
              return asBroken(cause)
            })
          })
        const { runs = 30 } = options
        const checked = Gen.checkEffect(scripts(kinds), tried, {
          runs,
          size: 8,
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
          replay: Token.format({ subject: subject.name, law, budget: "quick", seed, case: found })
        })
      }, 600_000)
    }
}

const asBroken = (cause: Cause.Cause<unknown>): Effect.Effect<never, Broken> => {
  const error = Cause.squash(cause)
  return Effect.fail(error instanceof Broken ? error : new Broken({ evidence: `it failed: ${String(error)}` }))
}
