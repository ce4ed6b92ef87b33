import { RedisDriver } from "dgents"
import { Effect } from "effect"
import { fromServer } from "../../../../src/agents/redis/RedisDriver.ts"
import * as RedisLog from "../../../../src/agents/stream/redis/log.ts"
import { newName, openDriver } from "../../redis/driver.ts"
import { conformance } from "../conformance.ts"

/** A log of its own on the server: a prefix that nobody else uses. */
const open = Effect.flatMap(openDriver(), ({ server }) =>
  Effect.provideService(RedisLog.make, RedisDriver, fromServer(server, newName()))
)

conformance("Redis", open, { runs: 60 })
