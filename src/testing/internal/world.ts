import type { Effect, FileSystem, Scope } from "effect"
import type { Claims } from "../../agents/Claims.ts"
import type { Codec } from "../../schema/Codec.ts"
import type { Subject } from "../Subject.ts"
import type { Broken, Case } from "./case.ts"
import type * as Gen from "./gen.ts"
import type { Same } from "./same.ts"

/** How much is tried: see `Laws.Budget`. */
export type Budget = "quick" | "ci" | "soak"

/** How much one law may try. */
export interface Settings {
  readonly budget: Budget
  /** The most cases a law. */
  readonly runs: number
  /** No new batch of cases begins after this many milliseconds. */
  readonly millis: number
  /** How large generated values get. */
  readonly size: number
  /** Milliseconds a law, whatever the budget and the law's own effort say. */
  readonly given?: { readonly millis: number } | undefined
  /** The most cases a law, whatever the budget and the law's own effort say. */
  readonly mostRuns: number
  /** How many milliseconds are spent on making a failing case smaller. */
  readonly shrinkMillis: number
  /** After how many milliseconds a case counts as hung. */
  readonly patience: number
  readonly seed: number
}

/** What all laws about one subject start from. */
export interface World<in out S> {
  readonly subject: Subject<S>
  /** What the laws demand. */
  readonly claims: Claims
  /** What the agent says of itself, at least as much. */
  readonly carried: Claims
  /** Whether the agent takes Effect's `FileSystem` from its context, so that it runs on the simulated disk of a site. */
  readonly onFiles: boolean
  /** The `FileSystem` of agents that do not. */
  readonly noFiles: FileSystem.FileSystem
  readonly codec: Codec<S>
  readonly same: Same<S>
  /** States of the schema, of any size. */
  readonly states: Gen.Gen<S>
  /** Different states that the agent has accepted, small ones first; never empty. */
  readonly pool: readonly [S, ...ReadonlyArray<S>]
  /** One of the pool. */
  readonly pooled: Gen.Gen<S>
  readonly settings: Settings
}

/** A law as cases to generate and what must hold in each. */
export interface Property<in out S, C> {
  readonly cases: Gen.Gen<C>
  /** The case as commands, one a line. */
  readonly show: (value: C) => ReadonlyArray<string>
  readonly holds: (value: C, run: Case<S>) => Effect.Effect<void, Broken, Scope.Scope>
  /** At most this many cases, whatever the budget: for laws whose single case tries much. */
  readonly atMost?: number | undefined
  /** Milliseconds after which a case counts as hung, if that is more than the budget's: for cases that start processes. */
  readonly patience?: number | undefined
  /** Cases and milliseconds in place of the budget's, for laws that want more or less than most. */
  readonly effort?: Partial<Record<Budget, Partial<Pick<Settings, "runs" | "millis">>>> | undefined
}

/** A law applied to a subject: something to check, or why there is nothing to check. */
export type Plan = { readonly skipped: string } | { readonly check: (check: Checker) => ReturnType<Checker> }

/** Checks a property; the type of its cases is the law's own business. */
export type Checker = <S, C>(world: World<S>, property: Property<S, C>) => Effect.Effect<CheckedResult>

/** What came of checking a property. */
export type CheckedResult =
  | { readonly _tag: "Kept"; readonly counts: Readonly<Record<string, number>> }
  | {
      readonly _tag: "Broken"
      readonly script: ReadonlyArray<string>
      readonly evidence: string
      readonly token: string
    }

/** One law. */
export interface Law {
  readonly name: string
  /** What must hold, and the mistakes that break it most often: printed with a violation, for whoever reads it. */
  readonly rule: string
  readonly plan: <S>(world: World<S>) => Plan
}

/** A plan that checks a property. */
export const property = <S, C>(world: World<S>, property: Property<S, C>): Plan => ({
  check: (check) => check(world, property)
})

/** A plan that says why there is nothing to check. */
export const skip = (reason: string): Plan => ({ skipped: reason })
