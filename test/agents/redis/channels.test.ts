import { expect, it } from "@effect/vitest"
import { IoredisDriver } from "dgents/redis"
import { Effect, Queue } from "effect"
import { cutProxy } from "../cutProxy.ts"
import { newName, openDriver, send } from "./driver.ts"
import * as Server from "./server.ts"

/** Listens to a channel until the scope closes: what is told next, `undefined` where some may have been missed. */
const hearing = (driver: IoredisDriver.IoredisDriverService, channel: string) =>
  Effect.gen(function* () {
    const told = yield* Queue.unbounded<string | undefined>()
    yield* driver.server.subscribe(channel, (message) => Queue.offerUnsafe(told, message))
    return Queue.take(told)
  })

const listeners = (channel: string) =>
  Effect.map(send("PUBSUB", "NUMSUB", channel), (reply) => (Array.isArray(reply) ? Number(reply[1]) : -1))

it.live("messages of a channel are told to all who listen, over one subscription that ends with the last of them", () =>
  Effect.gen(function* () {
    const driver = yield* openDriver()
    const [channel, other] = [newName(), newName()]
    yield* Effect.scoped(
      Effect.gen(function* () {
        const first = yield* hearing(driver, channel)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const second = yield* hearing(driver, channel)
            yield* hearing(driver, other)
            expect(yield* listeners(channel)).toBe(1)
            yield* driver.server.command("write", "publish", [channel, "1"])
            expect([yield* first, yield* second]).toEqual(["1", "1"])
          })
        )
        expect(yield* listeners(channel)).toBe(1)
        while ((yield* listeners(other)) > 0) yield* Effect.sleep("5 millis")
        yield* driver.server.command("write", "publish", [channel, "ü"])
        expect(yield* first).toBe("ü")
      })
    )
    while ((yield* listeners(channel)) > 0) yield* Effect.sleep("5 millis")
    const again = yield* hearing(driver, channel)
    yield* driver.server.command("write", "publish", [channel, "2"])
    expect(yield* again).toBe("2")
  })
)

it.live("whoever listens is told when messages may have been missed, once he hears again", () =>
  Effect.gen(function* () {
    const server = yield* Effect.promise(Server.shared)
    const proxy = yield* cutProxy(server.url)
    const driver = yield* IoredisDriver.make({ url: proxy.url })
    const channels = [newName(), newName()]
    const heard = yield* Effect.forEach(channels, (channel) => hearing(driver, channel))
    for (let round = 0; round < 3; round++) {
      proxy.setOpen(false)
      proxy.cut()
      // Nobody hears this.
      yield* send("PUBLISH", channels[0] ?? "", "missed")
      proxy.setOpen(true)
      for (const [i, next] of heard.entries()) {
        expect(yield* next).toBeUndefined()
        yield* send("PUBLISH", channels[i] ?? "", `${round}`)
        expect(yield* next).toBe(`${round}`)
      }
    }
  })
)

it.live("a server that is gone without a word is found out by who listens", () =>
  Effect.gen(function* () {
    const server = yield* Server.start({ persistence: "none" })
    const driver = yield* IoredisDriver.make({ url: server.url, timeout: "200 millis", connectTimeout: "200 millis" })
    const next = yield* hearing(driver, "a")
    yield* server.pause
    expect(yield* Effect.flip(Effect.scoped(hearing(driver, "b")))).toMatchObject({
      _tag: "Unavailable",
      retryable: true
    })
    while ((yield* driver.figures).isReady) yield* Effect.ignore(driver.server.ping)
    yield* Effect.sleep("500 millis")
    yield* server.resume
    expect(yield* next).toBeUndefined()
    yield* driver.server.command("write", "publish", ["a", "1"])
    expect(yield* next).toBe("1")
  })
)

it.live("a user who may not listen is told so", () =>
  Effect.gen(function* () {
    const server = yield* Server.start({ persistence: "none" })
    yield* Effect.promise(() =>
      Server.command(server.url, "ACL", "SETUSER", "deaf", "on", ">deaf", "~*", "resetchannels", "+@all")
    )
    const driver = yield* IoredisDriver.make({ url: server.url, username: "deaf", password: "deaf" })
    expect(yield* Effect.flip(Effect.scoped(hearing(driver, "a")))).toMatchObject({
      _tag: "Unavailable",
      retryable: false,
      reason: expect.stringContaining("NOPERM")
    })
  })
)
