/**
 * Events in Redis, beside the states of `RedisAgent`: a Redis Stream for each stream, whose ids are the positions. The server is
 * the layer's business: `IoredisDriver.layer` of `dgents/redis`.
 *
 * - Promises: what the driver claims; `linearizable` on a single server. Shared over a `network`. An id is known as long as the last
 *   event of its append is kept.
 * - Costs: one script an append and a page, in one packet with all that is asked in the same turn. An event of another process is
 *   noticed by pub/sub. The first append of a process to a stream writes its key to an index as well.
 * - Fails: with `Indeterminate` when nobody can tell what became of an append, and with `Closed` after its scope.
 */
import { Effect, Exit, Layer, type Scope } from "effect"
import type { Failure } from "../../internal/backend.ts"
import * as Lifetime from "../../internal/lifetime.ts"
import { Naming } from "../../redis/keys.ts"
import { nextOperation } from "../../redis/operation.ts"
import { RedisDriver } from "../../redis/RedisDriver.ts"
import type { Argument, Kind, Reply, Script, Server } from "../../redis/Server.ts"
import {
  type Append,
  type Appended,
  type Bounds,
  type Conflict,
  type Id,
  type Log,
  type Part,
  pageBytes,
  type Stored
} from "../Log.ts"
import { StreamLog } from "../StreamLog.ts"
import * as Scripts from "./scripts.ts"

/** The events of the server of `RedisDriver`, until the scope closes. Logs of one server hold the same streams. */
export const make: Effect.Effect<Log, never, Scope.Scope | RedisDriver> = Effect.gen(function* () {
  const { prefix, server } = yield* RedisDriver
  return new RedisLog(server, prefix, yield* Lifetime.make)
})

/** The same as a layer. */
export const layer: Layer.Layer<StreamLog, never, RedisDriver> = Layer.effect(StreamLog, make)

class RedisLog implements Log {
  readonly name = "redis"
  readonly claims: Log["claims"]
  readonly #server: Server
  readonly #prefix: string
  readonly #lifetime: Lifetime.Lifetime
  /** The streams of which this process knows that the index has them. */
  readonly #listed = new Set<string>()

  constructor(server: Server, prefix: string, lifetime: Lifetime.Lifetime) {
    this.claims = server.claims
    this.#server = server
    this.#prefix = prefix
    this.#lifetime = lifetime
  }

  append(append: Append): Effect.Effect<Appended, Failure | Conflict> {
    const reason = notText(append)
    if (reason !== undefined) return Exit.fail({ _tag: "Invalid", reason })
    const operation = nextOperation()
    const args: Array<Argument> = [
      append.expected,
      append.at,
      operation,
      append.id === undefined ? "" : `=${append.id}`
    ]
    for (const { data, type } of append.events) args.push(type, data)
    const appended = Effect.catch(
      this.#run("write", Scripts.append, append, args),
      (failure): Effect.Effect<Reply, Failure> =>
        failure._tag === "Indeterminate" ? this.#lookUp(append, operation, args, failure) : Exit.fail(failure)
    )
    return Effect.uninterruptible(
      Effect.flatMap(Effect.andThen(this.#list(append), appended), (reply): Exit.Exit<Appended, Failure | Conflict> => {
        if (typeof reply === "number") return Exit.fail({ _tag: "Conflict", actual: -reply - 1 })
        if (!isNumbers(reply)) return Exit.fail(notOurs(append))
        const [first = 0, last = 0, others = 0] = reply
        return Exit.succeed({ first, last, wasKnown: others === 1 })
      })
    )
  }

  read(id: Id, { after, limit }: Part): Effect.Effect<ReadonlyArray<Stored>, Failure> {
    const args = [Math.max(0, after), Math.min(limit, Number.MAX_SAFE_INTEGER), pageBytes]
    return Effect.flatMap(this.#run("read", Scripts.read, id, args), (reply) => {
      if (!Array.isArray(reply)) return Exit.fail(notOurs(id))
      const page: ReadonlyArray<unknown> = reply
      const events: Array<Stored> = []
      for (let i = 0; i + 3 < page.length; i += 4)
        events.push({
          // The number before the dash.
          position: Number.parseInt(String(page[i]), 10),
          type: String(page[i + 1]),
          data: String(page[i + 2]),
          at: Number(String(page[i + 3]))
        })
      return Exit.succeed(events)
    })
  }

  bounds(id: Id): Effect.Effect<Bounds, Failure> {
    return Effect.flatMap(this.#run("read", Scripts.bounds, id, []), (reply) => {
      if (!isNumbers(reply)) return Exit.fail(notOurs(id))
      const [compacted = 0, last = 0] = reply
      return Exit.succeed({ compacted, last })
    })
  }

  positionAt(id: Id, time: number): Effect.Effect<number, Failure> {
    return Effect.flatMap(
      this.#run("read", Scripts.positionAt, id, [time]),
      (reply): Exit.Exit<number, Failure> => (typeof reply === "number" ? Exit.succeed(reply) : Exit.fail(notOurs(id)))
    )
  }

  compact(id: Id, upTo: number): Effect.Effect<void, Failure> {
    // A part at a time, so that the server serves others in between.
    return Effect.flatMap(
      this.#run("write", Scripts.compact, id, [upTo]),
      (reply): Effect.Effect<void, Failure> =>
        typeof reply !== "number" ? Exit.fail(notOurs(id)) : reply === 0 ? Exit.void : this.compact(id, upTo)
    )
  }

  keys(
    collection: string,
    { after, limit, prefix }: { readonly prefix: string; readonly after: string | undefined; readonly limit: number }
  ): Effect.Effect<ReadonlyArray<string>, Failure> {
    if (!prefix.isWellFormed()) return Exit.succeed([])
    // Members of equal scores are in the order of their bytes.
    const from = after === undefined ? `[${prefix}` : `(${after}`
    return this.#open(() =>
      Effect.gen({ self: this }, function* () {
        const args = [this.#index(collection), from, "+", "LIMIT", 0, limit]
        const found = strings(yield* this.#server.command("read", "zrangebylex", args))
        const named = found.filter((key) => key.startsWith(prefix))
        // The index is written first, so that it may have a key whose first append failed.
        const bounds = yield* Effect.forEach(named, (key) => this.bounds({ collection, key }), {
          concurrency: "unbounded"
        })
        const keys = named.filter((_, i) => (bounds[i]?.last ?? 0) > 0)
        const last = found.at(-1)
        const isEnd = last === undefined || found.length < limit || !last.startsWith(prefix)
        if (isEnd || keys.length === limit) return keys
        const more = yield* this.keys(collection, { prefix, after: last, limit: limit - keys.length })
        return [...keys, ...more]
      })
    )
  }

  watch(id: Id, notice: () => void): Effect.Effect<void, Failure, Scope.Scope> {
    return this.#open(() => this.#server.subscribe(this.#names(id).head, () => notice()))
  }

  get ping(): Effect.Effect<void, Failure> {
    return this.#open(() => this.#server.ping)
  }

  /** Puts a stream into the index, so that `keys` need not go through all keys of the server. */
  #list(id: Id): Effect.Effect<void, Failure> {
    const { head } = this.#names(id)
    if (this.#listed.has(head)) return Exit.void
    return this.#open(() =>
      // Written twice it is what it was, so that a lost answer is no more than a failure.
      Effect.map(this.#server.command("read", "zadd", [this.#index(id.collection), 0, id.key]), () => {
        this.#listed.add(head)
      })
    )
  }

  /** What became of an append whose answer was lost. One that has an id can be done again: it is not done twice. */
  #lookUp(
    append: Append,
    operation: string,
    args: ReadonlyArray<Argument>,
    failure: Failure
  ): Effect.Effect<Reply, Failure> {
    const found =
      append.id === undefined
        ? this.#run("read", Scripts.lookUp, append, [operation])
        : this.#run("write", Scripts.append, append, args)
    return Effect.matchEffect(found, {
      onFailure: () => Exit.fail(failure),
      onSuccess: (reply) => (Array.isArray(reply) && reply.length === 0 ? Exit.fail(failure) : Exit.succeed(reply))
    })
  }

  #run(kind: Kind, script: Script, id: Id, args: ReadonlyArray<Argument>): Effect.Effect<Reply, Failure> {
    const { events, head, ids } = this.#names(id)
    return this.#open(() => this.#server.script(kind, script, [head, events, ids], args))
  }

  #names({ collection, key }: Id) {
    const head = new Naming(this.#prefix, `log:${collection}`).state(key)
    return { head, events: `${head}:events`, ids: `${head}:ids` }
  }

  #index(collection: string): string {
    return new Naming(this.#prefix, `logs:${collection}`).state("")
  }

  #open<A, E, R>(run: () => Effect.Effect<A, E | Failure, R>): Effect.Effect<A, E | Failure, R> {
    return Effect.suspend(
      (): Effect.Effect<A, E | Failure, R> => (this.#lifetime.isClosed() ? Exit.fail({ _tag: "Closed" }) : run())
    )
  }
}

const isNumbers = (reply: Reply): reply is ReadonlyArray<number> =>
  Array.isArray(reply) && reply.every((one) => typeof one === "number")

const strings = (reply: Reply): ReadonlyArray<string> => (Array.isArray(reply) ? reply.map(String) : [])

const notOurs = ({ key }: Id): Failure => ({
  _tag: "Corrupt",
  location: `the stream of key ${JSON.stringify(key)}`,
  reason: "what is stored there was not written by dgents, or was changed"
})

/** What UTF-8 cannot hold would come back as something else. */
const notText = ({ events, id }: Append): string | undefined => {
  if (id?.isWellFormed() === false) return "the id of the append has a lone surrogate"
  for (const { data, type } of events)
    if (!type.isWellFormed() || !data.isWellFormed()) return "an event has a lone surrogate in its type or its data"
  return undefined
}
