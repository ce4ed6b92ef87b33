import type { Redis } from "ioredis"
import type { Request } from "./call.ts"
import { clientOf, type Driver, guard, pauseAfter } from "./clients.ts"
import { verdictOf } from "./errors.ts"
import type { Settings } from "./options.ts"
import type { Wire, WireEvents } from "./Wire.ts"

const longestText = 65_536

/** One connection to one server: the one that is named, or the one that is the master by what Sentinels say. */
export class ServerWire implements Wire {
  readonly #client: Redis
  readonly #events: WireEvents
  #isReady = false
  #isClosed = false
  #connections = 0
  #retry: NodeJS.Timeout | undefined

  constructor(driver: Driver, settings: Settings, events: WireEvents) {
    this.#events = events
    const client = clientOf(driver, settings)
    this.#client = client
    guard(client, settings.connectTimeout)
    client.on("ready", () => {
      // An event comes a little later than what it tells of.
      if (client.status !== "ready") return
      this.#isReady = true
      this.#connections++
      events.ready()
    })
    client.on("close", () => this.#lost(new Error("the connection was closed")))
    client.on("error", (error: unknown) => this.#lost(error))
    client.on("sentinelError", (error: unknown) => this.#lost(error))
    client.on("end", () => {
      if (this.#isClosed) return
      this.#retry = setTimeout(() => this.#connect(), pauseAfter(5))
    })
    this.#connect()
  }

  get isReady(): boolean {
    return this.#isReady
  }

  get reconnects(): number {
    return Math.max(0, this.#connections - 1)
  }

  send(requests: ReadonlyArray<Request>): void {
    const redis = this.#client
    const { stream } = redis
    // One text is written faster than many, even if those are written together.
    let text = ""
    const write = (part: string | Buffer) => {
      if (typeof part === "string" && text.length + part.length < longestText) text += part
      else {
        if (text !== "") stream.write(text)
        text = ""
        stream.write(part)
      }
    }
    stream?.cork()
    for (const request of requests) redis.sendCommand(request, { isPipeline: true, destination: { redis }, write })
    if (text !== "") stream.write(text)
    stream?.uncork()
  }

  masters(): ReadonlyArray<string> {
    return []
  }

  ownerOf(socket: object): Redis | undefined {
    return this.#client.stream === socket && this.#client.status === "ready" ? this.#client : undefined
  }

  reconnect(): void {
    this.#isReady = false
    this.#client.stream?.destroy()
  }

  close(): void {
    this.#isClosed = true
    this.#isReady = false
    clearTimeout(this.#retry)
    this.#client.disconnect()
    this.#client.stream?.destroy()
  }

  #connect(): void {
    // Why it does not is told by an event.
    this.#client.connect().catch(() => {})
  }

  #lost(error: unknown): void {
    if (this.#isClosed) return
    if (this.#client.status !== "ready") this.#isReady = false
    this.#events.failed(error, verdictOf(error))
  }
}
