import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { CommitFailed, writeError } from "../../../../src/agents/sql/sqlite/errors.ts"

const place = { where: { agent: "a", key: "k" }, file: "/db", operation: "write" }
const sqlite = (code: string) => new Database.SqliteError("secret", code)

const mapped: ReadonlyArray<readonly [code: string, tag: string, retryable?: boolean]> = [
  ["SQLITE_BUSY", "StorageUnavailable", true],
  ["SQLITE_BUSY_SNAPSHOT", "StorageUnavailable", true],
  ["SQLITE_LOCKED", "StorageUnavailable", true],
  ["SQLITE_FULL", "StorageUnavailable", false],
  ["SQLITE_IOERR_READ", "StorageUnavailable", false],
  ["SQLITE_READONLY_DBMOVED", "StorageUnavailable", false],
  ["SQLITE_CANTOPEN", "StorageUnavailable", false],
  ["SQLITE_ERROR", "StorageUnavailable", false],
  ["SQLITE_CORRUPT_VTAB", "StateCorrupt"],
  ["SQLITE_NOTADB", "StateCorrupt"],
  ["SQLITE_TOOBIG", "StateInvalid"]
]

for (const [code, tag, retryable] of mapped) {
  it(`${code} is ${tag}, and names the code but not what SQLite said`, () => {
    const error = writeError(sqlite(code), place)
    expect(error).toMatchObject({ _tag: tag, agent: "a", key: "k", ...(retryable === undefined ? {} : { retryable }) })
    expect(error.message).not.toContain("secret")
    if (tag !== "StateInvalid") expect(error.message).toContain(code)
  })
}

it("a failed COMMIT is indeterminate unless its code says that no commit record was written", () => {
  const tagOf = (code: string) => writeError(new CommitFailed(sqlite(code)), place)._tag
  expect(tagOf("SQLITE_IOERR_FSYNC")).toBe("WriteIndeterminate")
  expect(tagOf("SQLITE_IOERR_WRITE")).toBe("WriteIndeterminate")
  expect(tagOf("SQLITE_CORRUPT")).toBe("WriteIndeterminate")
  expect(tagOf("SQLITE_FULL")).toBe("StorageUnavailable")
  expect(tagOf("SQLITE_BUSY")).toBe("StorageUnavailable")
})

it("an error that is not of SQLite is a defect, not a claim about the storage", () => {
  expect(() => writeError(new TypeError("bug"), place)).toThrow("bug")
})
