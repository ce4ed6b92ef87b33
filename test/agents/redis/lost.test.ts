import { expect, it } from "@effect/vitest"
import { IoredisDriver } from "dgents/redis"
import { Effect, Exit, Fiber } from "effect"
import { cutProxy } from "../cutProxy.ts"
import { newName } from "./driver.ts"
import * as Server from "./server.ts"

const admin = (server: Server.Server, name: string, ...args: ReadonlyArray<string | number>) =>
  Effect.promise(() => Server.command(server.url, name, ...args))

const append = { name: "append", lua: "return redis.call('RPUSH', KEYS[1], ARGV[1])" }

/** A way to append to a list on a server, by a script, and to read it. */
const listOn = (driver: IoredisDriver.IoredisDriverService, list = newName()) => ({
  append: (n: number) => driver.server.script("write", append, [list], [n]),
  read: Effect.map(driver.server.command("read", "lrange", [list, 0, -1]), (reply) =>
    Array.isArray(reply) ? reply.map(Number) : []
  )
})

it.live("a write is done once or not at all, and what became of it is told, however often its server is killed", () =>
  Effect.gen(function* () {
    const server = yield* Server.start()
    const driver = yield* IoredisDriver.make({ url: server.url, timeout: "2 seconds" })
    const list = listOn(driver)
    const told = new Map<number, string>()
    let n = 0
    let isStopped = false
    const worker = Effect.gen(function* () {
      while (!isStopped) {
        const mine = n++
        const exit = yield* Effect.exit(list.append(mine))
        if (Exit.isSuccess(exit)) told.set(mine, "Done")
        else {
          const [reason] = exit.cause.reasons
          const failure = reason?._tag === "Fail" ? reason.error : undefined
          expect(failure?._tag === "Indeterminate" || (failure?._tag === "Unavailable" && failure.retryable)).toBe(true)
          told.set(mine, failure?._tag ?? "")
        }
      }
    })
    const working = yield* Effect.forkScoped(
      Effect.all(
        Array.from({ length: 16 }, () => worker),
        { concurrency: 16 }
      )
    )
    for (let round = 0; round < 4; round++) {
      yield* Effect.sleep("100 millis")
      yield* server.kill
      yield* Effect.sleep("50 millis")
      yield* server.restart
    }
    yield* Effect.sleep("100 millis")
    isStopped = true
    expect(Exit.isSuccess(yield* Fiber.await(working))).toBe(true)
    const found = yield* list.read
    const done = new Set(found)
    expect(found.length).toBe(done.size)
    const of = (outcome: string) => [...told].filter(([, each]) => each === outcome).map(([mine]) => mine)
    expect(of("Done").filter((mine) => !done.has(mine))).toEqual([])
    expect(of("Unavailable").filter((mine) => done.has(mine))).toEqual([])
    expect(of("Done").length).toBeGreaterThan(0)
    expect(of("Indeterminate").length).toBeGreaterThan(0)
    const { inFlight, isReady, reconnects, waiting } = yield* driver.figures
    expect({ inFlight, isReady, waiting }).toEqual({ inFlight: 0, isReady: true, waiting: 0 })
    expect(reconnects).toBeGreaterThan(0)
  })
)

const proxied = (options: IoredisDriver.Options = {}) =>
  Effect.gen(function* () {
    const server = yield* Effect.promise(Server.shared)
    const proxy = yield* cutProxy(server.url)
    const driver = yield* IoredisDriver.make({ url: proxy.url, ...options })
    const name = newName()
    const direct = listOn(yield* IoredisDriver.make({ url: server.url }), name)
    return { direct, driver, list: listOn(driver, name), proxy }
  })

it.live("a write whose answer is lost is indeterminate and was done once; one that never arrived was not done", () =>
  Effect.gen(function* () {
    const { direct, driver, list, proxy } = yield* proxied()
    yield* list.append(0)
    proxy.cutNext("answer")
    expect(yield* Effect.flip(list.append(1))).toMatchObject({
      _tag: "Indeterminate",
      reason: expect.stringContaining("before it answered")
    })
    yield* driver.server.ping
    expect(yield* direct.read).toEqual([0, 1])
    proxy.cutNext("request")
    expect(yield* Effect.flip(list.append(2))).toMatchObject({ _tag: "Indeterminate" })
    yield* driver.server.ping
    expect(yield* direct.read).toEqual([0, 1])
    yield* list.append(3)
    expect(yield* direct.read).toEqual([0, 1, 3])
  })
)

it.live("of many writes at once whose answers are lost each was done once", () =>
  Effect.gen(function* () {
    const { direct, driver, list, proxy } = yield* proxied()
    yield* list.append(0)
    proxy.cutNext("answer")
    const exits = yield* Effect.forEach(
      Array.from({ length: 64 }, (_, i) => i + 1),
      (n) => Effect.exit(list.append(n)),
      { concurrency: "unbounded" }
    )
    expect(exits.every(Exit.isFailure)).toBe(true)
    yield* driver.server.ping
    expect(proxy.cuts()).toBe(1)
    expect(yield* direct.read).toEqual(Array.from({ length: 65 }, (_, i) => i))
  })
)

it.live("a read whose connection breaks is done again on another one", () =>
  Effect.gen(function* () {
    const { list, proxy } = yield* proxied()
    yield* list.append(0)
    for (const what of ["request", "answer"] as const) {
      proxy.cutNext(what)
      expect(yield* list.read).toEqual([0])
    }
    expect(proxy.cuts()).toBe(2)
  })
)

it.live("commands wait for a server that is away; who waited too long is told, and his write is never done", () =>
  Effect.gen(function* () {
    const name = newName()
    const { proxy } = yield* proxied()
    const [driver, hasty] = [
      yield* IoredisDriver.make({ url: proxy.url, timeout: "30 seconds" }),
      yield* IoredisDriver.make({ url: proxy.url, timeout: "200 millis" })
    ]
    const list = listOn(driver, name)
    yield* list.append(0)
    const isReady = Effect.map(Effect.all([driver.figures, hasty.figures]), (all) => all.some((each) => each.isReady))
    const lose = Effect.gen(function* () {
      proxy.setOpen(false)
      proxy.cut()
      while (yield* isReady) yield* Effect.sleep("1 millis")
    })
    yield* lose
    const patient = yield* Effect.forkScoped(list.append(1))
    yield* Effect.sleep("100 millis")
    expect(yield* driver.figures).toMatchObject({ waiting: 1, inFlight: 0, isReady: false })
    proxy.setOpen(true)
    yield* Fiber.join(patient)
    yield* lose
    expect(yield* Effect.flip(listOn(hasty, name).append(2))).toMatchObject({ _tag: "Unavailable", retryable: true })
    const given = yield* Effect.forkScoped(list.append(3))
    yield* Effect.sleep("50 millis")
    yield* Fiber.interrupt(given)
    proxy.setOpen(true)
    yield* list.append(4)
    while (!(yield* hasty.figures).isReady) yield* Effect.sleep("1 millis")
    yield* Effect.ignore(hasty.server.ping)
    expect(yield* list.read).toEqual([0, 1, 4])
    expect(yield* driver.figures).toMatchObject({ waiting: 0, inFlight: 0, isReady: true })
  })
)

it.live("a server that says nothing is given up after the time, and its answer to come is nobody else's", () =>
  Effect.gen(function* () {
    const server = yield* Server.start({ persistence: "none" })
    const driver = yield* IoredisDriver.make({ url: server.url, timeout: "400 millis", connectTimeout: "200 millis" })
    const list = listOn(driver)
    yield* list.append(0)
    yield* server.pause
    const [write, read] = yield* Effect.all([Effect.flip(list.append(1)), Effect.flip(list.read)], { concurrency: 2 })
    expect(write).toMatchObject({ _tag: "Indeterminate", reason: expect.stringContaining("option timeout") })
    expect(read).toMatchObject({ _tag: "Unavailable", retryable: true })
    expect(yield* Effect.flip(list.append(2))).toMatchObject({ _tag: "Unavailable", retryable: true })
    yield* server.resume
    yield* list.append(3)
    // What was sent before the pause was done after it, as was said; what was not sent was not.
    expect(yield* list.read).toEqual([0, 1, 3])
  })
)

it.live("past the option queue commands are refused, and all goes on when there is room", () =>
  Effect.gen(function* () {
    const { driver } = yield* proxied({ queue: 10 })
    const exits = yield* Effect.forEach(Array.from({ length: 15 }), () => Effect.exit(driver.server.ping), {
      concurrency: "unbounded"
    })
    expect(exits.filter(Exit.isSuccess).length).toBe(10)
    const refusal = yield* Effect.flip(
      Effect.all(
        Array.from({ length: 11 }, () => driver.server.ping),
        { concurrency: "unbounded" }
      )
    )
    expect(refusal).toMatchObject({
      _tag: "Unavailable",
      retryable: true,
      reason: expect.stringContaining("option queue")
    })
    yield* driver.server.ping
  })
)

it.live("a master that became a replica is left, and asked again until it takes writes", () =>
  Effect.gen(function* () {
    const server = yield* Server.start({ persistence: "none" })
    const driver = yield* IoredisDriver.make({ url: server.url, timeout: "1 second" })
    const list = listOn(driver)
    yield* list.append(0)
    // A replica that has lost its master, and keeps what it has.
    yield* admin(server, "REPLICAOF", "127.0.0.1", yield* Effect.promise(Server.freePort))
    expect(yield* Effect.flip(list.append(1))).toMatchObject({
      _tag: "Unavailable",
      retryable: true,
      reason: expect.stringMatching(/is a replica.*READONLY/)
    })
    expect((yield* driver.figures).reconnects).toBeGreaterThan(0)
    const waiting = yield* Effect.forkScoped(list.append(2))
    yield* Effect.sleep("100 millis")
    yield* admin(server, "REPLICAOF", "NO", "ONE")
    yield* Fiber.join(waiting)
    expect(yield* list.read).toEqual([0, 2])
  })
)

it.live("what a server refuses is told in words that say what to do, and was not done", () =>
  Effect.gen(function* () {
    const server = yield* Server.start({ persistence: "none" })
    const driver = yield* IoredisDriver.make({ url: server.url, timeout: "400 millis" })
    const list = listOn(driver)
    yield* list.append(0)
    const refusal = Effect.flip(list.append(1))
    yield* admin(server, "CONFIG", "SET", "maxmemory", "1")
    expect(yield* refusal).toMatchObject({
      _tag: "Unavailable",
      retryable: false,
      reason: expect.stringMatching(/maxmemory/)
    })
    yield* admin(server, "CONFIG", "SET", "maxmemory", "0")
    yield* admin(server, "CONFIG", "SET", "min-replicas-to-write", "1")
    expect(yield* refusal).toMatchObject({
      _tag: "Unavailable",
      retryable: true,
      reason: expect.stringMatching(/replicas/)
    })
    yield* admin(server, "CONFIG", "SET", "min-replicas-to-write", "0")
    yield* admin(server, "ACL", "SETUSER", "default", "-evalsha")
    expect(yield* refusal).toMatchObject({
      _tag: "Unavailable",
      retryable: false,
      reason: expect.stringMatching(/NOPERM/)
    })
    yield* admin(server, "ACL", "SETUSER", "default", "+@all")
    expect(yield* list.read).toEqual([0])
  })
)

it.live("a script that fails after its first write is indeterminate, and what it says is not shown", () =>
  Effect.gen(function* () {
    const { driver } = yield* proxied()
    const lua = "redis.call('SET', KEYS[1], ARGV[1]) return redis.error_reply('ERR ' .. ARGV[1])"
    const error = yield* Effect.flip(driver.server.script("write", { name: "fail", lua }, [newName()], ["secret"]))
    expect(error._tag).toBe("Indeterminate")
    expect(JSON.stringify(error) + String("cause" in error ? error.cause : "")).not.toContain("secret")
    expect(yield* Effect.flip(driver.server.command("write", "hset", [newName(), "secret"]))).toMatchObject({
      _tag: "Unavailable",
      retryable: false
    })
  })
)

it.live("scripts are known again by a server that has forgotten them", () =>
  Effect.gen(function* () {
    const { driver, list } = yield* proxied()
    for (let n = 0; n < 3; n++) {
      yield* list.append(n)
      yield* driver.server.command("write", "script", ["flush"])
    }
    expect(yield* list.read).toEqual([0, 1, 2])
  })
)

it.live("a scope that closes waits for the answers to what was sent, and refuses the rest", () =>
  Effect.gen(function* () {
    const { proxy } = yield* proxied()
    const { driver, fiber } = yield* Effect.scoped(
      Effect.gen(function* () {
        const driver = yield* IoredisDriver.make({ url: proxy.url })
        const list = listOn(driver)
        yield* list.append(0)
        proxy.cutNext("delay")
        const fiber = yield* Effect.forkDetach(list.append(1))
        while ((yield* driver.figures).inFlight === 0) yield* Effect.yieldNow
        return { driver, fiber }
      })
    )
    expect(yield* Fiber.join(fiber)).toBe(2)
    expect(yield* Effect.flip(driver.server.ping)).toEqual({ _tag: "Closed" })
    expect(yield* Effect.flip(Effect.scoped(driver.server.subscribe("a", () => {})))).toEqual({ _tag: "Closed" })
  })
)
