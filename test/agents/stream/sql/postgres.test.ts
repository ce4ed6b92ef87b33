import { Effect } from "effect"
import { newDatabase, openDriver } from "../../sql/postgres/driver.ts"
import { conformance } from "../conformance.ts"
import { on } from "./logs.ts"

const url = Effect.runSync(Effect.cached(newDatabase))

conformance(
  "PostgreSQL",
  Effect.flatMap(
    Effect.flatMap(url, (url) => openDriver({ url })),
    on
  )
)
