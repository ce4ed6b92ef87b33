// A server of registers: answers one request a connection, and keeps each register in a file.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { dirname } from "node:path"
import type { Register } from "dgents"

/** What a client asks, in one line of JSON. */
export interface Request {
  readonly file: string
  readonly write?: { readonly next: Register.NewEntry; readonly expected: number | "any" }
  readonly remove?: true
}

/** What it is told. */
export interface Reply {
  readonly entry?: Register.Entry | undefined
  readonly conflict?: number | undefined
}

interface Stored {
  readonly last: number
  readonly entry?: Register.Entry | undefined
}

const [socket = "", isHasty = ""] = process.argv.slice(2)
const cache = new Map<string, Stored>()

const read = (file: string): Stored =>
  // Only `store` makes such files.
  cache.get(file) ?? (existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Stored) : { last: 0 })

const toDisk = (file: string, stored: Stored): void => {
  writeFileSync(`${file}.new`, JSON.stringify(stored))
  renameSync(`${file}.new`, file)
}

const store = (file: string, stored: Stored): void => {
  cache.set(file, stored)
  if (isHasty === "hasty") {
    // The revision is kept at once: so a lost state shows in one way alone, that nothing is stored.
    toDisk(file, { last: stored.last })
    // The directory may be gone by then, with the test.
    setTimeout(() => cache.get(file) === stored && existsSync(dirname(file)) && toDisk(file, stored), 20)
  } else toDisk(file, stored)
}

const answer = ({ file, remove, write }: Request): Reply => {
  const { entry, last } = read(file)
  if (remove === true) store(file, { last })
  if (write === undefined) return { entry }
  const actual = entry?.revision ?? 0
  if (write.expected !== "any" && write.expected !== actual) return { conflict: actual }
  // A revision is a number at run time.
  const revision = (last + 1) as Register.Entry["revision"]
  const written = { ...write.next, revision }
  store(file, { last: revision, entry: written })
  return { entry: written }
}

if (import.meta.main)
  createServer((connection) => {
    let text = ""
    connection.on("error", () => {})
    connection.on("data", (chunk) => {
      text += String(chunk)
      // Only the client of these tests connects.
      if (text.endsWith("\n")) connection.end(JSON.stringify(answer(JSON.parse(text) as Request)))
    })
  }).listen(socket, () => process.stdout.write("ready\n"))
process.stdin.on("close", () => process.exit()).resume()
