/**
 * One state in several agents: a leader, which decides, and followers, which hold copies of what it has.
 *
 * - Promises: with `read: "leader"` what the leader promises. With `read: "quorum"` the weaker of all, field by field (the
 *   `history` is the leader's), and states that can be read while the leader is away; `linearizable` where all are.
 *   An acknowledged write is at the leader and at as many followers as make the `quorum`. Who decides is not voted on:
 *   without the leader nothing is written.
 * - Costs: a write is one to the leader, then one to each follower at the same time, of which the quorum is waited for; and a copy of
 *   the state. A load is one from the leader and some comparisons. Each follower is read once for each state, and again
 *   when another process has written to it.
 * - Fails: as the leader does. A quorum that is not reached is `WriteIndeterminate`, since the leader has the write, and names
 *   the followers that failed; of a read that could not be confirmed, `StorageUnavailable`.
 *
 * Law: over followers that fail it keeps every law that the leader keeps, as far as the quorum is reached. Copies only go
 * forward, to what the leader had: a follower that missed something is repaired by the next write, by a load, or by `repair`.
 *
 * The quorum and the write-back of readers: Attiya, Bar-Noy, Dolev, "Sharing Memory Robustly in Message-Passing
 * Systems", JACM 42(1), 1995; here with one writer, the leader, whose revisions are the order.
 */
import { Effect, Function, type Schema, type Scope, Stream } from "effect"
import { type Claims, weaker } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import * as Lifetime from "../agents/internal/lifetime.ts"
import { check, oneOf, optional, rule } from "../agents/internal/options.ts"
import type { StateRegister, Where } from "../agents/internal/stateRegister.ts"
import type { ReadError, StorageUnavailable } from "../agents/StateError.ts"
import { Cells } from "./internal/cells.ts"
import { over } from "./internal/over.ts"
import { refusePerFiber } from "./internal/perFiber.ts"
import { Copy } from "./mirrored/Copy.ts"
import { Follower } from "./mirrored/Follower.ts"
import { Mirror } from "./mirrored/Mirror.ts"

export { Copy }

/** An agent with copies. */
export interface Mirrored<in out S> extends DataAgent.DataAgent<S> {
  /**
   * Brings every follower to what the leader has, and answers the names of those that could not be brought there, none
   * when all is well. Repeat it on a schedule where reads and writes are rare.
   */
  readonly repair: Effect.Effect<ReadonlyArray<string>, ReadError>
}

/** A family with copies. */
export interface MirroredFamily<in out S> extends Family.Family<S> {
  /** As of one agent, for every state that the leader or a follower has. */
  readonly repair: Effect.Effect<ReadonlyArray<string>, ReadError>
}

// ---------------------------------------------------------------------------------------------------------------------
// Options

interface CommonOptions {
  /**
   * How many of the agents, the leader included, have to hold a write before it is acknowledged: from 1, which waits for
   * no follower, to all of them. Default: more than half.
   */
  readonly quorum?: number | undefined
  /**
   * Whom a read asks. Default: `"leader"`, which fails when the leader is away. `"quorum"` answers only what a quorum
   * holds, from the followers if it has to; it takes a quorum of 2 or more.
   */
  readonly read?: "leader" | "quorum" | undefined
}

/** What `make` takes besides the leader. */
export interface Options<S, E, R> extends CommonOptions {
  /** Make the agents that hold the copies. Nobody else may write to them. */
  readonly followers: ReadonlyArray<
    (schema: Schema.Codec<Copy<S>, unknown>) => Effect.Effect<DataAgent.DataAgent<Copy<S>>, E, R>
  >
}

/** What `family` takes besides the leader. */
export interface FamilyOptions<S, E, R> extends CommonOptions {
  /** Make the families that hold the copies. Nobody else may write to them. */
  readonly followers: ReadonlyArray<
    (schema: Schema.Codec<Copy<S>, unknown>) => Effect.Effect<Family.Family<Copy<S>>, E, R>
  >
}

const checkOptions = (
  name: string,
  options: CommonOptions & { readonly followers: ReadonlyArray<unknown> }
): Effect.Effect<{ readonly needed: number; readonly read: "leader" | "quorum" }, StorageUnavailable> => {
  const agents = options.followers.length + 1
  const { quorum = Math.floor(agents / 2) + 1, read = "leader" } = options
  const least = read === "quorum" ? 2 : 1
  return Effect.as(
    check(
      { name, quorum, read },
      {
        quorum: rule(
          `a whole number from ${least} to the number of agents, ${agents}`,
          (value) => Number.isInteger(value) && Number(value) >= least && Number(value) <= agents
        ),
        read: optional(oneOf("leader", "quorum"))
      }
    ),
    { read, needed: quorum - 1 }
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over a leader and followers. */
export const claims = (
  leader: Claims,
  followers: ReadonlyArray<Claims>,
  { read = "leader" }: Pick<CommonOptions, "read"> = {}
): Claims => (read === "leader" ? leader : { ...followers.reduce(weaker, leader), history: leader.history })

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The leader with its followers. Lock, announcements and `initial` are the leader's. */
export const make: {
  <S, E = never, R = never>(
    options: Options<S, E, R>
  ): (leader: DataAgent.DataAgent<S>) => Effect.Effect<Mirrored<S>, E | StorageUnavailable, R | Scope.Scope>
  <S, E = never, R = never>(
    leader: DataAgent.DataAgent<S>,
    options: Options<S, E, R>
  ): Effect.Effect<Mirrored<S>, E | StorageUnavailable, R | Scope.Scope>
} = Function.dual(2, <S, E, R>(leader: DataAgent.DataAgent<S>, options: Options<S, E, R>) =>
  Effect.gen(function* () {
    yield* refusePerFiber(leader, "Mirrored")
    const where: Where = { agent: leader.name, key: leader.key }
    const { needed, read } = yield* checkOptions(leader.name, options)
    const schema = Copy(leader.codec.schema)
    const agents = yield* Effect.forEach(options.followers, (open) => open(schema))
    const { codec } = leader
    const { register } = leader.internals
    const followers = agents.map((agent) => new Follower(agent))
    const scope = yield* Effect.scope
    const lifetime = yield* Lifetime.make
    const mirror = new Mirror({ where, codec, leader: register, followers, needed, read, scope })
    const promised = claims(
      leader.claims,
      agents.map((agent) => agent.claims),
      { read }
    )
    const agent = DataAgent.wrap(leader, (below) => Lifetime.guard(mirrored(below, mirror), where, lifetime), promised)
    return Object.assign(agent, { repair: mirror.repair })
  })
)

/** A family with its followers. Keys and queries are the leader's. */
export const family: {
  <S, E = never, R = never>(
    options: FamilyOptions<S, E, R>
  ): (leader: Family.Family<S>) => Effect.Effect<MirroredFamily<S>, E | StorageUnavailable, R | Scope.Scope>
  <S, E = never, R = never>(
    leader: Family.Family<S>,
    options: FamilyOptions<S, E, R>
  ): Effect.Effect<MirroredFamily<S>, E | StorageUnavailable, R | Scope.Scope>
} = Function.dual(2, <S, E, R>(leader: Family.Family<S>, options: FamilyOptions<S, E, R>) =>
  Effect.gen(function* () {
    const { name } = leader
    yield* refusePerFiber(leader.at(""), "Mirrored")
    const { needed, read } = yield* checkOptions(name, options)
    const schema = Copy(leader.codec.schema)
    const families = yield* Effect.forEach(options.followers, (open) => open(schema))
    const scope = yield* Effect.scope
    const lifetime = yield* Lifetime.make
    const mirrors = new Cells(remembered, (key) => {
      const { codec, internals } = leader.at(key)
      const followers = families.map((family) => new Follower(family.at(key)))
      const where: Where = { agent: name, key }
      return new Mirror({ where, codec, leader: internals.register, followers, needed, read, scope })
    })
    const promised = claims(
      leader.claims,
      families.map((family) => family.claims),
      { read }
    )
    const family = Family.fromAgents<S>({
      name,
      codec: leader.codec,
      claims: promised,
      at: (key) =>
        DataAgent.wrap(
          leader.at(key),
          (below) => Lifetime.guard(mirrored(below, mirrors.at(key)), { agent: name, key }, lifetime),
          promised
        ),
      keys: leader.keys,
      query: leader.query,
      listing: leader.listing
    })
    const all: ReadonlyArray<Stream.Stream<string, ReadError>> = [leader.keys(), ...families.map(({ keys }) => keys())]
    const repair = Effect.gen(function* () {
      const keys = new Set<string>()
      for (const some of all) yield* Stream.runForEach(some, (key) => Effect.sync(() => keys.add(key)))
      const behind = yield* Effect.forEach(keys, (key) => mirrors.at(key).repair)
      return [...new Set(behind.flat())]
    })
    return Object.assign(family, { repair })
  })
)

// What is forgotten is read of the followers again.
const remembered = 1_000

const mirrored = <S>(leader: StateRegister<S>, mirror: Mirror<S>): StateRegister<S> =>
  over(leader, { read: mirror.read, write: mirror.write, remove: mirror.remove })
