import { expect, it } from "@effect/vitest"
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

it.live("a stream whose events were deleted by others is corrupt, and not empty", () =>
  Effect.gen(function* () {
    const { server } = yield* openDriver()
    const prefix = newName()
    const log = yield* Effect.provideService(RedisLog.make, RedisDriver, fromServer(server, prefix))
    const id = { collection: "c", key: "k" }
    const events = [{ type: "T", data: "1" }]
    yield* log.append({ ...id, events, expected: "any", at: 1, id: undefined })
    expect(yield* log.read(id, { after: 0, limit: 10 })).toHaveLength(1)
    expect(yield* server.command("write", "del", [`${prefix}:{log:c/k}:events`])).toBe(1)
    expect(yield* Effect.flip(log.read(id, { after: 0, limit: 10 }))).toMatchObject({ _tag: "Corrupt" })
    expect(yield* log.read(id, { after: 1, limit: 10 })).toEqual([])
  })
)
