import { Effect } from "effect"
import { tempFile } from "../../sql/temp.ts"
import { conformance } from "../conformance.ts"
import { openFile } from "./logs.ts"

conformance("SQLite", Effect.flatMap(tempFile, openFile), { runs: 100 })
conformance("SQLite in memory", openFile(":memory:"), { runs: 200 })
