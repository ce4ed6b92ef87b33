import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { CommitFailed, mayBeOfCommit, mayHaveHappened, writeFailure } from "../../../../src/agents/sql/sqlite/errors.ts"

const sqlite = (code: string) => new Database.SqliteError("secret", code)

const mapped: ReadonlyArray<readonly [code: string, tag: string, retryable?: boolean]> = [
  ["SQLITE_BUSY", "Unavailable", true],
  ["SQLITE_BUSY_SNAPSHOT", "Unavailable", true],
  ["SQLITE_LOCKED", "Unavailable", true],
  ["SQLITE_FULL", "Unavailable", false],
  ["SQLITE_IOERR_READ", "Unavailable", false],
  ["SQLITE_READONLY_DBMOVED", "Unavailable", false],
  ["SQLITE_CANTOPEN", "Unavailable", false],
  ["SQLITE_ERROR", "Unavailable", false],
  ["SQLITE_CORRUPT_VTAB", "Corrupt"],
  ["SQLITE_NOTADB", "Corrupt"],
  ["SQLITE_TOOBIG", "Invalid"]
]

for (const [code, tag, retryable] of mapped) {
  it(`${code} is ${tag}, and names the code but not what SQLite said`, () => {
    const failure = writeFailure(sqlite(code), "/db")
    expect(failure).toMatchObject({ _tag: tag, ...(retryable === undefined ? {} : { retryable }) })
    const reason = "reason" in failure ? failure.reason : ""
    expect(reason).not.toContain("secret")
    if (tag !== "Invalid") expect(reason).toContain(code)
  })
}

it("a failed COMMIT is indeterminate unless its code says that no commit record was written", () => {
  const tagOf = (code: string) => {
    const failure = writeFailure(new CommitFailed(sqlite(code)), "/db")
    expect(mayHaveHappened(new CommitFailed(sqlite(code)))).toBe(failure._tag === "Indeterminate")
    return failure._tag
  }
  expect(tagOf("SQLITE_IOERR_FSYNC")).toBe("Indeterminate")
  expect(tagOf("SQLITE_IOERR_WRITE")).toBe("Indeterminate")
  expect(tagOf("SQLITE_CORRUPT")).toBe("Indeterminate")
  expect(tagOf("SQLITE_FULL")).toBe("Unavailable")
  expect(tagOf("SQLITE_BUSY")).toBe("Unavailable")
})

it("a statement that commits by itself may have been committed only by codes of writing the log", () => {
  const codes = ["SQLITE_IOERR_FSYNC", "SQLITE_IOERR_WRITE", "SQLITE_NOMEM"]
  expect(codes.filter((code) => !mayBeOfCommit(sqlite(code)))).toEqual([])
  const before = ["SQLITE_BUSY", "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CORRUPT", "SQLITE_TOOBIG"]
  expect(before.filter((code) => mayBeOfCommit(sqlite(code)))).toEqual([])
  expect(mayBeOfCommit(new TypeError("bug"))).toBe(false)
})

it("an error that is not of SQLite is a defect, not a claim about the storage", () => {
  expect(() => writeFailure(new TypeError("bug"), "/db")).toThrow("bug")
})
