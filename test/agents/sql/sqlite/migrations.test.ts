import { readFileSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { Revision, SqlAgent, SqlDriver } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, Schema, Stream } from "effect"
import { applicationId, setUp, version } from "../../../../src/agents/sql/sqlite/schema.ts"
import { run } from "../children/run.ts"
import { tempDirectory, tempFile } from "../temp.ts"

/** The tables of version 1 as they were released, with a key of three states and one that was deleted and began again. */
const version1 = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE dgents_state (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    saved_at REAL NOT NULL,
    state ANY NOT NULL,
    PRIMARY KEY (collection, key)
  ) STRICT;
  CREATE TABLE dgents_history (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    saved_at REAL NOT NULL,
    state ANY NOT NULL,
    PRIMARY KEY (collection, key, revision)
  ) STRICT;
  CREATE TABLE dgents_floor (
    collection TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = 1;
  INSERT INTO dgents_state VALUES ('family:counters', 'a', 3, 1003, '{"n":3}'), ('family:counters', 'b', 8, 1008, '{"n":8}');
  INSERT INTO dgents_history VALUES ('family:counters', 'a', 1, 1001, '{"n":1}'), ('family:counters', 'a', 2, 1002, '{"n":2}');
  INSERT INTO dgents_floor VALUES ('family:counters', 7);
`

/** The same as version 2 left it. */
const version2 = `${version1}
  ALTER TABLE dgents_state ADD COLUMN since INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE dgents_history ADD COLUMN patch INTEGER NOT NULL DEFAULT 0;
  PRAGMA user_version = 2;
`

const made = (file: string, sql = version1) => {
  const db = new Database(file)
  db.exec(sql)
  db.close()
}

const versionOf = (file: string) => {
  const db = new Database(file, { readonly: true })
  const found = db.pragma("user_version", { simple: true })
  db.close()
  return found
}

const Counter = Schema.Struct({ n: Schema.Number })
const counters = SqlAgent.family({ name: "counters", schema: Counter, history: "full", deltas: 2 })

it.effect("a database of version 1 is brought to this version, with all that was in it, and goes on", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    made(file)
    const numbers = (key: string) =>
      Effect.gen(function* () {
        const history = yield* Stream.runCollect((yield* counters).at(key).history())
        return history.map(({ revision, state }) => [revision, state.n])
      })
    yield* Effect.gen(function* () {
      const family = yield* counters
      const { engine } = yield* SqlDriver
      expect(yield* engine.read({ collection: "family:counters", key: "a" })).toMatchObject({ revision: 3, since: 1 })
      expect(yield* numbers("a")).toEqual([
        [3, 3],
        [2, 2],
        [1, 1]
      ])
      expect(yield* numbers("b")).toEqual([[8, 8]])
      yield* family.at("a").save({ n: 4 })
      expect(yield* family.at("c").compareAndSave({ n: 1 }, Revision.absent)).toBe(8)
    }).pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename: file })))
    expect(versionOf(file)).toBe(version)
    // What is migrated is like what is new, in the eyes of SQLite too.
    const fresh = yield* tempFile
    yield* Effect.scoped(SqliteDriver.make({ filename: fresh }))
    const schemaOf = (path: string) => {
      const db = new Database(path, { readonly: true })
      const found = db.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").all()
      db.close()
      return JSON.stringify(found).replaceAll(/\s|\\n/g, "")
    }
    expect(schemaOf(file)).toBe(schemaOf(fresh))
    const again = Effect.andThen(numbers("a"), (a) => Effect.map(numbers("c"), (c) => [a, c]))
    expect(
      yield* again.pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename: file, readonly: true })))
    ).toEqual([
      [
        [4, 4],
        [3, 3],
        [2, 2],
        [1, 1]
      ],
      [[8, 1]]
    ])
  })
)

it.effect("a database of version 2 is brought to this version, with all that was in it, and takes events", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    made(file, version2)
    const { engine } = yield* SqliteDriver.make({ filename: file })
    expect(versionOf(file)).toBe(version)
    expect(yield* engine.read({ collection: "family:counters", key: "b" })).toMatchObject({ revision: 8, since: 1 })
    const id = { collection: "stream:a", key: "" }
    const events = [{ type: "T", data: "1" }]
    expect(
      yield* engine.log?.append({ ...id, events, expected: 0, at: 1, id: undefined }) ?? Effect.die("no log")
    ).toEqual({
      first: 1,
      last: 1,
      wasKnown: false
    })
  })
)

it.effect("opened read-only it is refused with what to do, and left as it is", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    made(file)
    const before = readFileSync(file)
    const error = yield* Effect.flip(Effect.scoped(SqliteDriver.make({ filename: file, readonly: true })))
    expect(error).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: false })
    expect(error.message).toContain("version 1")
    expect(error.message).toContain("without `readonly`")
    expect(readFileSync(file).equals(before)).toBe(true)
  })
)

it.effect("what cannot be migrated is refused, and left as it is", () =>
  Effect.gen(function* () {
    const broken = [
      // Somebody else's tables under our names, or ours with a piece missing.
      version1.replaceAll("collection TEXT", "family TEXT").replaceAll("(collection", "(family"),
      version1.replaceAll("saved_at REAL NOT NULL,", ""),
      `${version1.split("INSERT")[0]}; DROP TABLE dgents_floor`
    ]
    for (const sql of broken) {
      const file = yield* tempFile
      made(file, sql.includes("saved_at") ? sql : (sql.split("INSERT")[0] ?? sql))
      const before = readFileSync(file)
      const error = yield* Effect.flip(Effect.scoped(SqliteDriver.make({ filename: file })))
      expect(error).toMatchObject({ _tag: "StateCorrupt" })
      expect(error.message).toContain("tables are not as dgents makes them")
      expect(readFileSync(file).equals(before)).toBe(true)
      expect(versionOf(file)).toBe(1)
    }
  })
)

it("who finds that another has migrated since it looked leaves it at that", () =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const file = yield* tempFile
        made(file)
        const [db, other] = [new Database(file), new Database(file)]
        const transaction = db.transaction.bind(db)
        let calls = 0
        // The first one looks, the second one migrates.
        const later: typeof db.transaction = (body) => {
          if (++calls === 2) expect(setUp(other)).toBe(undefined)
          return transaction(body)
        }
        Object.assign(db, { transaction: later })
        expect(setUp(db)).toBe(undefined)
        expect(calls).toBeGreaterThan(1)
        for (const open of [db, other]) open.close()
        expect(versionOf(file)).toBe(version)
      })
    )
  ))

it.live("processes that migrate one file at the same instant migrate it once, and all can use it", () =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory
    for (let i = 0; i < 10; i++) made(`${directory}/${i}.db`)
    const start = String(Date.now() + 1500)
    const ends = yield* Effect.forEach(
      ["a", "b", "c"],
      (key) => run("openTogether.ts", [directory, "10", start, key]),
      {
        concurrency: 3
      }
    )
    expect(ends.map((end) => [end.code, end.err])).toEqual(ends.map(() => [0, ""]))
    for (let i = 0; i < 10; i++) {
      expect(versionOf(`${directory}/${i}.db`)).toBe(version)
      const found = yield* Effect.exit(
        Effect.flatMap(counters, (family) => family.at("a").load).pipe(
          Effect.scoped,
          Effect.provide(SqliteDriver.layer({ filename: `${directory}/${i}.db` }))
        )
      )
      expect(found).toEqual(Exit.succeed({ n: 3 }))
    }
  })
)
