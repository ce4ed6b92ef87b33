/** Mistakes that Keyv's suite is made to find; if it did not, this would measure nothing. */
// biome-ignore lint/correctness/noUndeclaredDependencies: installed where this file is copied to
import { KeyvSqlite } from "@keyv/sqlite"
import { over } from "./keyv-broken.mjs"

export const controls = {
  "delete is always true": over(
    class extends KeyvSqlite {
      async delete(key) {
        await super.delete(key)
        return true
      }
    }
  ),
  "has is always true": over(
    class extends KeyvSqlite {
      async has() {
        return true
      }
    }
  ),
  "clear does nothing": over(
    class extends KeyvSqlite {
      async clear() {}
    }
  ),
  "clear goes beyond its namespace": over(
    class extends KeyvSqlite {
      async clear() {
        await this.query("DELETE FROM keyv")
      }
    }
  ),
  "get of many keys leaves out what is missing": over(
    class extends KeyvSqlite {
      async getMany(keys) {
        return (await super.getMany(keys)).filter((value) => value !== undefined)
      }
    }
  ),
  "keys are pasted into SQL": over(
    class extends KeyvSqlite {
      get(key) {
        return this.query(`SELECT value FROM keyv WHERE key = '${key}'`).then(([row]) => row?.value)
      }
    }
  ),
  "a cache of what was set that clear does not empty": over(
    class extends KeyvSqlite {
      #cache = new Map()

      async get(key) {
        return this.#cache.get(key) ?? super.get(key)
      }

      set(key, value) {
        this.#cache.set(key, value)
        return super.set(key, value)
      }

      delete(key) {
        this.#cache.delete(key)
        return super.delete(key)
      }

      deleteMany(keys) {
        for (const key of keys) this.#cache.delete(key)
        return super.deleteMany(keys)
      }
    }
  ),
  "a set that the next get does not see": over(
    class extends KeyvSqlite {
      #late = async () => {}

      async set(key, value) {
        await this.#late()
        this.#late = () => super.set(key, value)
      }
    }
  )
}
