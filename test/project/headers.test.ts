import { readFileSync } from "node:fs"
import { join } from "node:path"
import {
  type Claims,
  FileLog,
  MemoryLog,
  PersistentAgent,
  RedisAgent,
  SqlAgent,
  StreamAgent,
  VolatileAgent
} from "dgents"
import { IoredisDriver } from "dgents/redis"
import { SqliteDriver } from "dgents/sqlite"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"

const sqlite = { claims: SqliteDriver.claims({ filename: "app.db" }) }

const memory = Effect.runSync(Effect.scoped(MemoryLog.make))

const primitives: ReadonlyArray<readonly [file: string, claims: Omit<Claims.Claims, "history">]> = [
  ["VolatileAgent", VolatileAgent.claims()],
  ["PersistentAgent", PersistentAgent.claims()],
  ["SqlAgent", SqlAgent.claims(sqlite)],
  ["RedisAgent", RedisAgent.claims({ claims: IoredisDriver.claims })],
  ["StreamAgent", StreamAgent.claims(memory)],
  ["stream/memory/log", memory.claims],
  ["stream/file/log", FileLog.claims()],
  ["stream/sql/SqlLog", sqlite.claims]
]

describe("the header of a primitive", () => {
  for (const [file, { consistency, durability, sharing }] of primitives)
    it(`${file}: promises what its claims say, and says what it costs and how it fails`, () => {
      const source = readFileSync(join(import.meta.dirname, `../../src/agents/${file}.ts`), "utf8")
      const header = source.slice(0, source.indexOf("*/"))
      const [, promises = ""] = /- Promises:([\s\S]*?)- Costs:/.exec(header) ?? []
      for (const word of [durability, consistency, sharing]) expect(promises).toContain(`\`${word}\``)
      expect(header).toMatch(/- Fails: \S/)
    })
})
