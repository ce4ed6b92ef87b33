// Begins what the set-up of a new file does, has part of it written to the file, and is killed before the commit.
import Database from "better-sqlite3"

const db = new Database(process.argv[2] ?? "")
// With next to no cache, pages of an open transaction spill into the file, behind a synced journal.
db.pragma("cache_size = 1")
db.exec("BEGIN IMMEDIATE; CREATE TABLE dgents_state (collection TEXT, key TEXT, state ANY)")
const insert = db.prepare("INSERT INTO dgents_state VALUES ('x', 'y', ?)")
for (let i = 0; i < 500; i++) insert.run("x".repeat(3000))
process.kill(process.pid, "SIGKILL")
