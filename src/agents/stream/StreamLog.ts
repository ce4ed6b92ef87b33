import { Context } from "effect"
import type { Log } from "./Log.ts"

/** The storage of events that `StreamAgent` runs on. Its layers come from the logs: `MemoryLog.layer` and the like. */
export class StreamLog extends Context.Service<StreamLog, Log>()("dgents/StreamLog") {}
