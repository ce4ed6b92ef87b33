/** What the witnesses of both products need. */
import { closeSync, openSync, writeSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"

/** Overwrites the head of a database file, without which it is none. */
export const damage = (path) => {
  const file = openSync(path, "r+")
  writeSync(file, "damaged ".repeat(64))
  closeSync(file)
}

/** Rejects when a promise has not settled within five seconds. */
export const soon = (promise) =>
  Promise.race([promise, new Promise((_, reject) => setTimeout(reject, 5_000, new Error("still waiting")))])

/** Does something that cannot write to a database, since another connection does. */
export const whileLocked = async (path, task) => {
  const other = new DatabaseSync(path)
  other.exec("BEGIN IMMEDIATE")
  try {
    await task()
  } finally {
    other.exec("COMMIT")
    other.close()
  }
}
