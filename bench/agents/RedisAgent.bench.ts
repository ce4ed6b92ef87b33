import { Cached, RedisAgent } from "dgents"
import { IoredisDriver } from "dgents/redis"
import { Effect, Layer, Optic, Schema } from "effect"
import { Redis } from "ioredis"
import * as Server from "../../test/agents/redis/server.ts"
import { bench } from "../harness.ts"
import { Conversation, conversation, conversations } from "../states.ts"

/** ioredis by hand, as its users set it up: what is asked in one turn travels together. */
const rawClient = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Redis(url, { enableAutoPipelining: true })),
    (client) => Effect.sync(() => client.disconnect())
  )

/** What takes the place of a compare-and-set where there are no commands for one: revision, state and a notice in one step. */
const script = `
local revision = tonumber(string.match(redis.call('GETRANGE', KEYS[1], 0, 31), '^%d+') or '0')
if ARGV[1] ~= 'any' and tonumber(ARGV[1]) ~= revision then return -revision - 1 end
redis.call('SET', KEYS[1], (revision + 1) .. ' ' .. ARGV[2])
redis.call('PUBLISH', KEYS[1], revision + 1)
return revision + 1`

const threads = Array.from({ length: 64 }, (_, n) => `thread-${n}`)

const setup = (bytes: number) =>
  Effect.gen(function* () {
    const { url } = yield* Server.start({ persistence: "none" })
    const layer = yield* Layer.build(IoredisDriver.layer({ url }))
    const family = yield* Effect.provide(RedisAgent.family({ name: "threads", schema: Conversation }), layer)
    const client = yield* rawClient(url)
    const hash = String(yield* Effect.promise(() => client.script("LOAD", script)))
    const raw = {
      get: async (key: string): Promise<unknown> => JSON.parse((await client.get(key)) ?? "null"),
      put: (key: string, state: Conversation) => client.set(key, JSON.stringify(state)),
      compareAndPut: (key: string, state: Conversation) =>
        client.evalsha(hash, 1, `compared ${key}`, "any", JSON.stringify(state))
    }
    yield* family.saveMany(threads.map((key) => [key, conversation(bytes)] as const))
    yield* Effect.promise(() => Promise.all(threads.map((key) => raw.put(key, conversation(bytes)))))
    return { client, family, layer, raw, next: conversations(bytes) }
  })

const unbounded = { concurrency: "unbounded", discard: true } as const

for (const [size, bytes] of [
  ["1 KB", 1_000],
  ["100 KB", 100_000]
] as const) {
  bench(
    `redis/load ${size}`,
    Effect.map(setup(bytes), ({ family, raw }) => {
      const agent = family.at("thread-0")
      return { ours: () => agent.load, raw: () => raw.get("thread-0") }
    })
  )
  bench(
    `redis/save ${size}, against SET`,
    Effect.map(setup(bytes), ({ family, next, raw }) => {
      const agent = family.at("thread-0")
      return { ours: (i) => agent.save(next(i)), raw: (i) => raw.put("thread-0", next(i)) }
    })
  )
  bench(
    `redis/load ${size}, 64 at once`,
    Effect.map(setup(bytes), ({ family, raw }) => {
      const agents = threads.map(family.at)
      return {
        ours: () => Effect.forEach(agents, (agent) => agent.load, unbounded),
        raw: () => Promise.all(threads.map((key) => raw.get(key)))
      }
    }),
    { per: 64 }
  )
  bench(
    `redis/save ${size}, 64 at once, against SET`,
    Effect.map(setup(bytes), ({ family, next, raw }) => {
      const agents = threads.map(family.at)
      return {
        ours: (i) => Effect.forEach(agents, (agent, n) => agent.save(next(i + n)), unbounded),
        raw: (i) => Promise.all(threads.map((key, n) => raw.put(key, next(i + n))))
      }
    }),
    { per: 64 }
  )
  bench(
    `redis/save ${size}, against a script by hand`,
    Effect.map(setup(bytes), ({ family, next, raw }) => {
      const agent = family.at("thread-0")
      return { ours: (i) => agent.save(next(i)), raw: (i) => raw.compareAndPut("thread-0", next(i)) }
    })
  )
  bench(
    `redis/save ${size}, 64 at once, against a script by hand`,
    Effect.map(setup(bytes), ({ family, next, raw }) => {
      const agents = threads.map(family.at)
      return {
        ours: (i) => Effect.forEach(agents, (agent, n) => agent.save(next(i + n)), unbounded),
        raw: (i) => Promise.all(threads.map((key, n) => raw.compareAndPut(key, next(i + n))))
      }
    }),
    { per: 64 }
  )
  bench(
    `redis/loadMany ${size}, 64 keys`,
    Effect.map(setup(bytes), ({ client, family }) => ({
      ours: () => family.loadMany(threads),
      raw: async () => (await client.mget(threads)).map((text) => JSON.parse(text ?? "null"))
    })),
    { per: 64 }
  )
}

bench(
  "redis/increment in 1 KB, against reading, adding and writing",
  Effect.gen(function* () {
    const { layer, raw } = yield* setup(1_000)
    const Counted = Schema.Struct({ count: Schema.Int, conversation: Conversation })
    const agent = yield* Effect.provide(
      RedisAgent.make({
        name: "counted",
        schema: Counted,
        initial: { count: 0, conversation: conversation(1_000) }
      }),
      layer
    )
    const count = Optic.id<typeof Counted.Type>().key("count")
    return {
      ours: () => agent.increment(count),
      raw: async (i) => {
        await raw.get("thread-0")
        await raw.put("thread-0", conversation(1_000 + (i % 2)))
      }
    }
  })
)

bench(
  "redis/cached load 1 KB, against a load from the server",
  Effect.gen(function* () {
    const { family, raw } = yield* setup(1_000)
    const cached = yield* Cached.make(family.at("thread-0"))
    return { ours: () => cached.load, raw: () => raw.get("thread-0") }
  })
)
