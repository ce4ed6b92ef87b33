import type { Cluster, Redis } from "ioredis"
import type { Address } from "./address.ts"
import type { Request } from "./call.ts"
import { clientOptions, type Driver, guard, pauseAfter } from "./clients.ts"
import { isReply, verdictOf } from "./errors.ts"
import type { Settings } from "./options.ts"
import type { Wire, WireEvents } from "./Wire.ts"

// How long a failover may go unnoticed by who is told of it by nobody, in milliseconds.
const refresh = 2_000

/** A connection to each node of a Cluster that is needed. What goes where is known to ioredis, which follows redirections. */
export class ClusterWire implements Wire {
  readonly #client: Cluster
  readonly #events: WireEvents
  #isReady = false
  #isClosed = false
  #reconnects = 0
  #retry: NodeJS.Timeout | undefined

  constructor(driver: Driver, settings: Settings, nodes: ReadonlyArray<Address>, events: WireEvents) {
    const { connectTimeout } = settings
    const client = new driver.Cluster([...nodes], {
      lazyConnect: true,
      redisOptions: clientOptions(settings),
      clusterRetryStrategy: pauseAfter,
      slotsRefreshTimeout: connectTimeout,
      slotsRefreshInterval: refresh,
      enableReadyCheck: false,
      // What was sent to a node that is lost may have been done; by default it would be sent to another one.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 50,
      retryDelayOnTryAgain: 50
    })
    this.#client = client
    this.#events = events
    const failed = (error: unknown) => {
      const cause = causeOf(error)
      if (!this.#isClosed) events.failed(cause, verdictOf(cause))
    }
    client.on("+node", (node: Redis) => guard(node, connectTimeout))
    client.on("-node", () => {
      if (!this.#isClosed) this.#reconnects++
    })
    client.on("ready", () => {
      if (client.status !== "ready") return
      this.#isReady = true
      events.ready()
    })
    client.on("close", () => {
      this.#isReady = false
    })
    client.on("error", failed)
    client.on("node error", failed)
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
    return this.#reconnects
  }

  send(requests: ReadonlyArray<Request>): void {
    const streams = this.#client.nodes("master").map(({ stream }) => stream)
    for (const stream of streams) stream?.cork()
    for (const request of requests) this.#sendOne(request)
    for (const stream of streams) stream?.uncork()
  }

  masters(): ReadonlyArray<string> {
    return this.#client.nodes("master").map(nameOf)
  }

  ownerOf(socket: object): Redis | undefined {
    return this.#client.nodes().find(({ status, stream }) => stream === socket && status === "ready")
  }

  /** A node that is no master any more says where the master is. */
  reconnect(): void {
    this.#client.refreshSlotsCache(() => {
      if (this.#isReady) this.#events.ready()
    })
  }

  close(): void {
    this.#isClosed = true
    this.#isReady = false
    clearTimeout(this.#retry)
    const streams = this.#client.nodes().map(({ stream }) => stream)
    this.#client.disconnect()
    for (const stream of streams) stream?.destroy()
  }

  #sendOne(request: Request): void {
    const { node } = request.call
    if (node === undefined) {
      this.#client.sendCommand(request)
      // A node that has not done it may say who will, and ioredis sends it there by itself.
      const { reject } = request
      Object.assign(request, {
        reject: (error: Error) => {
          if (isReply(error) && verdictOf(error).again !== "no") request.call.socket = undefined
          reject(error)
        }
      })
      return
    }
    const client = this.#client.nodes().find((each) => nameOf(each) === node)
    if (client === undefined) request.reject(new Error("the node has left the Cluster"))
    else client.sendCommand(request)
  }

  #connect(): void {
    // Why it does not is told by an event.
    this.#client.connect().catch(() => {})
  }
}

const nameOf = ({ options }: Redis): string => `${options.host}:${options.port}`

// That no node could be asked says less than what the last one said.
const causeOf = (error: unknown): unknown =>
  error instanceof Error && "lastNodeError" in error && error.lastNodeError !== null ? error.lastNodeError : error
