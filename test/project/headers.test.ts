import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type Claims, FileLog, PersistentAgent, SqlAgent, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { describe, expect, it } from "vitest"

const sqlite = { claims: SqliteDriver.claims({ filename: "app.db" }) }

const primitives: ReadonlyArray<readonly [file: string, claims: Claims.Claims]> = [
  ["VolatileAgent", VolatileAgent.claims()],
  ["PersistentAgent", PersistentAgent.claims()],
  ["SqlAgent", SqlAgent.claims(sqlite)],
  ["stream/file/log", { ...FileLog.claims(), history: "full" }]
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
