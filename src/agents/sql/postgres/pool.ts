import type { Connection } from "./connection.ts"
import { Failed, failed } from "./errors.ts"

/** Limits of a pool; times in milliseconds. */
export interface Limits {
  /** How many connections there are at most. */
  readonly max: number
  /** How long a connection that nobody uses stays open. */
  readonly idleTimeout: number
  /** How long a caller waits for one to be free. */
  readonly acquireTimeout: number
  /** How long a statement may take before its connection is given up. */
  readonly statementTimeout: number
}

/** How many connections a pool has, how many of them nobody uses, and how many callers wait for one. */
export interface Figures {
  readonly total: number
  readonly idle: number
  readonly waiting: number
}

interface Waiter {
  readonly resolve: (connection: Connection) => void
  readonly reject: (failed: Failed) => void
}

/** Connections that are opened when they are needed, and shared one caller at a time. What fails rejects with `Failed`. */
export class Pool {
  /** The server and its database, for people: `host:port/database`. */
  readonly place: string
  readonly limits: Limits
  readonly #connect: () => Promise<Connection>
  readonly #idle: Array<{ readonly connection: Connection; readonly timer: NodeJS.Timeout }> = []
  readonly #waiting = new Set<Waiter>()
  #total = 0
  #isClosed = false
  #onEmpty: (() => void) | undefined

  constructor(place: string, limits: Limits, connect: () => Promise<Connection>) {
    this.place = place
    this.limits = limits
    this.#connect = connect
  }

  get figures(): Figures {
    return { total: this.#total, idle: this.#idle.length, waiting: this.#waiting.size }
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** A connection apart from the pool, which does not count: the caller ends it. */
  async connect(): Promise<Connection> {
    try {
      return await this.#connect()
    } catch (error) {
      throw failed(this.place, error, false)
    }
  }

  /** Lends a connection for as long as the promise of `body` takes, up to the limit of a statement. */
  async use<A>(
    body: (connection: Connection) => Promise<A>,
    statementTimeout = this.limits.statementTimeout
  ): Promise<A> {
    const connection = await this.#acquire()
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      // What it still answers is heard by nobody. The server notices at the latest when it answers.
      connection.destroy()
    }, statementTimeout)
    try {
      return await body(connection)
    } catch (error) {
      if (!isLate) throw isOfDriver(error) ? failed(this.place, error, true) : error
      const reason = `${this.place}: it did not answer within ${statementTimeout} ms, which is the option statementTimeout`
      throw new Failed({ _tag: "Unavailable", reason, retryable: true }, { isLost: true, isLate: true })
    } finally {
      clearTimeout(timer)
      this.#release(connection)
    }
  }

  /** Lets nobody in any more, and ends all connections as they come back. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const { reject } of this.#waiting) reject(closed())
    this.#waiting.clear()
    const ended = this.#idle.splice(0).map(({ connection, timer }) => {
      clearTimeout(timer)
      this.#total--
      return connection.close()
    })
    if (this.#total > 0) ended.push(new Promise((resolve) => (this.#onEmpty = resolve)))
    await Promise.all(ended)
  }

  #acquire(): Promise<Connection> {
    if (this.#isClosed) return Promise.reject(closed())
    const idle = this.#idle.pop()
    if (idle !== undefined) {
      clearTimeout(idle.timer)
      return Promise.resolve(idle.connection)
    }
    return this.#total < this.limits.max ? this.#open() : this.#wait()
  }

  async #open(): Promise<Connection> {
    this.#total++
    try {
      const connection = await this.#connect()
      connection.onLost(() => this.#lost(connection))
      if (!this.#isClosed) return connection
      await connection.close()
      throw closed()
    } catch (error) {
      this.#gone()
      throw failed(this.place, error, false)
    }
  }

  #wait(): Promise<Connection> {
    const { acquireTimeout, max } = this.limits
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter)
        const reason = `${this.place}: all ${max} connections were in use for ${acquireTimeout} ms; raise the option max or acquireTimeout`
        reject(new Failed({ _tag: "Unavailable", reason, retryable: true }))
      }, acquireTimeout)
      const waiter: Waiter = {
        resolve: (connection) => {
          clearTimeout(timer)
          resolve(connection)
        },
        reject: (failed) => {
          clearTimeout(timer)
          reject(failed)
        }
      }
      this.#waiting.add(waiter)
    })
  }

  #release(connection: Connection): void {
    // One that is lost has been counted out already.
    if (!connection.isOpen()) return
    if (this.#isClosed) {
      void connection.close().then(() => this.#gone())
      return
    }
    const [next] = this.#waiting
    if (next !== undefined) {
      this.#waiting.delete(next)
      next.resolve(connection)
      return
    }
    const timer = setTimeout(() => {
      this.#remove(connection)
      void connection.close().then(() => this.#gone())
    }, this.limits.idleTimeout)
    timer.unref()
    this.#idle.push({ connection, timer })
  }

  #lost(connection: Connection): void {
    this.#remove(connection)
    this.#gone()
  }

  #remove(connection: Connection): void {
    const at = this.#idle.findIndex((idle) => idle.connection === connection)
    if (at < 0) return
    clearTimeout(this.#idle[at]?.timer)
    this.#idle.splice(at, 1)
  }

  /** There is room for one more: whoever waits longest gets it. */
  #gone(): void {
    this.#total--
    if (this.#isClosed && this.#total === 0) this.#onEmpty?.()
    const [next] = this.#waiting
    if (next === undefined || this.#isClosed) return
    this.#waiting.delete(next)
    this.#open().then(next.resolve, next.reject)
  }
}

const closed = (): Failed => new Failed({ _tag: "Closed" })

// All that a driver says is an error; what else is thrown is meant for somebody above, and a `TypeError` is a mistake here.
const isOfDriver = (error: unknown): boolean => error instanceof Error && !(error instanceof TypeError)
