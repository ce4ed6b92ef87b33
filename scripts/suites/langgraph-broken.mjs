/** LangGraph's own SQLite checkpointer, and what becomes of it by one mistake each. */
import { rmSync } from "node:fs"
// biome-ignore-start lint/correctness/noUndeclaredDependencies: installed where this file is copied to
import { WRITES_IDX_MAP } from "@langchain/langgraph-checkpoint"
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite"
import Database from "better-sqlite3"
// biome-ignore-end lint/correctness/noUndeclaredDependencies: installed where this file is copied to

export const reference = (path) => new SqliteSaver(new Database(path))
export const over = (Saver) => (path) => new Saver(new Database(path))

export class LostUpdates extends SqliteSaver {
  // As if the writes of a checkpoint were one document: read, changed by this task, written back.
  async putWrites(config, entries, task) {
    const read = ((await this.getTuple(config))?.pendingWrites ?? []).map(([id]) => id)
    await super.putWrites(config, entries, task)
    const { thread_id, checkpoint_ns, checkpoint_id } = config.configurable
    this.db
      .prepare(
        `DELETE FROM writes WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?
         AND task_id NOT IN (SELECT value FROM json_each(?))`
      )
      .run(thread_id, checkpoint_ns, checkpoint_id, JSON.stringify([...read, task]))
  }
}

export class LeakedLock extends SqliteSaver {
  #last = Promise.resolve()

  async put(...args) {
    const before = this.#last
    const mine = Promise.withResolvers()
    this.#last = mine.promise
    await before
    const config = await super.put(...args)
    // Not reached when the line above throws.
    mine.resolve()
    return config
  }
}

export class HalfWrites extends SqliteSaver {
  // One insert after the other instead of one transaction.
  async putWrites(config, entries, task) {
    await super.putWrites(config, [], task)
    const { thread_id, checkpoint_ns, checkpoint_id } = config.configurable
    for (const [index, [channel, value]] of entries.entries()) {
      const special = WRITES_IDX_MAP[channel]
      const [type, bytes] = await this.serde.dumpsTyped(value)
      this.db
        .prepare(
          `INSERT OR ${special === undefined ? "IGNORE" : "REPLACE"} INTO writes VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
        )
        .run(thread_id, checkpoint_ns, checkpoint_id, task, special ?? index, channel, type, bytes)
    }
  }
}

export class Late extends SqliteSaver {
  #open = false

  // What was written is committed by the write after it, which may never come.
  #commit() {
    this.setup()
    this.db.exec(this.#open ? "COMMIT; BEGIN" : "BEGIN")
    this.#open = true
  }

  put(...args) {
    this.#commit()
    return super.put(...args)
  }

  putWrites(...args) {
    this.#commit()
    return super.putWrites(...args)
  }

  deleteThread(...args) {
    this.#commit()
    return super.deleteThread(...args)
  }
}

export const withSerde = (change) => (path) => {
  const saver = reference(path)
  saver.serde = change(saver.serde)
  return saver
}

export const plainJson = {
  dumpsTyped: async (value) => ["json", new TextEncoder().encode(JSON.stringify(value) ?? "null")],
  loadsTyped: async (_type, data) => JSON.parse(typeof data === "string" ? data : new TextDecoder().decode(data))
}

export class LeftRows extends SqliteSaver {
  async deleteThread(threadId) {
    this.setup()
    this.db.prepare("DELETE FROM checkpoints WHERE thread_id = ?").run(threadId)
  }
}

export class OldestFirst extends SqliteSaver {
  async *list(config, { limit, ...options } = {}) {
    const tuples = await Array.fromAsync(super.list(config, options))
    yield* tuples.reverse().slice(0, limit || undefined)
  }
}

/** Keeps what was read until one of `writes` is called. */
export const cached = ({ forgetOn, copy }) =>
  class extends SqliteSaver {
    #cache = new Map()

    constructor(db) {
      super(db)
      for (const name of forgetOn) {
        this[name] = async (...args) => {
          try {
            return await SqliteSaver.prototype[name].apply(this, args)
          } finally {
            this.#cache.clear()
          }
        }
      }
    }

    async getTuple(config) {
      const { thread_id, checkpoint_ns, checkpoint_id } = config.configurable ?? {}
      const key = JSON.stringify([thread_id, checkpoint_ns, checkpoint_id])
      if (!this.#cache.has(key)) {
        const tuple = await super.getTuple(config)
        if (tuple === undefined) return undefined
        this.#cache.set(key, copy ? await this.serde.dumpsTyped(tuple) : tuple)
      }
      const kept = this.#cache.get(key)
      return copy ? this.serde.loadsTyped(...kept) : kept
    }
  }

/** Puts into its cache what it then fails to store. */
export class CacheFirst extends SqliteSaver {
  #cache = new Map()

  async put(config, state, ...rest) {
    const { checkpoint_ns = "", thread_id } = config.configurable ?? {}
    const key = JSON.stringify([thread_id, checkpoint_ns, state.id])
    this.#cache.set(key, { config, checkpoint: structuredClone(state), pendingWrites: [] })
    const stored = await super.put(config, state, ...rest)
    this.#cache.delete(key)
    return stored
  }

  async getTuple(config) {
    const { checkpoint_id, checkpoint_ns = "", thread_id } = config.configurable ?? {}
    return this.#cache.get(JSON.stringify([thread_id, checkpoint_ns, checkpoint_id])) ?? super.getTuple(config)
  }
}

const broken = (error) => error.code === "ERR_SQLITE_ERROR"

export class SilentFailure extends SqliteSaver {
  put(config, state, ...rest) {
    return super.put(config, state, ...rest).catch((error) => {
      if (!broken(error)) throw error
      return { configurable: { ...config.configurable, checkpoint_id: state.id } }
    })
  }
}

export class FailedReadIsNone extends SqliteSaver {
  getTuple(config) {
    return super.getTuple(config).catch((error) => {
      if (!broken(error)) throw error
      return undefined
    })
  }
}

export class UnescapedLike extends SqliteSaver {
  async deleteThread(threadId) {
    this.setup()
    this.db.prepare("DELETE FROM checkpoints WHERE thread_id LIKE ?").run(threadId)
    this.db.prepare("DELETE FROM writes WHERE thread_id LIKE ?").run(threadId)
  }
}

const safe = (id) => id?.replaceAll(/[^a-zA-Z0-9]/g, "_")

/** As if a thread were a file or a directory, named by what is left of its id; the id itself is kept inside. */
export class SafeNames extends SqliteSaver {
  #ids = new Map()

  #in(config) {
    const id = config?.configurable?.thread_id
    return id === undefined ? config : { ...config, configurable: { ...config.configurable, thread_id: safe(id) } }
  }

  #out(config) {
    if (config === undefined) return config
    const id = this.#ids.get(config.configurable.thread_id)
    return { ...config, configurable: { ...config.configurable, thread_id: id } }
  }

  #tuple(tuple) {
    return tuple && { ...tuple, config: this.#out(tuple.config), parentConfig: this.#out(tuple.parentConfig) }
  }

  async getTuple(config) {
    return this.#tuple(await super.getTuple(this.#in(config)))
  }

  async *list(config, options) {
    for await (const tuple of super.list(this.#in(config), options)) yield this.#tuple(tuple)
  }

  async put(config, ...rest) {
    const id = config?.configurable?.thread_id
    if (id !== undefined) this.#ids.set(safe(id), id)
    return this.#out(await super.put(this.#in(config), ...rest))
  }

  putWrites(config, ...rest) {
    return super.putWrites(this.#in(config), ...rest)
  }

  deleteThread(id) {
    return super.deleteThread(safe(id))
  }
}

export const withoutCase = (path) => {
  const database = new Database(path)
  const exec = database.exec.bind(database)
  // What a column has in MySQL by default, and a file name on Windows and macOS.
  database.exec = (sql) => exec(sql.replace("thread_id TEXT", "thread_id TEXT COLLATE NOCASE"))
  return new SqliteSaver(database)
}

export const startsOver = (path) => {
  const database = new Database(path)
  try {
    database.pragma("schema_version")
    return new SqliteSaver(database)
  } catch {
    database.close()
    rmSync(path)
    return reference(path)
  }
}
