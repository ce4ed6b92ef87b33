import { afterAll } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import { PgliteDriver } from "dgents/postgres"
import { Effect } from "effect"
import { conformance } from "../conformance.ts"
import { on } from "./logs.ts"

// It takes seconds and most of a gigabyte to start: one for all.
const instance = Effect.runSync(Effect.cached(Effect.promise(() => PGlite.create())))
afterAll(() => Effect.runPromise(Effect.flatMap(instance, (db) => Effect.promise(() => db.close()))))

conformance(
  "PGlite",
  Effect.flatMap(
    Effect.flatMap(instance, (instance) => PgliteDriver.make({ instance })),
    on
  ),
  {
    runs: 10
  }
)
