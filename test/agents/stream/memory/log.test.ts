import * as MemoryLog from "../../../../src/agents/stream/memory/log.ts"
import { conformance } from "../conformance.ts"

conformance("memory", MemoryLog.make, { runs: 400 })
