/** Which mutant of ours makes the same mistake as which mutant of LangGraph's checkpointer and of Keyv's adapter. */

/** The name of a mutant, or why the mistake cannot be made there. */
export type Counterpart = string | { readonly no: string }

export interface Row {
  /** The subject's name in `test/testing/mutants`. */
  readonly ours: string
  readonly langgraph: Counterpart
  readonly keyv: Counterpart
}

const no = (reason: string): Counterpart => ({ no: reason })
const both = (name: string) => ({ langgraph: name, keyv: name })
const noHistory = no("no history")

/** Mutants of ours that have no row break what neither product has or promises; docs/suites.md says which. */
export const rows: ReadonlyArray<Row> = [
  { ours: "read-modify-write without a lock", ...both("lost update") },
  { ours: "a lock that is leaked by an interrupt", ...both("leaked lock") },
  {
    ours: "modify leaves a mark before its function has finished",
    langgraph: "half a write",
    keyv: no("writes one value at a time")
  },
  { ours: "acknowledged before it is stored", ...both("acknowledged early") },
  { ours: "a string is cut at 64 KiB", ...both("cut at 64 KiB") },
  { ours: "plain JSON", ...both("plain JSON") },
  { ours: "delete leaves the history", langgraph: "delete leaves history", keyv: noHistory },
  { ours: "history oldest first", langgraph: "oldest first", keyv: noHistory },
  { ours: "a cache that compareAndSave does not invalidate", ...both("stale cache") },
  { ours: "a cache that is written before the backend", ...both("cache before store") },
  { ours: "a write that failed is said to have succeeded", ...both("silent failure") },
  {
    ours: "a read that fails is taken for no state",
    langgraph: "failed read is none",
    keyv: no("Keyv itself does, by default")
  },
  { ours: "the stored object is handed out", langgraph: "aliasing", keyv: no("stores get text") },
  { ours: "an unescaped LIKE prefix", ...both("unescaped LIKE") },
  { ours: "keys made safe for file names by replacing characters", ...both("safe names") },
  { ours: "keys that the back end compares without case", ...both("case folded") },
  {
    ours: "a batch delete that stops at the first missing key",
    langgraph: no("no batch delete"),
    keyv: "batch stops early"
  },
  { ours: "a damaged file is taken for a new one", ...both("damaged is new") }
]
