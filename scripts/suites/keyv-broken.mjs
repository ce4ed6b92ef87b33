/** Keyv's own SQLite adapter, and what becomes of it by one mistake each. */
import { rmSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
// biome-ignore-start lint/correctness/noUndeclaredDependencies: installed where this file is copied to
import { KeyvSqlite } from "@keyv/sqlite"
import Keyv from "keyv"
// biome-ignore-end lint/correctness/noUndeclaredDependencies: installed where this file is copied to

export const over = (Store) => (path) => new Store({ uri: `sqlite://${path}`, busyTimeout: 500 })
export const reference = over(KeyvSqlite)

export class LostUpdates extends KeyvSqlite {
  // One document for all keys, as stores in a JSON file have it: read, changed, written back.
  async #all() {
    return new Map(JSON.parse((await super.get("all")) ?? "[]"))
  }

  #write(all) {
    return super.set("all", JSON.stringify([...all]))
  }

  async get(key) {
    return (await this.#all()).get(key)
  }

  async getMany(keys) {
    const all = await this.#all()
    return keys.map((key) => all.get(key))
  }

  async has(key) {
    return (await this.#all()).has(key)
  }

  async set(key, value) {
    await this.#write((await this.#all()).set(key, value))
  }

  delete(key) {
    return this.deleteMany([key])
  }

  async deleteMany(keys) {
    const all = await this.#all()
    const some = keys.map((key) => all.delete(key)).includes(true)
    await this.#write(all)
    return some
  }

  async clear() {
    const prefix = this.namespace ? `${this.namespace}:` : ""
    await this.#write([...(await this.#all())].filter(([key]) => !key.startsWith(prefix)))
  }

  async *iterator(namespace) {
    for (const entry of await this.#all()) if (entry[0].startsWith(namespace ? `${namespace}:` : "")) yield entry
  }
}

export class LeakedLock extends KeyvSqlite {
  #last = Promise.resolve()

  async set(...args) {
    const before = this.#last
    const mine = Promise.withResolvers()
    this.#last = mine.promise
    await before
    const answer = await super.set(...args)
    // Not reached when the line above throws.
    mine.resolve()
    return answer
  }
}

/** What was set is stored by the operation after it, which may never come. */
export class Late extends KeyvSqlite {
  #waiting = new Map()

  async #flush() {
    for (const [key, value] of this.#waiting) await super.set(key, value)
    this.#waiting.clear()
  }

  async set(key, value) {
    await this.#flush()
    this.#waiting.set(key, value)
  }

  async get(key) {
    return this.#waiting.get(key) ?? super.get(key)
  }

  async getMany(keys) {
    await this.#flush()
    return super.getMany(keys)
  }

  async has(key) {
    return this.#waiting.has(key) || super.has(key)
  }

  async delete(key) {
    await this.#flush()
    return super.delete(key)
  }

  async deleteMany(keys) {
    await this.#flush()
    return super.deleteMany(keys)
  }

  async clear() {
    await this.#flush()
    return super.clear()
  }

  async *iterator(namespace) {
    await this.#flush()
    yield* super.iterator(namespace)
  }
}

export class Cut extends KeyvSqlite {
  set(key, value) {
    return super.set(key, value.slice(0, 65_535))
  }
}

export class PlainJson extends Keyv {
  constructor(options) {
    super({ serialize: JSON.stringify, deserialize: JSON.parse, ...options })
  }
}

export class StaleCache extends KeyvSqlite {
  #cache = new Map()

  async get(key) {
    const value = this.#cache.get(key) ?? (await super.get(key))
    if (value !== undefined) this.#cache.set(key, value)
    return value
  }

  async set(key, value) {
    await super.set(key, value)
    this.#cache.delete(key)
  }

  async delete(key) {
    const answer = await super.delete(key)
    this.#cache.delete(key)
    return answer
  }

  async deleteMany(keys) {
    const answer = await super.deleteMany(keys)
    for (const key of keys) this.#cache.delete(key)
    return answer
  }
  // And clear is forgotten.
}

/** Puts into its cache what it then fails to store. */
export class CacheFirst extends KeyvSqlite {
  #cache = new Map()

  async set(key, value) {
    this.#cache.set(key, value)
    const answer = await super.set(key, value)
    this.#cache.delete(key)
    return answer
  }

  async get(key) {
    return this.#cache.get(key) ?? super.get(key)
  }
}

export class SilentFailure extends KeyvSqlite {
  set(key, value) {
    return super.set(key, value).catch(() => true)
  }
}

export class StopsEarly extends KeyvSqlite {
  async deleteMany(keys) {
    for (const key of keys) if (!(await super.delete(key))) return false
    return true
  }
}

const names = new Map()

/** The namespace is kept, so that only keys within one can meet. */
const safe = (key) => {
  const end = key.indexOf(":") + 1
  return key.slice(0, end) + key.slice(end).replaceAll(/[^a-zA-Z0-9]/g, "_")
}

/** As if a key were a file, named by what is left of it; the key itself is kept inside. */
export class SafeNames extends KeyvSqlite {
  get(key) {
    return super.get(safe(key))
  }

  getMany(keys) {
    return super.getMany(keys.map(safe))
  }

  has(key) {
    return super.has(safe(key))
  }

  set(key, value) {
    names.set(safe(key), key)
    return super.set(safe(key), value)
  }

  delete(key) {
    return super.delete(safe(key))
  }

  deleteMany(keys) {
    return super.deleteMany(keys.map(safe))
  }

  async *iterator(namespace) {
    for await (const [name, value] of super.iterator(namespace)) yield [names.get(name), value]
  }
}

export const withoutCase = (path) => {
  const database = new DatabaseSync(path)
  // What a column has in MySQL by default, and a file name on Windows and macOS.
  database.exec("CREATE TABLE IF NOT EXISTS keyv(key VARCHAR(255) COLLATE NOCASE PRIMARY KEY, value TEXT)")
  database.close()
  return reference(path)
}

export const startsOver = (path) => {
  const database = new DatabaseSync(path)
  try {
    database.prepare("PRAGMA schema_version").all()
    database.close()
  } catch {
    database.close()
    rmSync(path)
  }
  return reference(path)
}
