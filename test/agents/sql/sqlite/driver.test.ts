import { once } from "node:events"
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { SqlAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"
import { applicationId, version } from "../../../../src/agents/sql/sqlite/schema.ts"
import { run } from "../children/run.ts"
import { tempDirectory, tempFile } from "../temp.ts"

const Counter = Schema.Struct({ n: Schema.Number })
const counter = SqlAgent.make({ name: "counter", schema: Counter, initial: { n: 0 } })

const opening = (options: SqliteDriver.Options) => Effect.asVoid(Effect.scoped(SqliteDriver.make(options)))
const session = (filename: string, options?: Omit<SqliteDriver.Options, "filename">) =>
  Effect.provide(SqliteDriver.layer({ filename, ...options }))

/** A database as its owner left it, made by the SQL given. */
const made = (sql: string, file: string) => {
  const db = new Database(file)
  db.exec(sql)
  db.close()
}

it.effect("a new file is set up: marked, in WAL, with nothing in it", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* opening({ filename: file })
    expect(readdirSync(dirname(file))).toEqual(["state.db"])
    const db = new Database(file, { readonly: true })
    expect(db.pragma("application_id", { simple: true })).toBe(applicationId)
    expect(db.pragma("user_version", { simple: true })).toBe(version)
    expect(db.pragma("journal_mode", { simple: true })).toBe("wal")
    expect(db.prepare("SELECT count(*) FROM dgents_state").pluck().get()).toBe(0)
    db.close()
  })
)

it.effect("an empty file, and a database without tables, are set up too", () =>
  Effect.gen(function* () {
    const empty = yield* tempFile
    writeFileSync(empty, "")
    yield* opening({ filename: empty })
    const bare = yield* tempFile
    made("CREATE TABLE t (x); DROP TABLE t; VACUUM", bare)
    expect(readFileSync(bare).length).toBeGreaterThan(0)
    for (const file of [empty, bare]) {
      yield* Effect.scoped(Effect.flatMap(counter, (agent) => agent.save({ n: 1 }))).pipe(session(file))
    }
  })
)

const ours = (version: number) => `PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version};`
const refused: ReadonlyArray<readonly [what: string, make: (file: string) => void, reason: string]> = [
  ["text", (file) => writeFileSync(file, "my only copy\n".repeat(1000)), "not a SQLite database"],
  ["a short text", (file) => writeFileSync(file, "notes"), "not a SQLite database"],
  ["another program's database", (file) => made("CREATE TABLE users (id)", file), "another program"],
  ["another application id", (file) => made("PRAGMA application_id = 42", file), "another program"],
  [
    "another program's WAL database",
    (file) => made("PRAGMA journal_mode=WAL; CREATE TABLE t (x)", file),
    "another program"
  ],
  ["tables of our names", (file) => made("CREATE TABLE dgents_state (family, key)", file), "another program"],
  [
    "a newer version",
    (file) => made(`CREATE TABLE dgents_state (x); ${ours(version + 1)}`, file),
    `version ${version + 1}, newer`
  ],
  ["a version that never was", (file) => made(`CREATE TABLE dgents_state (x); ${ours(0)}`, file), "version 0"],
  ["our marks on other tables", (file) => made(`CREATE TABLE dgents_state (x); ${ours(version)}`, file), "tables"],
  [
    "another text encoding",
    (file) => made("PRAGMA encoding='UTF-16le'; CREATE TABLE t (x); DROP TABLE t", file),
    "UTF-8"
  ]
]

for (const [what, make, reason] of refused) {
  it.effect(`${what}: refused, typed, and left untouched`, () =>
    Effect.gen(function* () {
      const file = yield* tempFile
      make(file)
      const before = readFileSync(file)
      for (const readonly of [false, true]) {
        const error = yield* Effect.flip(opening({ filename: file, readonly }))
        expect(error._tag).toBe("StateCorrupt")
        expect(error.message).toContain(reason)
        expect(error.message).toContain(file)
      }
      expect(readFileSync(file).equals(before)).toBe(true)
    })
  )
}

const missing: ReadonlyArray<readonly [what: string, name: string, readonly: boolean, reason: string]> = [
  ["a missing directory", "not/there/state.db", false, "directory does not exist"],
  ["a missing file to read", "nothing.db", true, "no database yet"],
  ["a directory", ".", false, "not a file"],
  ["a name with NUL", "a\0b.db", false, "NUL"],
  ["a name that ends in a space", "a.db ", false, "white space"]
]

for (const [what, name, readonly, reason] of missing) {
  it.effect(`${what}: StorageUnavailable says so, and nothing is made`, () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const error = yield* Effect.flip(opening({ filename: `${directory}/${name}`, readonly }))
      expect(error).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: false })
      expect(error.message).toContain(reason)
      expect(readdirSync(directory)).toEqual([])
    })
  )
}

const wrongOptions: ReadonlyArray<readonly [option: string, options: object]> = [
  ["filename", {}],
  ["filename", { filename: 7 }],
  ["synchronous", { filename: ":memory:", synchronous: "never" }],
  ["busyTimeout", { filename: ":memory:", busyTimeout: "soon" }],
  ["readonly", { filename: ":memory:", readonly: "yes" }],
  ["read-only", { filename: ":memory:", readonly: true }]
]

for (const [option, options] of wrongOptions) {
  it.effect(`an option that makes no sense is typed and named: ${JSON.stringify(options)}`, () =>
    Effect.gen(function* () {
      // Sound: the options are wrong on purpose.
      const error = yield* Effect.flip(opening(options as SqliteDriver.Options))
      expect(error).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: false })
      expect(error.message).toContain(option)
    })
  )
}

it.live("a file or a directory that may not be written is a typed error that says so", () =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory
    const file = join(directory, "state.db")
    yield* Effect.scoped(Effect.flatMap(counter, (agent) => agent.save({ n: 1 }))).pipe(session(file))
    const open = () => run("openUnprivileged.ts", [file, join(directory, "new.db")])
    chmodSync(file, 0o444)
    chmodSync(directory, 0o555)
    const { code, err, out } = yield* open()
    expect([code, err]).toEqual([0, ""])
    const [existing, created] = JSON.parse(out)
    expect(existing).toMatchObject({ tag: "StorageUnavailable", operation: "open", retryable: false })
    expect(existing.message).toMatch(/read-only|cannot be opened/)
    expect(created).toMatchObject({ tag: "StorageUnavailable", operation: "open", retryable: false })
    expect(created.message).toContain("check that this user may write the directory")
    chmodSync(directory, 0o755)
  })
)

it.effect("a read-only database loads, and refuses every write with a typed error", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* Effect.scoped(Effect.flatMap(counter, (agent) => agent.save({ n: 1 }))).pipe(session(file))
    yield* Effect.scoped(
      Effect.gen(function* () {
        const agent = yield* counter
        expect(yield* agent.load).toEqual({ n: 1 })
        for (const write of [agent.save({ n: 2 }), agent.delete]) {
          const error = yield* Effect.flip(write)
          expect(error).toMatchObject({ _tag: "StorageUnavailable", agent: "counter", retryable: false })
          expect(error.message).toContain("SQLITE_READONLY")
        }
        expect(yield* agent.load).toEqual({ n: 1 })
      })
    ).pipe(session(file, { readonly: true }))
  })
)

it.effect("a database that another connection keeps locked is unavailable, and a retry later succeeds", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* Effect.scoped(
      Effect.gen(function* () {
        const agent = yield* counter
        const other = new Database(file)
        other.exec("BEGIN IMMEDIATE")
        const error = yield* Effect.flip(agent.save({ n: 1 }))
        expect(error).toMatchObject({ _tag: "StorageUnavailable", retryable: true })
        expect(error.message).toContain("SQLITE_BUSY")
        expect(yield* agent.load).toEqual({ n: 0 })
        other.exec("COMMIT")
        other.close()
        yield* agent.save({ n: 1 })
      })
    ).pipe(session(file, { busyTimeout: "20 millis" }))
  })
)

it.effect("a new file that another connection keeps locked cannot be opened, and a retry later succeeds", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    const other = new Database(file)
    other.exec("BEGIN EXCLUSIVE")
    const error = yield* Effect.flip(opening({ filename: file, busyTimeout: "20 millis" }))
    expect(error).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: true })
    other.exec("COMMIT")
    other.close()
    yield* opening({ filename: file })
  })
)

it.live("the switch to WAL waits for a writer, as every other lock is waited for", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* opening({ filename: file })
    made("PRAGMA journal_mode = DELETE", file)
    const writer = new Worker(
      `const { parentPort, workerData } = require("node:worker_threads")
       const db = new (require("better-sqlite3"))(workerData)
       db.exec("BEGIN IMMEDIATE")
       parentPort.postMessage("writing")
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
       db.close()`,
      { eval: true, workerData: file }
    )
    const ended = once(writer, "exit")
    yield* Effect.promise(() => once(writer, "message"))
    yield* opening({ filename: file })
    yield* Effect.promise(() => ended)
  })
)

it.effect("a damaged page is StateCorrupt", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* Effect.scoped(Effect.flatMap(counter, (agent) => agent.save({ n: 1 }))).pipe(session(file))
    const bytes = readFileSync(file)
    bytes.fill(0xa5, 4096)
    writeFileSync(file, bytes)
    const error = yield* Effect.flip(Effect.scoped(Effect.flatMap(counter, (agent) => agent.load)).pipe(session(file)))
    expect(error).toMatchObject({ _tag: "StateCorrupt" })
    expect(error.message).toContain("damaged")
  })
)

it.effect("tables that vanish under an open agent are a typed error", () =>
  Effect.gen(function* () {
    const file = yield* tempFile
    yield* Effect.scoped(
      Effect.gen(function* () {
        const agent = yield* counter
        yield* agent.save({ n: 1 })
        made("DROP TABLE dgents_state", file)
        expect(yield* Effect.flip(agent.load)).toMatchObject({ _tag: "StorageUnavailable", retryable: false })
      })
    ).pipe(session(file))
  })
)

it.effect("a database in memory goes with its scope", () =>
  Effect.gen(function* () {
    const life = Effect.scoped(
      Effect.gen(function* () {
        const agent = yield* counter
        const before = yield* agent.load
        yield* agent.save({ n: 1 })
        return before
      })
    )
    for (let i = 0; i < 2; i++) expect(yield* life.pipe(session(":memory:"))).toEqual({ n: 0 })
  })
)

it.live("without better-sqlite3 the error names the package to install", () =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory
    const root = fileURLToPath(new URL("../../../../", import.meta.url))
    cpSync(join(root, "src"), join(directory, "src"), { recursive: true })
    mkdirSync(join(directory, "node_modules"))
    symlinkSync(join(root, "node_modules/effect"), join(directory, "node_modules/effect"))
    writeFileSync(join(directory, "package.json"), `{"type":"module"}`)
    const script = join(directory, "main.ts")
    writeFileSync(
      script,
      `import { Effect } from "effect"
       import { SqliteDriver } from "./src/sqlite.ts"
       const error = await Effect.runPromise(Effect.flip(Effect.scoped(SqliteDriver.make({ filename: "x.db" }))))
       console.log(error._tag + ": " + error.message)`
    )
    const { err, out } = yield* run(script, [])
    expect(err).toBe("")
    expect(out).toMatch(/^StorageUnavailable: .*"better-sqlite3" is not installed; run `npm install better-sqlite3`/)
  })
)
