// Kills children until it is killed itself.
import { Processes } from "dgents/testing"
import { Effect } from "effect"
import { telling } from "./subjects.ts"

await Effect.runPromise(Processes.killRounds(telling(process.argv[2] ?? ""), { rounds: 100_000 }))
