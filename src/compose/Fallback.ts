/**
 * Two agents for one state: while the first cannot be reached, the second stands in, and when the first is back it is brought
 * up to date before it answers again.
 *
 * - Promises: as durable as the weaker of the two; `linearizable` where both are, to all who use this agent in one `process`;
 *   `history` of the current state for certain, since of what was written meanwhile the first is given the last. No
 *   acknowledged write is lost when the first is back, and none falls to a second that keeps less than it, unless
 *   `durability` says how little is enough. `changes` tells of what reaches the first.
 * - Costs: one read of the second when a state is first used; then a comparison each load. Of what is written, the encoding
 *   that is stored is kept, or the copy; what others wrote is encoded or copied when it is read. While the first is away, a
 *   write is one save to the second, and a load nothing.
 * - Fails: as the agents do. Only `StorageUnavailable` that is `retryable` falls; after `WriteIndeterminate` the first may
 *   hold the write, and nothing falls before it has been read again. What falls is what this agent has read or written
 *   since it was opened: for a state that it never saw, the failure is the first one's.
 *
 * Law: over agents that do not fail it is the first of them; over a first that does, it is as honest as that. Revisions are
 * those of the first, higher by the number of writes that went to the second before, so that they grow across the
 * fall and back, and a `compareAndSave` that expects what was seen before conflicts if anything was written since.
 */
import { Duration, Effect, Function, Option, type Schema, type Scope, Stream, SubscriptionRef } from "effect"
import { type Claims, type Durability, survives, weaker, weakerDurability } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import * as Lifetime from "../agents/internal/lifetime.ts"
import { check, count, oneOf, optional, rule } from "../agents/internal/options.ts"
import type { Where } from "../agents/internal/stateRegister.ts"
import { type ReadError, StorageUnavailable } from "../agents/StateError.ts"
import { Cell } from "./fallback/Cell.ts"
import { Link, type Status } from "./fallback/Link.ts"
import type { Merge } from "./fallback/Parts.ts"
import { Standby } from "./fallback/Standby.ts"
import { Cells } from "./internal/cells.ts"
import { refusePerFiber } from "./internal/perFiber.ts"

export { type Merge, Standby, type Status }

/** Which agent answers. */
export interface Watched {
  /** Which of the two agents answered last, or is about to be asked. */
  readonly status: Effect.Effect<Status>
  /** The status, then each change of it. */
  readonly statusChanges: Stream.Stream<Status>
  /** Brings to the first agent at once what waits for it, without waiting for its next use. Answers the status then. */
  readonly heal: Effect.Effect<Status, ReadError>
}

/** An agent with another one to fall to. */
export interface Fallback<in out S> extends DataAgent.DataAgent<S>, Watched {}

/** A family with another one to fall to. */
export interface FallbackFamily<in out S> extends Family.Family<S>, Watched {}

// ---------------------------------------------------------------------------------------------------------------------
// Options

interface CommonOptions<S> {
  /**
   * The least that an acknowledged write has to survive. Default: all that the first agent's survive. A second agent that
   * keeps less is refused unless it is allowed here, by name.
   */
  readonly durability?: Durability | undefined
  /**
   * Makes one state of the one that the first agent has and the one that waited for it, when the first was written
   * meanwhile. It may be given its own result again: `merge(merge(a, b), b)` has to be `merge(a, b)`. Default: the one
   * that waited.
   */
  readonly merge?: Merge<S> | undefined
  /** A warning when the second agent begins to stand in, and a line when the first is back. Default: true. */
  readonly logs?: boolean | undefined
  /** How long the first agent is let be after it did not answer. Default: one second. */
  readonly retryAfter?: Duration.Input | undefined
}

/** What `make` takes besides the first agent. */
export interface Options<S, E, R> extends CommonOptions<S> {
  /** Makes the agent to fall to. Nobody else may write to it. */
  readonly second: (schema: Schema.Codec<Standby<S>, unknown>) => Effect.Effect<DataAgent.DataAgent<Standby<S>>, E, R>
}

/** What `family` takes besides the first family. */
export interface FamilyOptions<S, E, R> extends CommonOptions<S> {
  /** Makes the family to fall to. Nobody else may write to it. */
  readonly second: (schema: Schema.Codec<Standby<S>, unknown>) => Effect.Effect<Family.Family<Standby<S>>, E, R>
  /** Of how many states that nobody holds the last revision is remembered, so that they can fall. Default: 1 000. */
  readonly remember?: number | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over two agents. */
export const claims = (first: Claims, second: Claims): Claims => ({
  ...weaker(first, second),
  sharing: "process",
  history: first.history === "none" ? "none" : "some"
})

const rules = {
  durability: optional(oneOf("volatile", "process", "power", "replicated")),
  // Sound: it refuses what is none.
  retryAfter: optional(rule("a duration", (value) => Option.isSome(Duration.fromInput(value as Duration.Input)))),
  remember: optional(count)
}

const checked = (
  name: string,
  first: Claims,
  second: Claims,
  options: Pick<Options<never, never, never>, "durability">
): Effect.Effect<void, StorageUnavailable> => {
  const kept = weakerDurability(first.durability, second.durability)
  if (survives(kept, options.durability ?? first.durability)) return check({ ...options, name }, rules)
  const reason = `a write would be as durable as "${kept}" says, which is less than the first agent keeps or the option durability demands; give agents that keep more, or allow it with durability: "${kept}"`
  return Effect.fail(new StorageUnavailable({ agent: name, operation: "open", reason, retryable: false }))
}

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The first agent with another one to fall to. */
export const make: {
  <S, E, R>(
    options: Options<S, E, R>
  ): (first: DataAgent.DataAgent<S>) => Effect.Effect<Fallback<S>, E | StorageUnavailable, R | Scope.Scope>
  <S, E, R>(
    first: DataAgent.DataAgent<S>,
    options: Options<S, E, R>
  ): Effect.Effect<Fallback<S>, E | StorageUnavailable, R | Scope.Scope>
} = Function.dual(2, <S, E, R>(first: DataAgent.DataAgent<S>, options: Options<S, E, R>) =>
  Effect.gen(function* () {
    yield* refusePerFiber(first, "Fallback")
    const where: Where = { agent: first.name, key: first.key }
    const second = yield* options.second(Standby(first.codec.schema))
    yield* checked(first.name, first.claims, second.claims, options)
    const link = yield* linkOf(first.name, options)
    const lifetime = yield* Lifetime.make
    const merge = options.merge ?? ours
    const cell = new Cell({ where, codec: first.codec, first: first.internals.register, second, link, merge })
    const guarded = Lifetime.guard(cell, where, lifetime)
    const agent = DataAgent.wrap(first, () => guarded, claims(first.claims, second.claims))
    return Object.assign(agent, watched(link, cell.open))
  })
)

/** A family with another one to fall to. */
export const family: {
  <S, E, R>(
    options: FamilyOptions<S, E, R>
  ): (first: Family.Family<S>) => Effect.Effect<FallbackFamily<S>, E | StorageUnavailable, R | Scope.Scope>
  <S, E, R>(
    first: Family.Family<S>,
    options: FamilyOptions<S, E, R>
  ): Effect.Effect<FallbackFamily<S>, E | StorageUnavailable, R | Scope.Scope>
} = Function.dual(2, <S, E, R>(first: Family.Family<S>, options: FamilyOptions<S, E, R>) =>
  Effect.gen(function* () {
    const { codec, name } = first
    yield* refusePerFiber(first.at(""), "Fallback")
    const second = yield* options.second(Standby(codec.schema))
    yield* checked(name, first.claims, second.claims, options)
    const link = yield* linkOf(name, options)
    const merge = options.merge ?? ours
    const lifetime = yield* Lifetime.make
    const cells = new Cells(options.remember ?? 1_000, (key) => {
      const below = first.at(key)
      const where: Where = { agent: name, key }
      return new Cell({
        where,
        codec: below.codec,
        first: below.internals.register,
        second: second.at(key),
        link,
        merge
      })
    })
    const promised = claims(first.claims, second.claims)
    const open = Stream.runForEach(second.keys(), (key) => cells.at(key).open)
    const family = Family.fromAgents<S>({
      name,
      codec,
      claims: promised,
      at: (key) =>
        DataAgent.wrap(first.at(key), () => Lifetime.guard(cells.at(key), { agent: name, key }, lifetime), promised),
      keys: (options) =>
        Stream.unwrap(
          Effect.flatMap(Effect.andThen(open, link.settle), (waits) =>
            waits
              ? Effect.fail(
                  new StorageUnavailable({ agent: name, operation: "list", reason: waiting, retryable: true })
                )
              : Effect.succeed(first.keys(options))
          )
        )
    })
    return Object.assign(family, watched(link, open))
  })
)

const waiting = "some of its states wait for the first agent to come back"

const ours = <S>(_first: Option.Option<S>, second: Option.Option<S>): Option.Option<S> => second

const linkOf = (
  name: string,
  { logs = true, retryAfter = "1 second" }: Pick<Options<never, never, never>, "logs" | "retryAfter">
) =>
  Effect.gen(function* () {
    const status = yield* SubscriptionRef.make<Status>("first")
    return new Link(name, status, Duration.toMillis(retryAfter), logs, yield* Effect.scope)
  })

const watched = (link: Link, open: Effect.Effect<void, ReadError>): Watched => {
  const status = SubscriptionRef.get(link.status)
  return {
    status,
    statusChanges: SubscriptionRef.changes(link.status),
    heal: open.pipe(Effect.andThen(link.settle), Effect.andThen(status))
  }
}
