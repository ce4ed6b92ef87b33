import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Redis from "../agents/redis/server.ts"
import * as Postgres from "../agents/sql/postgres/server.ts"
import { run } from "./support.ts"

const directory = new URL("../../examples/", import.meta.url)
const files = readdirSync(directory).filter((file) => /^\d\d-.*\.ts$/.test(file))

/** What each example must print somewhere: its point, not its every word. */
const points: Record<string, ReadonlyArray<string>> = {
  "01-volatile-counter.ts": ["count: 10", "history: r10=10 r9=9 r8=8", "Expected an integer"],
  "02-persistent-profile.ts": ["Ada, born 1815, London, maths", '"city": "London"'],
  "03-sqlite-conversations.ts": ["Ada's threads: user/ada/lisbon", "restored: A hotel near the river, please"],
  "04-semantic-search.ts": ["Kyoto", "since 2024: Oslo"],
  "05-custom-agent.ts": ["scripts against a model", "concurrent increments are all counted"],
  "06-layers.ts": ["buy milk, call Ada", "StateTooLarge"],
  "07-redis-travel.ts": ["ada saw 10 pages", "known by now: Hotel Lisbon", "trending: Lisbon (3), Kyoto (2)"],
  "08-booking-stream.ts": ["booked Alfama, now null, then Alfama", "'agent-2': 1", "5 Cancelled: nothing booked"],
  "09-schema-evolution.ts": [
    '"first":"Ada","last":"Lovelace","tags":[]',
    "rewritten: 1, failed: 1",
    "repaired: bob, kept"
  ],
  "10-collaborative-notes.ts": ["both see the same: true", "line 19, line 20", "ada added line", "bob added line"],
  "11-conversation.ts": ["That was question 2. I know of 2 cities.", "3 of 4 messages, forgot 1 time"],
  "12-promises.ts": ["Where was I? In Lisbon.", "too large: 626 of 500", "total: 82", "another tenant sees: false"]
}

const travelPoints = [
  "read from version 1: Bob, 0 preferences",
  "asked the provider again: false",
  "ada looked for: LON-OSL, LON-LIS",
  "booked: null; before that: LON-LIS-2",
  "phone and laptop saw the same 20 messages: true",
  "heard last: 3 messages, the newest message 10",
  "both changed the profile: phone 10, laptop 10, London",
  "a trip like that: Kyoto",
  "2 users, 1 active in seven days",
  "searches: ada 2, bob 1",
  "globex has 0 users and 0 routes",
  "migrated; 0 failed"
]

describe("examples", () => {
  it("are all here, each under 60 lines, and the custom agent at most 40", () => {
    expect(files).toEqual(Object.keys(points))
    for (const file of files) {
      const lines = readFileSync(new URL(file, directory), "utf8").trimEnd().split("\n").length
      expect([file, lines < 60]).toEqual([file, true])
      if (file.includes("custom-agent")) expect(lines).toBeLessThanOrEqual(40)
    }
  })

  for (const file of files) {
    it(`${file} runs and makes its point`, async () => {
      const env = file.includes("redis") ? { REDIS_URL: (await Redis.shared()).url } : {}
      const { code, output } = await run([`examples/${file}`], { env })
      expect([code, output]).toEqual([0, output])
      for (const point of points[file] ?? []) expect(output).toContain(point)
    })
  }

  it("the travel assistant does the same on SQLite as on Postgres and Redis, with two processes at once", async () => {
    const file = "examples/travel-assistant/main.ts"
    const embedded = await run([file], { env: {} })
    const database = await Postgres.database(await Postgres.shared(), "travel")
    const servers = await run([file], { env: { DATABASE_URL: database, REDIS_URL: (await Redis.shared()).url } })
    for (const { code, output } of [embedded, servers]) {
      expect([code, output]).toEqual([0, output])
      for (const point of travelPoints) expect(output).toContain(point)
    }
  }, 120_000)
})
