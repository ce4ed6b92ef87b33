import { expect, it } from "@effect/vitest"
import { IoredisDriver } from "dgents/redis"
import { Effect, Exit, Fiber, Queue } from "effect"
import { command, type Server } from "./server.ts"
import { type Cluster, cluster } from "./topologies.ts"

const append = { name: "append", lua: "return redis.call('RPUSH', KEYS[1], ARGV[1])" }

const openOn = ({ masters }: Cluster, options: IoredisDriver.Options = {}) =>
  IoredisDriver.make({ cluster: masters.map(({ port }) => ({ host: "127.0.0.1", port })), ...options })

const admin = (server: Server | undefined, name: string, ...args: ReadonlyArray<string | number>) =>
  Effect.promise(() => command(server?.url ?? "", name, ...args))

const many = { concurrency: "unbounded" } as const

const numbers = (n: number) => Array.from({ length: n }, (_, i) => i)

it.live("a Cluster takes every key, tells of all of them, and carries messages from any node to any other", () =>
  Effect.gen(function* () {
    const servers = yield* cluster()
    const driver = yield* openOn(servers)
    expect(driver.claims).toEqual({ durability: "power", consistency: "lastWriteWins", sharing: "network" })
    const { server } = driver
    yield* Effect.forEach(numbers(3_000), (i) => server.command("write", "set", [`key ${i}`, i]), many)
    yield* Effect.forEach(numbers(10), (i) => server.script("write", append, [`list ${i}`], [i]), many)
    expect(
      (yield* Effect.forEach(numbers(3_000), (i) => server.command("read", "get", [`key ${i}`]), many)).map(Number)
    ).toEqual(numbers(3_000))
    const found = new Set<string>()
    let pages = 0
    for (let page = yield* server.scan("key *", undefined); ; page = yield* server.scan("key *", page.next)) {
      pages++
      for (const key of page.keys) found.add(key)
      if (page.next === undefined) break
    }
    expect(found.size).toBe(3_000)
    expect(pages).toBeGreaterThanOrEqual(3)

    const told = yield* Queue.unbounded<string | undefined>()
    yield* server.subscribe("channel", (message) => Queue.offerUnsafe(told, message))
    for (const [i, master] of servers.masters.entries()) {
      yield* admin(master, "PUBLISH", "channel", i)
      expect(yield* Queue.take(told)).toBe(`${i}`)
    }

    const [master] = servers.masters
    const asServer = Effect.scoped(IoredisDriver.make({ url: master?.url ?? "" }))
    expect((yield* Effect.flip(asServer)).reason).toContain("option cluster")
    // The weakest of its masters counts.
    for (const master of servers.masters) {
      yield* admin(master, "CONFIG", "SET", "appendfsync", "everysec")
      expect((yield* openOn(servers)).claims.durability).toBe("process")
      yield* admin(master, "CONFIG", "SET", "appendfsync", "always")
    }
    // A node that breaks the connection instead of answering has done it, and is not asked again.
    for (const master of servers.masters)
      yield* admin(master, "CONFIG", "SET", "client-output-buffer-limit", "normal 64kb 0 0")
    const lua = "redis.call('RPUSH', KEYS[1], 1) return string.rep('x', 1000000)"
    expect(yield* Effect.flip(server.script("write", { name: "large", lua }, ["large"], []))).toMatchObject({
      _tag: "Indeterminate"
    })
    yield* Effect.sleep("300 millis")
    expect(yield* server.command("read", "llen", ["large"])).toBe(1)
    // Three commands that are no whole group within one node.
    expect(yield* Effect.flip(server.script("write", append, ["a", "b"], [1]))).toMatchObject({
      _tag: "Unavailable",
      retryable: false
    })
  })
)

it.live("keys that are moved to another node while they are used are followed, and nothing is done twice", () =>
  Effect.gen(function* () {
    const servers = yield* cluster()
    const driver = yield* openOn(servers)
    const key = "{moved}"
    const slot = Number(yield* admin(servers.masters[0], "CLUSTER", "KEYSLOT", key))
    const at = slot <= 5460 ? 0 : slot <= 10922 ? 1 : 2
    const [from, to] = [servers.masters[at], servers.masters[(at + 1) % 3]]
    let isStopped = false
    const writing = yield* Effect.forkScoped(
      Effect.gen(function* () {
        let n = 0
        for (; !isStopped; n++) yield* driver.server.script("write", append, [key], [n])
        return n
      })
    )
    yield* Effect.sleep("100 millis")
    const ids = { from: String(yield* admin(from, "CLUSTER", "MYID")), to: String(yield* admin(to, "CLUSTER", "MYID")) }
    yield* admin(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids.from)
    yield* admin(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids.to)
    yield* Effect.sleep("50 millis")
    yield* admin(from, "MIGRATE", "127.0.0.1", to?.port ?? 0, "", 0, 5_000, "KEYS", key)
    yield* Effect.sleep("50 millis")
    for (const server of servers.masters) yield* admin(server, "CLUSTER", "SETSLOT", slot, "NODE", ids.to)
    yield* Effect.sleep("100 millis")
    isStopped = true
    const written = yield* Fiber.join(writing)
    const list = yield* driver.server.command("read", "lrange", [key, 0, -1])
    expect(Array.isArray(list) ? list.map(Number) : list).toEqual(numbers(written))
    expect(yield* admin(to, "EXISTS", key)).toBe(1)
  })
)

it.live("a write that waited for a node that says nothing is not done after its time", () =>
  Effect.gen(function* () {
    const servers = yield* cluster()
    const driver = yield* openOn(servers, { timeout: "400 millis", connectTimeout: "10 seconds" })
    const { server } = driver
    const keys = numbers(30).map((i) => `list ${i}`)
    yield* Effect.forEach(keys, (key) => server.script("write", append, [key], [0]), many)
    const paused = servers.masters[0]
    if (paused === undefined) return
    yield* paused.pause
    const round = (n: number) =>
      Effect.forEach(keys, (key) => Effect.result(server.script("write", append, [key], [n])), many)
    // Those that were sent are given up with their connection; those after them wait for the next one.
    const sent = yield* round(1)
    yield* Effect.sleep("100 millis")
    const unsent = yield* round(2)
    expect(sent.some((each) => each._tag === "Failure" && each.failure._tag === "Indeterminate")).toBe(true)
    yield* paused.resume
    for (const server of servers.masters)
      while (!String(yield* admin(server, "CLUSTER", "INFO")).includes("cluster_state:ok"))
        yield* Effect.sleep("20 millis")
    yield* Effect.sleep("500 millis")
    const lists = yield* Effect.forEach(keys, (key) => server.command("read", "lrange", [key, 0, -1]), many)
    for (const [i, list] of lists.entries()) {
      const result = unsent[i]
      const isDone = Array.isArray(list) && list.map(Number).includes(2)
      if (result?._tag === "Success") expect(isDone).toBe(true)
      else if (result?.failure._tag === "Unavailable") expect(isDone).toBe(false)
    }
    expect(unsent.some((each) => each._tag === "Failure" && each.failure._tag === "Unavailable")).toBe(true)
  })
)

it.live("a master that is killed loses nobody's write twice over, and its replica takes its place by itself", () =>
  Effect.gen(function* () {
    const servers = yield* cluster({ replicas: true })
    const driver = yield* openOn(servers, { timeout: "4 seconds" })
    const told = new Map<string, string>()
    let n = 0
    let isStopped = false
    const worker = (i: number) =>
      Effect.gen(function* () {
        while (!isStopped) {
          const mine = n++
          const exit = yield* Effect.exit(driver.server.script("write", append, [`list ${i}`], [mine]))
          const [reason] = Exit.isFailure(exit) ? exit.cause.reasons : []
          const failure = reason?._tag === "Fail" ? reason.error : undefined
          if (failure?._tag === "Unavailable") expect(failure.retryable).toBe(true)
          told.set(`${i} ${mine}`, failure?._tag ?? (Exit.isSuccess(exit) ? "Done" : "Broken"))
        }
      })
    const working = yield* Effect.forkScoped(Effect.forEach(numbers(32), worker, many))
    yield* Effect.sleep("200 millis")
    const killed = servers.masters[0]
    if (killed !== undefined) yield* killed.kill
    const heir = servers.replicas[0]
    while (!String(yield* admin(heir, "ROLE")).startsWith("master")) yield* Effect.sleep("20 millis")
    yield* Effect.sleep("1 second")
    isStopped = true
    expect(Exit.isSuccess(yield* Fiber.await(working))).toBe(true)
    expect(new Set(told.values())).not.toContain("Broken")
    const found: Array<string> = []
    for (const i of numbers(32)) {
      const list = yield* driver.server.command("read", "lrange", [`list ${i}`, 0, -1])
      if (Array.isArray(list)) for (const item of list) found.push(`${i} ${String(item)}`)
    }
    expect(new Set(found).size).toBe(found.length)
    const done = new Set(found)
    expect([...told].filter(([mine, outcome]) => outcome === "Unavailable" && done.has(mine))).toEqual([])
    // Each of those whose slots it had goes on.
    for (const i of numbers(32)) yield* driver.server.script("write", append, [`list ${i}`], ["last"])
    expect((yield* driver.figures).waiting).toBe(0)
    // A scan that began before goes on as well.
    let page = yield* driver.server.scan("list *", undefined)
    const keys = new Set(page.keys)
    while (page.next !== undefined) {
      page = yield* driver.server.scan("list *", page.next)
      for (const key of page.keys) keys.add(key)
    }
    expect(keys.size).toBe(32)
  })
)
