import type { Subject } from "dgents/testing"
import type { State } from "./memory.ts"

/** An agent broken on purpose, by a mistake that people really make, and the law that must catch it. */
export interface Mutant {
  readonly subject: Subject<State>
  readonly law: string
  /** Mutants that hang are given up soon; the others are never waited for. */
  readonly patience: number
}

export const mutant = (law: string, subject: Subject<State>, patience = 5_000): Mutant => ({ law, subject, patience })
