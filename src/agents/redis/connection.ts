import { createHash } from "node:crypto"
import { Effect, Exit } from "effect"
import type { Redis } from "ioredis"
import type { Failure } from "../internal/backend.ts"
import { type Requests, requestsOf } from "./call.ts"
import { Channels } from "./channels.ts"
import { type Claimed, claim, type Told, tell } from "./claims.ts"
import { clientOf, type Driver, guard } from "./clients.ts"
import { ClusterWire } from "./clusterWire.ts"
import { Gets } from "./gets.ts"
import { Line } from "./line.ts"
import type { Settings } from "./options.ts"
import type { Argument, Cursor, Kind, Reply, Script, Server } from "./Server.ts"
import { ServerWire } from "./serverWire.ts"
import type { Wire, WireEvents } from "./Wire.ts"

/** How much is going on. */
export interface Figures {
  /** Commands that wait for a connection, or for a server that takes them. */
  readonly waiting: number
  /** Commands that the server has not answered yet. */
  readonly inFlight: number
  /** How often a connection was lost and made again; of a Cluster, how often one of its nodes was. */
  readonly reconnects: number
  /** Whether commands are sent at the moment. */
  readonly isReady: boolean
}

/** Connections to servers, of which nothing is known yet. */
export class Connection {
  readonly #settings: Settings
  readonly #reads: Line
  /** Of its own where writes wait for replicas, for which the server keeps their connection waiting. */
  readonly #writes: Line
  readonly #channels: Channels
  readonly #hashes = new WeakMap<Script, string>()

  constructor(driver: Driver, settings: Settings) {
    const { confirmation, place, queue, timeout, topology } = settings
    this.#settings = settings
    const requests: Requests = requestsOf(driver.Command)
    const connect = (events: WireEvents): Wire =>
      topology._tag === "Cluster"
        ? new ClusterWire(driver, settings, topology.nodes, events)
        : new ServerWire(driver, settings, events)
    const limits = { place, timeout, queue }
    this.#reads = new Line(limits, requests, connect, undefined)
    this.#writes = confirmation === undefined ? this.#reads : new Line(limits, requests, connect, confirmation)
    this.#channels = new Channels({ place, timeout, connect: () => this.#subscriber(driver) })
  }

  get figures(): Figures {
    const lines = [...new Set([this.#reads, this.#writes])]
    const sum = (figure: (line: Line) => number) => lines.reduce((total, line) => total + figure(line), 0)
    return {
      waiting: sum((line) => line.waiting),
      inFlight: sum((line) => line.inFlight),
      reconnects: sum((line) => line.wire.reconnects),
      isReady: lines.every((line) => line.wire.isReady)
    }
  }

  /** What the server is worth, or each of the masters of a Cluster; what is wrong with them, otherwise. */
  get claimed(): Effect.Effect<Claimed | string, Failure> {
    const told = Effect.andThen(
      this.#reads.ask("read", "ping", []),
      Effect.suspend((): Effect.Effect<ReadonlyArray<Told>, Failure> => {
        const nodes = this.#nodes()
        return Effect.forEach(nodes, (node) => tell((name, args) => this.#reads.ask("read", name, args, node)))
      })
    )
    return Effect.map(told, (told) => claim(told, this.#settings))
  }

  /** The same, for whoever knows what it is worth. */
  server({ claims, version }: Claimed): Server {
    const begin: Server["begin"] = (kind, name, args, answer) => this.#lineOf(kind).begin(kind, name, args, answer)
    const flush = () => {
      this.#reads.flush()
      if (this.#writes !== this.#reads) this.#writes.flush()
    }
    const gets = new Gets(begin, flush)
    const isSpread = this.#settings.topology._tag === "Cluster"
    return {
      claims,
      version,
      command: (kind, name, args) => this.#lineOf(kind).ask(kind, name, args),
      begin,
      flush,
      isSpread,
      get: (key, answer) => (isSpread ? begin("read", "get", [key], answer) : gets.begin(key, answer)),
      script: (kind, script, keys, args) =>
        Effect.callback((resume) => Effect.sync(this.#script(kind, script, keys, args, resume))),
      beginScript: (kind, script, keys, args, answer) => {
        this.#script(kind, script, keys, args, answer)
      },
      scan: (pattern, cursor) => this.#scan(pattern, cursor),
      subscribe: (channel, notice) => this.#channels.subscribe(channel, notice),
      ping: Effect.asVoid(this.#reads.ask("read", "ping", []))
    }
  }

  async close(): Promise<void> {
    this.#channels.close()
    await Promise.all([this.#reads.close(), this.#writes.close()])
  }

  #lineOf(kind: Kind): Line {
    return kind === "write" ? this.#writes : this.#reads
  }

  #script(
    kind: Kind,
    script: Script,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<Argument>,
    answer: (reply: Effect.Effect<Reply, Failure>) => void
  ): () => void {
    const line = this.#lineOf(kind)
    const rest = [keys.length, ...keys, ...args]
    return line.begin(kind, "evalsha", [this.#hashOf(script), ...rest], (reply) =>
      answer(
        Effect.catchEager(reply, (failure) =>
          isUnknownScript(failure) ? line.ask(kind, "eval", [script.lua, ...rest]) : Exit.fail(failure)
        )
      )
    )
  }

  #hashOf(script: Script): string {
    const known = this.#hashes.get(script)
    if (known !== undefined) return known
    const hash = createHash("sha1").update(script.lua).digest("hex")
    this.#hashes.set(script, hash)
    return hash
  }

  /** Whom to ask for what concerns all keys. */
  #nodes(): ReadonlyArray<string | undefined> {
    return this.#settings.topology._tag === "Cluster" ? this.#reads.wire.masters() : [undefined]
  }

  #scan(pattern: string, cursor: Cursor | undefined): ReturnType<Server["scan"]> {
    return Effect.suspend(() => {
      const { from, nodes } = cursor ?? { from: "0", nodes: this.#nodes() }
      const [node, ...others] = nodes
      // A node that has left took keys along that are elsewhere now.
      if (node !== undefined && !this.#nodes().includes(node))
        return Effect.succeed({ keys: [], next: { from: "0", nodes: this.#nodes() } })
      const page = this.#reads.ask("read", "scan", [from, "match", pattern, "count", 1_000], node)
      return Effect.map(page, (reply) => {
        const [next, keys] = Array.isArray(reply) ? reply : []
        const found = Array.isArray(keys) ? keys.map(String) : []
        if (String(next) !== "0") return { keys: found, next: { from: String(next), nodes } }
        return { keys: found, next: others.length === 0 ? undefined : { from: "0", nodes: others } }
      })
    })
  }

  #subscriber(driver: Driver): Redis {
    const { connectTimeout, topology } = this.#settings
    const masters = this.#reads.wire.masters()
    const chosen = masters[Math.floor(Math.random() * masters.length)]
    const first = topology._tag === "Cluster" ? topology.nodes[0] : undefined
    const address = chosen === undefined ? first : addressOf(chosen)
    const client = clientOf(driver, this.#settings, address, { retryStrategy: () => null, enableOfflineQueue: true })
    guard(client, connectTimeout)
    return client
  }
}

const addressOf = (node: string) => {
  const at = node.lastIndexOf(":")
  return { host: node.slice(0, at), port: Number(node.slice(at + 1)) }
}

const isUnknownScript = (failure: Failure): boolean =>
  failure._tag === "Unavailable" &&
  failure.cause instanceof Error &&
  "code" in failure.cause &&
  failure.cause.code === "NOSCRIPT"
