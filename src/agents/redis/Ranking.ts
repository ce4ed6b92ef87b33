/**
 * Who is ahead: members with a score each, which grow by one command and are read in order, best first. What is trending, who
 * leads, what is asked for most; on the server of `RedisDriver`.
 *
 * - Promises: those of the driver. A score that is added to by many at once misses none of them.
 * - Costs: one command an operation, whose work grows with the logarithm of the number of members; `top` reads what it answers.
 * - Fails: as `RedisAgent` does; with `StateInvalid` for a member or a score that cannot be stored.
 */
import { Duration, Effect, Option, type Scope } from "effect"
import type { Claims } from "../Claims.ts"
import type { Failure } from "../internal/backend.ts"
import { readError, writeError } from "../internal/failure.ts"
import * as Lifetime from "../internal/lifetime.ts"
import { check, duration, oneOf, optional, record, text } from "../internal/options.ts"
import type { Where } from "../internal/stateRegister.ts"
import { AgentClosed, type ReadError, StateInvalid, type WriteError } from "../StateError.ts"
import { Naming } from "./keys.ts"
import { RedisDriver } from "./RedisDriver.ts"
import type { Reply, Script, Server } from "./Server.ts"

/** A member with its score. */
export interface Ranked {
  readonly member: string
  readonly score: number
}

/** What `make` and `family` take. */
export interface Options {
  /** Names the ranking in errors, and says which keys of the server are its own. */
  readonly name: string
  /** When a ranking is removed by itself: that long after its first addition, or after its last one (the default). */
  readonly expire?: { readonly after: Duration.Input; readonly from?: "creation" | "write" | undefined } | undefined
}

/** Members in the order of their scores. */
export interface Ranking {
  readonly name: string
  /** The key inside a family; absent for a single ranking. */
  readonly key: string | undefined
  readonly claims: Claims
  /** Adds to the score of a member, which begins at 0, and answers it. */
  readonly add: (member: string, by?: number) => Effect.Effect<number, WriteError>
  /** The best `n`, best first, without the `skip` best. Equal scores are in descending order of their members' bytes. */
  readonly top: (n: number, options?: { readonly skip?: number }) => Effect.Effect<ReadonlyArray<Ranked>, ReadError>
  readonly score: (member: string) => Effect.Effect<Option.Option<number>, ReadError>
  /** How many are ahead of a member. */
  readonly rank: (member: string) => Effect.Effect<Option.Option<number>, ReadError>
  /** How many members there are. */
  readonly size: Effect.Effect<number, ReadError>
  readonly remove: (member: string) => Effect.Effect<void, WriteError>
  /** Removes all members. */
  readonly delete: Effect.Effect<void, WriteError>
}

/** A ranking for each key: for each day, for each country. */
export interface RankingFamily {
  readonly name: string
  readonly claims: Claims
  readonly at: (key: string) => Ranking
}

/** One ranking. Rankings of one name on one server are the same. */
export const make = (options: Options): Effect.Effect<Ranking, StateInvalid | ReadError, Scope.Scope | RedisDriver> =>
  Effect.map(open("ranking", options), (at) => at(undefined))

/** A ranking for each key. */
export const family = (
  options: Options
): Effect.Effect<RankingFamily, StateInvalid | ReadError, Scope.Scope | RedisDriver> =>
  Effect.map(open("rankings", options), (at) => ({ name: options.name, claims: at(undefined).claims, at }))

const rules = {
  name: text,
  expire: optional(record({ after: duration, from: optional(oneOf("creation", "write")) }))
}

const open = (kind: string, options: Options) =>
  Effect.gen(function* () {
    yield* check(options, rules)
    const { expire, name } = options
    if (!name.isWellFormed())
      return yield* new StateInvalid({ agent: name, path: [], reason: "its name has a lone surrogate" })
    const { claims, prefix, server } = yield* RedisDriver
    const lifetime = yield* Lifetime.make
    const naming = new Naming(prefix, `${kind}:${name}`)
    const millis = expire === undefined ? 0 : Math.ceil(Duration.toMillis(expire.after))
    return (key: string | undefined): Ranking =>
      new RankingImpl(
        { agent: name, key },
        { ...claims, history: "none" },
        server,
        naming.state(key ?? ""),
        lifetime,
        millis,
        expire?.from === "creation"
      )
  })

const add: Script = {
  name: "add",
  lua: `
local score = redis.call('ZINCRBY', KEYS[1], ARGV[1], ARGV[2])
if ARGV[4] == '0' or redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return score`
}

class RankingImpl implements Ranking {
  readonly name: string
  readonly key: string | undefined
  readonly claims: Claims
  readonly #where: Where
  readonly #server: Server
  readonly #ranking: string
  readonly #lifetime: Lifetime.Lifetime
  readonly #millis: number
  readonly #fromCreation: boolean

  constructor(
    where: Where,
    claims: Claims,
    server: Server,
    ranking: string,
    lifetime: Lifetime.Lifetime,
    millis: number,
    fromCreation: boolean
  ) {
    this.name = where.agent
    this.key = where.key
    this.claims = claims
    this.#where = where
    this.#server = server
    this.#ranking = ranking
    this.#lifetime = lifetime
    this.#millis = millis
    this.#fromCreation = fromCreation
  }

  readonly add = (member: string, by = 1): Effect.Effect<number, WriteError> =>
    this.#open(() => {
      if (!Number.isFinite(by)) return this.#refuse("what is added to a score has to be a finite number")
      const problem = this.#problem(member)
      if (problem !== undefined) return this.#refuse(problem)
      const added =
        this.#millis === 0
          ? this.#server.command("write", "zincrby", [this.#ranking, by, member])
          : this.#server.script("write", add, [this.#ranking], [by, member, this.#millis, this.#fromCreation ? 1 : 0])
      return this.#writing("add", Effect.map(added, toNumber))
    })

  readonly top = (
    n: number,
    { skip = 0 }: { readonly skip?: number } = {}
  ): Effect.Effect<ReadonlyArray<Ranked>, ReadError> => {
    const [count, first] = [Math.trunc(n), Math.max(0, Math.trunc(skip))]
    if (!(count > 0)) return this.#open(() => Effect.succeed([]))
    const last = Math.min(first + count - 1, Number.MAX_SAFE_INTEGER)
    return this.#reading(
      this.#server.command("read", "zrevrange", [this.#ranking, first, last, "WITHSCORES"]),
      (reply) => {
        const flat = Array.isArray(reply) ? reply.flat() : []
        const ranked: Array<Ranked> = []
        for (let i = 0; i + 1 < flat.length; i += 2)
          ranked.push({ member: String(flat[i]), score: toNumber(flat[i + 1] ?? null) })
        return ranked
      }
    )
  }

  readonly score = (member: string): Effect.Effect<Option.Option<number>, ReadError> =>
    this.#reading(this.#server.command("read", "zscore", [this.#ranking, member]), optionalNumber)

  readonly rank = (member: string): Effect.Effect<Option.Option<number>, ReadError> =>
    this.#reading(this.#server.command("read", "zrevrank", [this.#ranking, member]), optionalNumber)

  get size(): Effect.Effect<number, ReadError> {
    return this.#reading(this.#server.command("read", "zcard", [this.#ranking]), toNumber)
  }

  readonly remove = (member: string): Effect.Effect<void, WriteError> =>
    this.#open(() => this.#writing("remove", this.#server.command("write", "zrem", [this.#ranking, member])))

  get delete(): Effect.Effect<void, WriteError> {
    return this.#open(() => this.#writing("delete", this.#server.command("write", "del", [this.#ranking])))
  }

  #problem(member: string): string | undefined {
    if (this.key?.isWellFormed() === false) return "its key has a lone surrogate; keys are well-formed Unicode strings"
    return member.isWellFormed()
      ? undefined
      : "the member has a lone surrogate; members are well-formed Unicode strings"
  }

  #refuse(reason: string): Effect.Effect<never, StateInvalid> {
    return Effect.fail(new StateInvalid({ ...this.#where, path: [], reason }))
  }

  #reading<A>(read: Effect.Effect<Reply, Failure>, f: (reply: Reply) => A): Effect.Effect<A, ReadError> {
    return this.#open(() => Effect.mapBoth(read, { onFailure: readError(this.#where, "read"), onSuccess: f }))
  }

  #writing<A>(operation: string, write: Effect.Effect<A, Failure>): Effect.Effect<A, WriteError> {
    return Effect.uninterruptible(Effect.mapError(write, writeError(this.#where, operation)))
  }

  #open<A, E>(run: () => Effect.Effect<A, E>): Effect.Effect<A, E | AgentClosed> {
    return Effect.suspend(
      (): Effect.Effect<A, E | AgentClosed> =>
        this.#lifetime.isClosed() ? Effect.fail(new AgentClosed(this.#where)) : run()
    )
  }
}

// An infinite score is told as one; a sum beyond the largest number is infinite.
const toNumber = (reply: Reply): number => {
  const text = String(reply)
  return text === "inf" ? Number.POSITIVE_INFINITY : text === "-inf" ? Number.NEGATIVE_INFINITY : Number(text)
}

const optionalNumber = (reply: Reply): Option.Option<number> =>
  reply === null ? Option.none() : Option.some(toNumber(reply))
