import { expect, it } from "@effect/vitest"
import { IoredisDriver } from "dgents/redis"
import { Effect, Exit, Fiber, Queue } from "effect"
import * as Server from "./server.ts"
import { type Watched, watched } from "./topologies.ts"

const append = { name: "append", lua: "return redis.call('RPUSH', KEYS[1], ARGV[1])" }

const numbers = (n: number) => Array.from({ length: n }, (_, i) => i)

const openOn = ({ name, sentinels }: Watched, options: IoredisDriver.Options = {}) =>
  IoredisDriver.make({ sentinels: sentinels.map(({ port }) => ({ host: "127.0.0.1", port })), name, ...options })

it.live("a failover is followed, and nothing is done twice", () =>
  Effect.gen(function* () {
    const servers = yield* watched
    const driver = yield* openOn(servers, { timeout: "700 millis", connectTimeout: "300 millis" })
    expect(driver.claims).toEqual({ durability: "power", consistency: "lastWriteWins", sharing: "network" })
    const told = yield* Queue.unbounded<string | undefined>()
    yield* driver.server.subscribe("channel", (message) => Queue.offerUnsafe(told, message))
    yield* driver.server.script("write", append, ["list"], [0])
    // Its connections stay, and say nothing.
    yield* servers.master.pause
    const exits = yield* Effect.forEach(
      numbers(8),
      (i) => Effect.exit(driver.server.script("write", append, ["list"], [i + 1])),
      { concurrency: "unbounded" }
    )
    expect(exits.every(Exit.isFailure)).toBe(true)
    yield* servers.isMaster(servers.replica)
    // It may have been tried to connect to the old one once more.
    yield* Effect.retry(driver.server.script("write", append, ["list"], ["last"]), {
      while: (failure) => failure._tag === "Unavailable" && failure.retryable
    })
    // All that had gone to the old master is lost with it, and was sent to nobody else.
    expect(yield* Effect.map(driver.server.command("read", "lrange", ["list", 0, -1]), String)).toBe("0,last")
    expect(yield* Queue.take(told)).toBeUndefined()
    yield* driver.server.command("write", "publish", ["channel", "1"])
    expect(yield* Queue.take(told)).toBe("1")
    yield* servers.master.resume
  })
)

it.live("a write that waits for replicas is acknowledged once they have it, many for the price of one", () =>
  Effect.gen(function* () {
    const servers = yield* watched
    const driver = yield* openOn(servers, { waitForReplicas: { count: 1, timeout: "2 seconds" } })
    expect(driver.claims.durability).toBe("replicated")
    const calls = Effect.promise(async () => {
      const stats = String(await Server.command(servers.master.url, "INFO", "commandstats"))
      return Number(/cmdstat_wait:calls=(\d+)/.exec(stats)?.[1] ?? 0)
    })
    const before = yield* calls
    yield* Effect.forEach(numbers(64), (n) => driver.server.script("write", append, ["list"], [n]), {
      concurrency: "unbounded"
    })
    expect((yield* calls) - before).toBeLessThanOrEqual(8)
    expect(yield* Effect.promise(() => Server.command(servers.replica.url, "LLEN", "list"))).toBe(64)
    yield* servers.replica.pause
    const writing = yield* Effect.forkScoped(Effect.flip(driver.server.script("write", append, ["list"], [64])))
    // Who reads need not wait for them.
    while (Number(yield* driver.server.command("read", "llen", ["list"])) < 65) yield* Effect.yieldNow
    yield* Effect.sleep("50 millis")
    yield* driver.server.ping
    expect(writing.pollUnsafe()).toBeUndefined()
    expect(yield* Fiber.join(writing)).toMatchObject({
      _tag: "Indeterminate",
      reason: expect.stringContaining("0 of 1 replicas")
    })
    yield* servers.replica.resume
    yield* driver.server.script("write", append, ["list"], [65])
    yield* driver.server.command("read", "get", ["nothing"])
    expect((yield* driver.figures).inFlight).toBe(0)
    // A master that forgets its last second and is back at once makes its replicas forget it too.
    yield* Effect.promise(() => Server.command(servers.master.url, "CONFIG", "SET", "appendfsync", "everysec"))
    expect((yield* openOn(servers, { waitForReplicas: { count: 1 } })).claims.durability).toBe("process")
  })
)

it.live("Sentinels that know no such master, or are not there, are said to be so", () =>
  Effect.gen(function* () {
    const servers = yield* watched
    const limits = { timeout: "500 millis", connectTimeout: "200 millis" } as const
    const unknown = yield* Effect.flip(Effect.scoped(openOn({ ...servers, name: "nobody" }, limits)))
    expect(unknown).toMatchObject({
      _tag: "StorageUnavailable",
      reason: expect.stringContaining("no master of that name")
    })
    const port = yield* Effect.promise(Server.freePort)
    const absent = IoredisDriver.make({ sentinels: [{ host: "127.0.0.1", port }], name: "watched", ...limits })
    expect(yield* Effect.flip(Effect.scoped(absent))).toMatchObject({
      _tag: "StorageUnavailable",
      retryable: true,
      reason: expect.stringContaining("no Sentinel can be reached")
    })
    const [sentinel] = servers.sentinels
    const asServer = Effect.scoped(IoredisDriver.make({ url: sentinel?.url ?? "" }))
    expect((yield* Effect.flip(asServer)).reason).toContain("option sentinels")
    // One of several is enough.
    yield* IoredisDriver.make({
      sentinels: [port, ...servers.sentinels.map((sentinel) => sentinel.port)].map((port) => ({
        host: "127.0.0.1",
        port
      })),
      name: servers.name
    })
  })
)
