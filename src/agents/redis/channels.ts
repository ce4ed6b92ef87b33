import { Effect, type Scope } from "effect"
import type { Redis } from "ioredis"
import type { Failure } from "../internal/backend.ts"
import { pauseAfter } from "./clients.ts"
import { refused } from "./errors.ts"

/** Who is told of a message; `undefined`: some may have been missed. */
export type Notice = (message: string | undefined) => void

/** What channels need. */
export interface ChannelsOptions {
  readonly place: string
  /** How long a subscription may take, and how long the server may be silent, in milliseconds. */
  readonly timeout: number
  /** A client that has not connected yet: of any node of a Cluster, since all of them are told of all messages. */
  readonly connect: () => Redis
}

/** Channels that somebody listens to, through one connection while there is such a one. */
export class Channels {
  readonly #options: ChannelsOptions
  readonly #notices = new Map<string, Set<Notice>>()
  #session: Session | undefined
  #isClosed = false

  constructor(options: ChannelsOptions) {
    this.#options = options
  }

  subscribe(channel: string, notice: Notice): Effect.Effect<void, Failure, Scope.Scope> {
    return Effect.suspend(() => {
      if (this.#isClosed) return Effect.fail<Failure>({ _tag: "Closed" })
      const begin = Effect.sync(() => {
        const notices = this.#notices.get(channel) ?? new Set()
        this.#notices.set(channel, notices)
        notices.add(notice)
        this.#session ??= new Session(this.#options, this.#notices)
      })
      return Effect.andThen(
        Effect.acquireRelease(begin, () => Effect.sync(() => this.#leave(channel, notice))),
        Effect.callback<void, Failure>((resume) => {
          const { place, timeout } = this.#options
          const session = this.#session
          if (session === undefined) return resume(Effect.fail({ _tag: "Closed" }))
          const late = setTimeout(() => {
            const reason = `${place}: a subscription could not be made within ${timeout} ms, which is the option timeout`
            resume(Effect.fail(session.failure ?? { _tag: "Unavailable", reason, retryable: true }))
          }, timeout)
          session.listen(channel, (failure) => {
            clearTimeout(late)
            resume(failure === undefined ? Effect.void : Effect.fail(failure))
          })
          return Effect.sync(() => clearTimeout(late))
        })
      )
    })
  }

  close(): void {
    this.#isClosed = true
    this.#session?.close()
    this.#session = undefined
  }

  #leave(channel: string, notice: Notice): void {
    const notices = this.#notices.get(channel)
    notices?.delete(notice)
    if (notices?.size !== 0) return
    this.#notices.delete(channel)
    if (this.#notices.size > 0) {
      this.#session?.forget(channel)
      return
    }
    this.#session?.close()
    this.#session = undefined
  }
}

type Listening = (failure: Failure | undefined) => void

/** Listening, from the first who wants to know to the last. */
class Session {
  /** Why it does not listen at the moment. */
  failure: Failure | undefined
  readonly #options: ChannelsOptions
  readonly #notices: ReadonlyMap<string, ReadonlySet<Notice>>
  readonly #waiting = new Map<string, Array<Listening>>()
  /** What the connection of now listens to. */
  readonly #heard = new Set<string>()
  #client: Redis | undefined
  #heart: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #attempts = 0
  #isClosed = false

  constructor(options: ChannelsOptions, notices: ReadonlyMap<string, ReadonlySet<Notice>>) {
    this.#options = options
    this.#notices = notices
    this.#connect(false)
  }

  /** Tells when the channel is listened to, or never will be. */
  listen(channel: string, listening: Listening): void {
    if (this.#heard.has(channel)) {
      listening(undefined)
      return
    }
    const all = this.#waiting.get(channel) ?? []
    this.#waiting.set(channel, all)
    all.push(listening)
    if (this.#client?.status === "ready") this.#subscribe(this.#client, [channel], false)
  }

  forget(channel: string): void {
    this.#heard.delete(channel)
    // A connection that is gone listens to nothing.
    if (this.#client?.status === "ready") this.#client.unsubscribe(channel).catch(() => {})
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retry)
    clearInterval(this.#heart)
    this.#end()
    this.#failAll({ _tag: "Closed" })
  }

  #connect(isAgain: boolean): void {
    const client = this.#options.connect()
    this.#client = client
    this.#heart = setInterval(() => this.#beat(client), this.#options.timeout)
    client.on("ready", () => this.#subscribe(client, [...this.#notices.keys()], isAgain))
    client.on("message", (channel: string, message: string) => {
      for (const notice of this.#notices.get(channel) ?? []) notice(message)
    })
    client.on("error", (error: unknown) => this.#failed(error))
    client.on("sentinelError", (error: unknown) => this.#failed(error))
    client.once("end", () => {
      if (this.#isClosed || this.#client !== client) return
      clearInterval(this.#heart)
      this.#heard.clear()
      this.#retry = setTimeout(() => this.#connect(true), pauseAfter(++this.#attempts))
    })
    client.connect().catch(() => {})
  }

  #subscribe(client: Redis, channels: ReadonlyArray<string>, isAgain: boolean): void {
    if (channels.length === 0) return
    client.subscribe(...channels).then(
      () => {
        if (this.#client !== client || this.#isClosed) return
        this.#attempts = 0
        this.failure = undefined
        for (const channel of channels) {
          if (!this.#notices.has(channel)) continue
          this.#heard.add(channel)
          for (const listening of this.#waiting.get(channel) ?? []) listening(undefined)
          this.#waiting.delete(channel)
          if (isAgain) for (const notice of this.#notices.get(channel) ?? []) notice(undefined)
        }
      },
      (error: unknown) => {
        this.#failed(error)
        client.stream?.destroy()
      }
    )
  }

  /** A server that is gone without a word says nothing either way. */
  #beat(client: Redis): void {
    if (client.status !== "ready") return
    let isAlive = false
    const timer = setTimeout(() => {
      if (!isAlive) client.stream?.destroy()
    }, this.#options.timeout)
    client.ping().then(
      () => {
        isAlive = true
        clearTimeout(timer)
      },
      () => clearTimeout(timer)
    )
  }

  #failed(error: unknown): void {
    if (this.#isClosed) return
    const failure = refused(this.#options.place, error)
    this.failure = failure
    if (failure._tag === "Unavailable" && !failure.retryable) this.#failAll(failure)
  }

  #failAll(failure: Failure): void {
    for (const all of this.#waiting.values()) for (const listening of all) listening(failure)
    this.#waiting.clear()
  }

  #end(): void {
    const client = this.#client
    this.#client = undefined
    client?.disconnect()
    client?.stream?.destroy()
  }
}
