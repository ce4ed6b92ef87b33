// Room in the log for commits to come: made for small ones that are synced, never taken for one, and never in the way.
import { copyFileSync, statSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"
import { Room } from "../../../../src/agents/sql/sqlite/room.ts"
import { tempFile } from "../temp.ts"

const Text = Schema.Struct({ s: Schema.String })
const frameBytes = 4096 + 24

const texts = (options: SqliteDriver.Options) =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make(options)
    return yield* Effect.provideService(SqlAgent.family({ name: "texts", schema: Text }), SqlDriver, driver)
  })

/** How many pages the log holds, and how many more its file has room for. */
const logOf = (file: string) => {
  const db = new Database(file)
  const [log] = db.prepare<[], [busy: number, pages: number]>("PRAGMA wal_checkpoint(NOOP)").raw().all()
  db.close()
  const pages = log?.[1] ?? 0
  return { pages, room: Math.floor(statSync(`${file}-wal`).size / frameBytes) - pages }
}

/** What a program finds that is started after a crash. */
const afterCrash = (file: string, copy: string) => {
  for (const end of ["", "-wal"]) copyFileSync(`${file}${end}`, `${copy}${end}`)
  const db = new Database(copy)
  const found = {
    states: db.prepare<[], string>("SELECT state FROM dgents_state").pluck().all(),
    tables: db.prepare("SELECT name FROM sqlite_schema WHERE name LIKE '%room%'").all(),
    check: db.pragma("integrity_check", { simple: true })
  }
  db.close()
  return found
}

it.live("small saves find room ahead of them, whatever happens in between", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const agent = (yield* texts({ filename: file })).at("k")
    let withRoom = 0
    let most = 0
    for (let i = 0; i < 400; i++) {
      yield* agent.save({ s: `${i}` })
      const { room } = logOf(file)
      if (room > 0) withRoom++
      most = Math.max(most, room)
      if (i % 40 === 0 || room > 200)
        expect(afterCrash(file, `${file}-${i}`)).toEqual({ states: [`{"s":"${i}"}`], tables: [], check: "ok" })
    }
    expect(withRoom).toBeGreaterThan(380)
    expect(most).toBeGreaterThan(100)
    expect(most).toBeLessThan(300)
  })
)

it.live("there is none for what is large, and none where commits are not synced", () =>
  Effect.gen(function* () {
    for (const [synchronous, length] of [
      ["full", 20_000],
      ["normal", 10]
    ] as const) {
      const file = yield* tempFile
      const agent = (yield* texts({ filename: file, synchronous })).at("k")
      for (let i = 0; i < 40; i++) yield* agent.save({ s: `${i}`.repeat(length) })
      expect(logOf(file)).toMatchObject({ room: 0 })
    }
  })
)

it.live("while another connection has the lock there is no waiting for it, and where it fails it is left", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const [db, other] = [new Database(file), new Database(file)]
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a)")
    const size = () => statSync(`${file}-wal`).size
    const before = size()
    const commit = (room: Room, pages: number) => {
      if (room.isWanted()) room.make(pages)
    }

    const room = new Room(file, () => new Database(file, { timeout: 0 }))
    other.exec("BEGIN IMMEDIATE")
    for (let i = 0; i < 20; i++) commit(room, 3)
    expect(size()).toBe(before)
    other.exec("COMMIT")
    for (let i = 0; i < 20; i++) commit(room, 3)
    expect(size()).toBeGreaterThan(before + 60 * frameBytes)

    let opened = 0
    const failing = new Room(file, () => {
      opened++
      throw new Error("no")
    })
    for (let i = 0; i < 1_000; i++) commit(failing, 1_000)
    expect(opened).toBe(1)
    for (const one of [db, other]) one.close()
  })
)
