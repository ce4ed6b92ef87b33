// By what a memory tells which items have changed: the same whichever way a family answers.
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { type Family, SqlAgent, SqlDriver, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Option, Schema } from "effect"
import { cells } from "../../../src/agents/query/run.ts"
import { Stored } from "../../../src/agents/vector/Stored.ts"
import * as Stamps from "../../../src/agents/vector/stamps.ts"
import { tempFile } from "../sql/temp.ts"

const schema = Stored(Schema.Struct({ text: Schema.String }))
const entry = (text: string) => ({ _tag: "Item", item: { text }, vector: Float32Array.of(1) }) as const

const strange = ["", "\0", "\0\0", "'", '"', "é", "e\u0301", "😀", "\uffff", "i/", "i/x", "%", "_", "a".repeat(3000)]

/** Items of all sorts, some written again, some removed; and what a memory keeps besides, on either side of them. */
const fill = (family: Family.Family<typeof schema.Type>) =>
  Effect.gen(function* () {
    const ids = [...strange, ...Array.from({ length: 10_100 }, (_, i) => `n${i}`)]
    yield* family.saveMany(ids.map((id) => [`i/${id}`, entry(id)] as const))
    for (const key of ["settings", "i", "i.", "h/zzz", "i0", "j"]) yield* family.at(key).save(entry("none"))
    for (const id of ["", "\0", "n5", "n6"]) yield* family.at(`i/${id}`).save(entry("again"))
    yield* family.deleteMany(["i/n7", "i/😀"])
    yield* family.at("i/n7").save(entry("anew"))
    return ids.filter((id) => id !== "😀")
  })

const listed = (family: Family.Family<typeof schema.Type>) =>
  Effect.map(Stamps.all(family), (found) => {
    const stamps = new Map<string, Stamps.Stamp>()
    found.each((id, revision, savedAt) => stamps.set(id, { revision, savedAt }))
    expect(found.size).toBe(stamps.size)
    return stamps
  })

const holds = (family: Family.Family<typeof schema.Type>) =>
  Effect.gen(function* () {
    const ids = yield* fill(family)
    const stamps = yield* listed(family)
    expect([...stamps.keys()].sort()).toEqual(ids.toSorted())
    for (const id of [...strange, "n5", "n6", "n7", "n8", "n10099"]) {
      const current = Option.getOrUndefined(yield* family.at(`i/${id}`).current)
      const { revision, savedAt } = current ?? {}
      expect(stamps.get(id)).toEqual(current === undefined ? undefined : { revision, savedAt })
    }
    expect(yield* Stamps.of(family, ids)).toEqual(stamps)
  })

/** Its name has to stand in SQL as it is. */
const name = 'it\'s "notes"'

const onSqlite = (filename: string, readonly = false) =>
  Effect.flatMap(SqliteDriver.make({ filename, readonly }), (driver) =>
    Effect.provideService(SqlAgent.family({ name, schema }), SqlDriver, driver)
  )

it.effect("SQLite lists all commits, and reads no states for it", () =>
  Effect.gen(function* () {
    const filename = yield* tempFile
    yield* holds(yield* onSqlite(filename))
    const db = new Database(filename, { readonly: true })
    const read = db
      .prepare<[], { readonly detail: string }>(
        `EXPLAIN QUERY PLAN SELECT key, revision, saved_at FROM dgents_state
         WHERE collection = 'family:it''s "notes"' AND key >= 'i/' ORDER BY key LIMIT 9`
      )
      .all()
    db.close()
    expect(read.map(({ detail }) => detail)).toEqual([expect.stringContaining("USING COVERING INDEX dgents_query_")])
  })
)

it.effect("a database that is read-only, or that another writes, lists them all the same", () =>
  Effect.gen(function* () {
    const filename = yield* tempFile
    const ids = yield* Effect.scoped(Effect.flatMap(onSqlite(filename), fill))
    expect((yield* listed(yield* onSqlite(filename, true))).size).toBe(ids.length)
    const other = new Database(filename)
    const family = yield* onSqlite(filename)
    other.exec("BEGIN IMMEDIATE")
    expect((yield* listed(family)).size).toBe(ids.length)
    other.exec("ROLLBACK")
    other.close()
  })
)

it.effect("a family that answers queries, or nothing but its states, tells the same", () =>
  Effect.gen(function* () {
    const { listing: _, ...queried } = yield* onSqlite(yield* tempFile)
    yield* holds(queried)
    yield* holds(yield* VolatileAgent.family({ name, schema }))
  })
)

it.effect("pages of queries go on behind the last key, and name nothing twice", () =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name, schema })
    yield* family.saveMany(Array.from({ length: 4_100 }, (_, i) => [`i/n${i}`, entry("once")] as const))
    const found = yield* listed({ ...family, query: (plan) => cells(family, plan) })
    expect(found.size).toBe(4_100)
  })
)

it("what is kept of many ids is each one's own, whatever comes and goes", () => {
  const stamped = new Stamps.Stamped()
  const model = new Map<string, Stamps.Stamp>()
  for (let i = 0; i < 2000; i++) {
    const [id, stamp] = [`n${(i * 7) % 500}`, { revision: i, savedAt: 1_763_000_000_000.5 + i }]
    if (i % 3 === 1) expect(stamped.delete(id)).toBe(model.delete(id))
    else {
      stamped.set(id, stamp)
      model.set(id, stamp)
    }
  }
  expect([...stamped.ids()]).toEqual([...model.keys()])
  for (const [id, stamp] of model) expect(stamped.get(id)).toEqual(stamp)
  expect([stamped.size, stamped.get("n1000"), stamped.has("n1000")]).toEqual([model.size, undefined, false])
  stamped.clear()
  stamped.set("a", undefined)
  expect([stamped.size, stamped.get("a")]).toEqual([1, Stamps.unknown])
})
