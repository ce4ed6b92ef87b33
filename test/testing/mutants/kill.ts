/** Mistakes that only show when processes die or share, and the law that must catch each of them. */
import type { Subject } from "dgents/testing"
import { type Fault, type State, subject } from "./killFile.ts"

export interface KillMutant {
  readonly law: string
  readonly subject: Subject<State>
  readonly patience: number
}

const kill = "a killed process loses nothing acknowledged"
const history = "several processes keep one history"
const counter = "increments of several processes are all counted"

const mutant = (law: string, fault: Fault, patience = 20_000): KillMutant => ({
  law,
  subject: subject(fault),
  patience
})

export const killMutants: ReadonlyArray<KillMutant> = [
  mutant(kill, "acknowledged before it is stored"),
  // The patience is that with a whole case; a process that says nothing for half of it hangs.
  mutant(kill, "a lock file that nobody frees when its holder is killed", 6_000),
  mutant(kill, "temp files that nobody removes"),
  mutant(history, "read-modify-write without a lock"),
  mutant(counter, "read-modify-write without a lock"),
  mutant(history, "a fixed temp name")
]
