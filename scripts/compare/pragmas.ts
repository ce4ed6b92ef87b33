/**
 * Imported before a process, and before each of its threads: writes down how a connection of better-sqlite3 was set when
 * it is closed. `synchronous` belongs to a connection, and dgents gives its own to nobody.
 */
import { appendFileSync } from "node:fs"
import Database from "better-sqlite3"

const close = Database.prototype.close

Database.prototype.close = function () {
  const file = process.env["COMPARED_PRAGMAS"]
  if (file !== undefined && this.open && !this.readonly) {
    const settings = {
      name: this.name,
      journal: this.pragma("journal_mode", { simple: true }),
      synchronous: this.pragma("synchronous", { simple: true }),
      sqlite: this.prepare("SELECT sqlite_version()").pluck().get()
    }
    appendFileSync(file, `${JSON.stringify(settings)}\n`)
  }
  return close.call(this)
}
