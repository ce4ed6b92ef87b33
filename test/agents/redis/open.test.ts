import { createServer, type Socket } from "node:net"
import { inspect } from "node:util"
import { expect, it } from "@effect/vitest"
import { IoredisDriver } from "dgents/redis"
import { Effect, Logger, Redacted } from "effect"
import { url } from "./driver.ts"
import * as Server from "./server.ts"

const secret = "hunter2-is-not-to-be-seen"

/** All that a person or a log could be shown of a value. */
const shown = (value: unknown): string =>
  [
    inspect(value, { depth: 20, showHidden: true }),
    JSON.stringify(value),
    String(value),
    value instanceof Error ? value.stack : ""
  ].join("\n")

const refusal = (options: IoredisDriver.Options) => Effect.flip(Effect.scoped(IoredisDriver.make(options)))

const admin = (server: Server.Server, name: string, ...args: ReadonlyArray<string | number>) =>
  Effect.promise(() => Server.command(server.url, name, ...args))

it.live("the claims are what the server keeps", () =>
  Effect.gen(function* () {
    const server = yield* Server.start({ persistence: "none" })
    const durability = Effect.scoped(
      Effect.map(IoredisDriver.make({ url: server.url }), (driver) => driver.claims.durability)
    )
    expect(yield* durability).toBe("volatile")
    yield* admin(server, "CONFIG", "SET", "save", "60 1")
    expect(yield* durability).toBe("volatile")
    yield* admin(server, "CONFIG", "SET", "appendonly", "yes")
    yield* admin(server, "CONFIG", "SET", "appendfsync", "everysec")
    expect(yield* durability).toBe("process")
    yield* admin(server, "CONFIG", "SET", "appendfsync", "no")
    expect(yield* durability).toBe("process")
    yield* admin(server, "CONFIG", "SET", "appendfsync", "always")
    expect(yield* durability).toBe("power")
    const driver = yield* IoredisDriver.make({ url: server.url })
    expect(driver.claims).toEqual({ durability: "power", consistency: "linearizable", sharing: "network" })
    expect(driver.warnings).toEqual([])
    expect(driver.server.version.length).toBe(3)
  })
)

it.live("a server that evicts keeps nothing, which is logged", () =>
  Effect.gen(function* () {
    const server = yield* Server.start({ config: { "maxmemory-policy": "allkeys-lru" } })
    const logged: Array<unknown> = []
    const logger = Logger.make<unknown, void>(({ message }) => logged.push(message))
    const open = IoredisDriver.make({ url: server.url }).pipe(Effect.provide(Logger.layer([logger])))
    const driver = yield* open
    expect(driver.claims.durability).toBe("volatile")
    expect(driver.warnings).toEqual([expect.stringMatching(/any state .*allkeys-lru.*noeviction/)])
    expect(logged.flat()).toEqual(driver.warnings)
    yield* admin(server, "CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    const expiring = yield* open
    expect(expiring.claims.durability).toBe("volatile")
    expect(expiring.warnings).toEqual([expect.stringMatching(/states that expire .*volatile-ttl/)])
  })
)

it.live(
  "of a server that does not tell what it keeps, that is to be stated; what it does tell counts if it is less",
  () =>
    Effect.gen(function* () {
      const server = yield* Server.start({ persistence: "always" })
      yield* admin(server, "ACL", "SETUSER", "guest", "on", ">guest", "~*", "&*", "+@all", "-config")
      const guest = { url: server.url, username: "guest", password: "guest" }
      expect(yield* refusal(guest)).toMatchObject({
        _tag: "StorageUnavailable",
        retryable: false,
        reason: expect.stringContaining("persistence:")
      })
      const durability = (options: IoredisDriver.Options) =>
        Effect.scoped(Effect.map(IoredisDriver.make(options), ({ claims }) => claims.durability))
      expect(yield* durability({ ...guest, persistence: "always" })).toBe("power")
      expect(yield* durability({ ...guest, persistence: "everysec" })).toBe("process")
      expect(yield* durability({ ...guest, persistence: "none" })).toBe("volatile")
      expect(yield* durability({ url: server.url, persistence: "everysec" })).toBe("process")
      yield* admin(server, "CONFIG", "SET", "appendfsync", "everysec")
      expect(yield* durability({ url: server.url, persistence: "always" })).toBe("process")
      yield* admin(server, "CONFIG", "SET", "appendonly", "no")
      // That there is no file at all is told to everybody.
      expect(yield* durability({ ...guest, persistence: "always" })).toBe("volatile")
    })
)

it.live("options that are wrong are refused by name, before anything is connected", () =>
  Effect.gen(function* () {
    const wrong: ReadonlyArray<readonly [options: object, says: string]> = [
      [{ url: 7 }, "option url"],
      [{ url: "no url" }, "option url"],
      [{ url: "http://localhost" }, "redis://"],
      [{ url: "redis://localhost/zero" }, "number of the database"],
      [{ url: "redis://localhost?timeout=1" }, "parameter timeout"],
      [{ port: 0 }, "option port"],
      [{ db: -1 }, "option db"],
      [{ tls: "yes" }, "option tls"],
      [{ tls: { authority: "x" } }, "option tls"],
      [{ timeout: 0 }, "option timeout"],
      [{ connectTimeout: "soon" }, "option connectTimeout"],
      [{ queue: 0 }, "option queue"],
      [{ persistence: "yes" }, "option persistence"],
      [{ cluster: [] }, "option cluster"],
      [{ sentinels: [{ host: "a" }] }, "sentinels and name"],
      [{ name: "watched" }, "sentinels and name"],
      [{ host: "a", cluster: [{ host: "b" }] }, "only one of"],
      [{ cluster: [{ host: "b" }], db: 1 }, "databases"],
      [{ waitForReplicas: { count: 0 } }, "option waitForReplicas"],
      [{ waitForAof: { local: 0 } }, "option waitForAof"],
      [{ waitForAof: { local: 1 }, waitForReplicas: { count: 1 } }, "only one of"],
      [{ timeOut: 5 }, "no option timeOut"]
    ]
    for (const [options, says] of wrong) {
      const error = yield* refusal(options)
      expect(error).toMatchObject({
        _tag: "StorageUnavailable",
        agent: "RedisDriver",
        operation: "open",
        retryable: false
      })
      expect(error.reason).toContain(says)
    }
    expect(shown(yield* refusal({ port: -1, password: secret, url: `redis://a:${secret}@b` }))).not.toContain(secret)
  })
)

it.live("a password opens the door, and is shown by no error", () =>
  Effect.gen(function* () {
    const server = yield* Server.start({ persistence: "none", config: { requirepass: secret } })
    const plain = new URL(server.url)
    plain.password = ""
    const driver = yield* IoredisDriver.make({ url: Redacted.make(server.url) })
    yield* IoredisDriver.make({ url: plain.href, password: Redacted.make(secret) })
    yield* IoredisDriver.make({ url: plain.href, username: "default", password: secret })
    expect(shown(driver)).not.toContain(secret)
    const refusals = [
      [yield* refusal({ url: plain.href, password: `${secret}-wrong` }), "WRONGPASS"],
      [yield* refusal({ url: plain.href, username: "nobody", password: secret }), "WRONGPASS"],
      [yield* refusal({ url: plain.href }), "NOAUTH"]
    ] as const
    for (const [error, code] of refusals) {
      expect(error).toMatchObject({ retryable: false, reason: expect.stringContaining(code) })
      expect(error.reason).toContain("password")
      expect(shown(error)).not.toContain(secret)
    }
  })
)

it.live("a server that cannot be used is said to be what it is, within the time", () =>
  Effect.gen(function* () {
    const limits = { timeout: "500 millis", connectTimeout: "200 millis" } as const
    const port = yield* Effect.promise(Server.freePort)
    expect(yield* refusal({ port, ...limits })).toMatchObject({
      retryable: true,
      reason: expect.stringMatching(/nothing listens.*ECONNREFUSED/)
    })
    expect(yield* refusal({ host: "nowhere.invalid", ...limits })).toMatchObject({
      reason: expect.stringMatching(/the name of its host/)
    })
    const silent = yield* answering(() => {})
    expect(yield* refusal({ port: silent, ...limits })).toMatchObject({
      retryable: true,
      reason: expect.stringContaining("ETIMEDOUT")
    })
    const web = yield* answering((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
    expect(yield* refusal({ port: web, ...limits })).toMatchObject({
      retryable: false,
      reason: expect.stringContaining("no Redis")
    })
    const shared = yield* url
    expect(yield* refusal({ url: shared, db: 99, ...limits })).toMatchObject({
      retryable: false,
      reason: expect.stringContaining("option db")
    })
    expect(
      yield* refusal({ cluster: [{ host: "127.0.0.1", port: Number(new URL(shared).port) }], ...limits })
    ).toMatchObject({ retryable: false, reason: expect.stringContaining("no node of a Cluster") })
    expect(yield* refusal({ url: shared, tls: true, ...limits })).toMatchObject({ _tag: "StorageUnavailable" })
    expect(yield* refusal({ url: shared, tls: { ca: "no PEM" }, ...limits })).toMatchObject({
      _tag: "StorageUnavailable"
    })
  })
)

/** A server that is none: its port. */
const answering = (answer: (socket: Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const sockets = new Set<Socket>()
        const server = createServer((socket) => {
          sockets.add(socket)
          socket.on("error", () => {})
          socket.once("data", () => answer(socket))
        })
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        return { server, sockets }
      }),
      ({ server, sockets }) =>
        Effect.promise(() => {
          for (const socket of sockets) socket.destroy()
          return new Promise((resolve) => server.close(resolve))
        })
    ),
    ({ server }) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    }
  )

it.live("waitForAof acknowledges what is on the disks that it names; a server that knows no WAITAOF is refused", () =>
  Effect.gen(function* () {
    const server = yield* Server.start({ persistence: "everysec" })
    const { url } = server
    const open = (waitForAof: IoredisDriver.Options["waitForAof"]) => IoredisDriver.make({ url, waitForAof })
    const driver = yield* IoredisDriver.make({ url })
    const [major = 0, minor = 0] = driver.server.version
    if (major < 7 || (major === 7 && minor < 2)) {
      const refused = yield* Effect.flip(Effect.scoped(open({ local: 1 })))
      expect(refused.reason).toMatch(/7\.2 or later/)
      return
    }
    const synced = yield* open({ local: 1, timeout: "1 minute" })
    expect(synced.claims.durability).toBe("power")
    const calls = Effect.map(admin(server, "INFO", "commandstats"), (stats) =>
      Number(/cmdstat_waitaof:calls=(\d+)/.exec(String(stats))?.[1] ?? 0)
    )
    const save = (key: number) => synced.server.command("write", "set", [`key-${key}`, key])
    yield* Effect.forEach(
      Array.from({ length: 64 }, (_, n) => n),
      save,
      { concurrency: "unbounded" }
    )
    // Many for the price of one.
    expect(yield* calls).toBeGreaterThan(0)
    expect(yield* calls).toBeLessThanOrEqual(8)
    const replicated = yield* open({ local: 1, replicas: 1, timeout: "100 millis" })
    expect(yield* Effect.flip(replicated.server.command("write", "set", ["a", "1"]))).toMatchObject({
      _tag: "Indeterminate",
      reason: expect.stringContaining("0 of 1 replicas")
    })
    yield* admin(server, "CONFIG", "SET", "appendonly", "no")
    expect(yield* Effect.flip(save(64))).toMatchObject({ _tag: "Indeterminate" })
  })
)

it.live("a database of its own number is apart from the others", () =>
  Effect.gen(function* () {
    const server = yield* Server.start({ persistence: "none" })
    const [zero, one] = [
      yield* IoredisDriver.make({ url: server.url }),
      yield* IoredisDriver.make({ url: `${server.url}/1` })
    ]
    yield* one.server.command("write", "set", ["a", "1"])
    expect(yield* zero.server.command("read", "get", ["a"])).toBeNull()
    // And again over a connection that is new.
    yield* server.kill
    yield* server.restart
    yield* one.server.command("write", "set", ["a", "2"])
    expect(yield* zero.server.command("read", "dbsize", [])).toBe(0)
    // And never when it cannot be chosen any more.
    yield* admin(server, "ACL", "SETUSER", "guest", "on", ">guest", "~*", "&*", "+@all")
    const guest = yield* IoredisDriver.make({
      url: `${server.url}/1`,
      username: "guest",
      password: "guest",
      timeout: "300 millis"
    })
    yield* admin(server, "ACL", "SETUSER", "guest", "-select")
    yield* admin(server, "CLIENT", "KILL", "TYPE", "normal")
    while ((yield* guest.figures).isReady) yield* Effect.sleep("1 millis")
    for (let round = 0; round < 3; round++)
      expect(yield* Effect.flip(guest.server.command("write", "set", ["a", "3"]))).toMatchObject({
        _tag: "Unavailable",
        retryable: false,
        reason: expect.stringContaining("NOPERM")
      })
    expect(yield* zero.server.command("read", "dbsize", [])).toBe(0)
  })
)
