import { Effect, type Scope } from "effect"
import type { Connection } from "./connection.ts"
import { digest, read } from "./notices.ts"

/** Who is told which keys of a collection others may have written. */
export type Notice = (keys: ReadonlyArray<string> | "all") => void

/** What a listener needs. */
export interface ListenerOptions {
  /** A connection of its own; none where nothing can be listened to. */
  readonly connect: (() => Promise<Connection>) | undefined
  readonly channel: string
  /** Whose own notices are of no interest. */
  readonly sender: string
  /** After how many milliseconds it is supposed that something was missed; `Infinity`: never. */
  readonly poll: number
}

const firstPause = 50
const longestPause = 5_000

/**
 * Hears what others commit while somebody wants to know, through one connection. When that breaks, another one is opened, and
 * everything may have been missed; the same is supposed every now and then, since a proxy may swallow notices unseen.
 */
export class Listener {
  readonly #options: ListenerOptions
  readonly #watchers = new Map<string, Set<Notice>>()
  #session: Session | undefined

  constructor(options: ListenerOptions) {
    this.#options = options
  }

  /** Tells of a collection until the scope closes. Succeeds when it listens, or has found that it cannot for now. */
  watch(collection: string, notice: Notice): Effect.Effect<void, never, Scope.Scope> {
    const name = digest(collection)
    const begin = Effect.promise(() => {
      const notices = this.#watchers.get(name) ?? new Set()
      this.#watchers.set(name, notices)
      notices.add(notice)
      this.#session ??= new Session(this.#options, (payload) => this.#heard(payload))
      return this.#session.firstAttempt
    })
    return Effect.asVoid(Effect.acquireRelease(begin, () => Effect.promise(() => this.#end(name, notice))))
  }

  async #end(name: string, notice: Notice): Promise<void> {
    const notices = this.#watchers.get(name)
    notices?.delete(notice)
    if (notices?.size === 0) this.#watchers.delete(name)
    if (this.#watchers.size > 0) return
    const session = this.#session
    this.#session = undefined
    await session?.close()
  }

  #heard(payload: string | undefined): void {
    if (payload === undefined) {
      for (const notices of this.#watchers.values()) for (const notice of notices) notice("all")
      return
    }
    const news = read(payload)
    if (news === undefined || news.sender === this.#options.sender) return
    for (const notice of this.#watchers.get(news.collection) ?? []) notice(news.keys)
  }
}

/** Listening, from the first who wants to know to the last. */
class Session {
  readonly firstAttempt: Promise<void>
  readonly #options: ListenerOptions
  /** Without a payload: anything may have been missed. */
  readonly #heard: (payload?: string) => void
  readonly #poll: NodeJS.Timeout | undefined
  #connection: Connection | undefined
  #retry: NodeJS.Timeout | undefined
  #pause = firstPause
  #isClosed = false

  constructor(options: ListenerOptions, heard: (payload?: string) => void) {
    this.#options = options
    this.#heard = heard
    this.#poll = Number.isFinite(options.poll) ? setInterval(heard, options.poll) : undefined
    this.firstAttempt = this.#connect(true)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#poll)
    clearTimeout(this.#retry)
    await this.#connection?.close()
  }

  async #connect(isFirst: boolean): Promise<void> {
    const { channel, connect } = this.#options
    if (connect === undefined) return
    let connection: Connection | undefined
    try {
      connection = await connect()
      await connection.listen(channel, this.#heard)
      if (this.#isClosed || !connection.isOpen()) throw new Error("it is over")
    } catch {
      await connection?.close()
      this.#again()
      return
    }
    this.#connection = connection
    this.#pause = firstPause
    connection.onLost(() => {
      this.#connection = undefined
      this.#again()
    })
    if (!isFirst) this.#heard()
  }

  #again(): void {
    if (this.#isClosed) return
    // Not all at once, where many lost the same server.
    this.#retry = setTimeout(() => void this.#connect(false), this.#pause * (0.5 + Math.random()))
    this.#pause = Math.min(longestPause, this.#pause * 2)
  }
}
