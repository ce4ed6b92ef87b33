/**
 * A `DataAgent<S>` is one piece of typed state behind `load`, `save` and `modify`. Where the state lives is the
 * primitive's business; what it promises is in `claims`; what wraps it is in `dgents`' combinators.
 *
 * Every function here takes the agent first or, in a pipe, last.
 */
import {
  Clock,
  Context,
  Effect,
  Exit,
  Fiber,
  Function,
  Option,
  Pipeable,
  type Schema,
  type Scope,
  type Stream
} from "effect"
import { bind, type Codec, type Payload, toCodec } from "../schema/Codec.ts"
import type { Claims } from "./Claims.ts"
import { backoff } from "./internal/backoff.ts"
import { Hub } from "./internal/hub.ts"
import * as KeyedLock from "./internal/keyedLock.ts"
import * as Lifetime from "./internal/lifetime.ts"
import { type Owned, own } from "./internal/owned.ts"
import {
  Draft,
  fromEntries,
  invalid,
  overwritten,
  read,
  type Saving,
  type StateRegister,
  type Where,
  write
} from "./internal/stateRegister.ts"
import type { Register } from "./Register.ts"
import { absent, type Change, type Expected, type HistoryOptions, type Revision, type Revisioned } from "./Revision.ts"
import {
  type CompareError,
  type ReadError,
  RevisionConflict,
  type StateInvalid,
  StateNotFound,
  type WriteError
} from "./StateError.ts"

const TypeId: unique symbol = Symbol.for("dgents/DataAgent")

/** What `modify` and `update` do when somebody outside this process wrote in between. */
export interface ModifyOptions {
  /**
   * How often the function may run again after a conflict. A pure `update` retries without limit by default; an effect
   * in `modify` (a language-model call costs money) 16 times. Past it, the operation fails with `RevisionConflict`.
   */
  readonly retries?: number | undefined
}

/** One piece of typed state. */
export interface DataAgent<in out S> extends Pipeable.Pipeable {
  readonly [TypeId]: typeof TypeId
  /** Names the agent in errors, spans and metrics. */
  readonly name: string
  /** The key inside a family; absent for a single agent. */
  readonly key: string | undefined
  readonly codec: Codec<S>
  readonly claims: Claims
  /** The state; the agent's `initial` when none is stored. Never aliases another load, nor what was saved. */
  readonly load: Effect.Effect<S, StateNotFound | ReadError>
  /** Replaces the state. Acknowledged only when it is as durable as the claims say. */
  readonly save: (state: S) => Effect.Effect<void, WriteError>
  /** Replaces the state by a pure function of it, atomically, and answers the new one. */
  readonly update: (f: (state: S) => S, options?: ModifyOptions) => Effect.Effect<S, StateNotFound | CompareError>
  /**
   * Runs an effect on the state and stores what it returns, atomically. Calls on one agent are serialized, so that the
   * effect runs once unless another process wrote meanwhile. If it fails or is interrupted, the state is as before.
   */
  readonly modify: <A, E, R>(
    f: (state: S) => Effect.Effect<readonly [A, S], E, R>,
    options?: ModifyOptions
  ) => Effect.Effect<A, E | StateNotFound | CompareError, R>
  /** Removes the state and its history. Its revision numbers are not used again. */
  readonly delete: Effect.Effect<void, WriteError>
  /** The stored state with its revision and time; none when nothing is stored, whatever `initial` says. */
  readonly current: Effect.Effect<Option.Option<Revisioned<S>>, ReadError>
  /** Saves if the stored revision is the expected one (`Revision.absent` for "nothing is stored"). */
  readonly compareAndSave: (state: S, expected: Revision) => Effect.Effect<Revision, CompareError>
  /** Stored states, newest first, the current one included, as far back as the history claim reaches. */
  readonly history: (options?: HistoryOptions) => Stream.Stream<Revisioned<S>, ReadError>
  /**
   * The state of one revision that is still kept, or the one that was current at a time: of those saved until then, the
   * newest.
   */
  readonly at: (when: Revision | Date) => Effect.Effect<Revisioned<S>, StateNotFound | ReadError>
  /** The current state, then each commit once, in order, deletions included. Ends when the agent's scope closes. */
  readonly changes: Stream.Stream<Change<S>, ReadError>
  /** For authors of combinators: the storage below, and the lock that its writers hold. @internal */
  readonly internals: Internals<S>
}

/** What combinators build on. */
export interface Internals<in out S> {
  readonly register: StateRegister<S>
  readonly lock: KeyedLock.Lock
  readonly initial: Owned<S> | undefined
  /** Whether it depends on the running fiber which state it is: what holds states by key must not hold such ones. */
  readonly isPerFiber?: boolean | undefined
}

/** The state type of an agent. */
export type State<A> = A extends DataAgent<infer S> ? S : never

/** Whether a value is a data agent. */
export const isDataAgent = (u: unknown): u is DataAgent<unknown> => typeof u === "object" && u !== null && TypeId in u

/** Derives every operation from a state register, once. Operations are closures, so that they can be passed around. */
class DataAgentImpl<in out S> extends Pipeable.Class implements DataAgent<S> {
  readonly [TypeId]: typeof TypeId = TypeId
  readonly name: string
  readonly key: string | undefined
  readonly codec: Codec<S>
  readonly claims: Claims
  readonly internals: Internals<S>
  readonly #where: Where
  #load: Effect.Effect<S, StateNotFound | ReadError> | undefined

  constructor(where: Where, codec: Codec<S>, claims: Claims, internals: Internals<S>) {
    super()
    this.name = where.agent
    this.key = where.key
    this.codec = codec
    this.claims = claims
    this.internals = internals
    this.#where = where
  }

  get current() {
    return this.internals.register.read
  }

  get load(): Effect.Effect<S, StateNotFound | ReadError> {
    this.#load ??= read(this.internals.register, (current) =>
      Option.isSome(current) ? Exit.succeed(current.value.state) : this.#missing()
    )
    return this.#load
  }

  get delete(): Effect.Effect<void, WriteError> {
    return this.internals.lock.hold(Effect.asVoid(this.internals.register.remove))
  }

  get changes() {
    return this.internals.register.changes
  }

  readonly save = (state: S): Effect.Effect<void, WriteError> => this.#save(state, "any", overwritten)

  readonly compareAndSave = (state: S, expected: Revision): Effect.Effect<Revision, CompareError> =>
    this.#save(state, expected, Function.identity)

  readonly update = (f: (state: S) => S, options?: ModifyOptions): Effect.Effect<S, StateNotFound | CompareError> =>
    this.internals.lock.hold(
      this.#readModifyWrite((state) => {
        const next = f(state)
        return Exit.succeed([next, next] as const)
      }, options?.retries ?? Number.POSITIVE_INFINITY)
    )

  readonly modify = <A, E, R>(
    f: (state: S) => Effect.Effect<readonly [A, S], E, R>,
    options?: ModifyOptions
  ): Effect.Effect<A, E | StateNotFound | CompareError, R> =>
    this.internals.lock.holdForUser(this.#readModifyWrite(f, options?.retries ?? 16))

  readonly history = (options: HistoryOptions = {}) => this.internals.register.history(options)

  readonly at = (when: Revision | Date): Effect.Effect<Revisioned<S>, StateNotFound | ReadError> => {
    const { register } = this.internals
    // Nothing was saved before a date that is none.
    const found = typeof when === "number" ? register.at(when) : register.asOf(when.getTime())
    return Effect.flatMap(found, (found) =>
      Option.isSome(found)
        ? Exit.succeed(found.value)
        : Effect.fail(
            new StateNotFound(
              typeof when === "number" ? { ...this.#where, revision: when } : { ...this.#where, time: when }
            )
          )
    )
  }

  #missing(): Effect.Effect<S, StateNotFound> {
    const { initial } = this.internals
    // An initial was encoded and decoded once already, so a codec error here is a defect.
    return initial === undefined ? Effect.fail(new StateNotFound(this.#where)) : Effect.orDie(initial.get)
  }

  #save<A, E>(state: S, expected: Expected, toAnswer: (saving: Saving) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    const { lock, register } = this.internals
    return lock.holdNow((answer) => {
      const clock = Fiber.getCurrent()?.getRef(Clock.Clock)
      if (clock === undefined) return toAnswer(this.#write(state, expected))
      const draft = this.#draft(state, clock)
      const isBegun = register.begin?.(draft, expected, (saving) => answer(toAnswer(saving))) === true
      return isBegun ? undefined : toAnswer(register.write(draft, expected))
    })
  }

  #write(state: S, expected: Expected): Effect.Effect<Revision, CompareError> {
    return Effect.clockWith((clock) => write(this.internals.register, this.#draft(state, clock), expected))
  }

  #draft(state: S, clock: Clock.Clock): Draft<S> {
    return new Draft(this.#where, state, clock.currentTimeMillisUnsafe())
  }

  /** Reads, computes, and writes if nobody wrote in between; after a conflict all three again, with new data. */
  #readModifyWrite<A, E, R>(
    f: (state: S) => Effect.Effect<readonly [A, S], E, R>,
    retries: number
  ): Effect.Effect<A, E | StateNotFound | CompareError, R> {
    const attempt = Effect.flatMap(this.internals.register.read, (current) => {
      const isSome = Option.isSome(current)
      const expected = isSome ? current.value.revision : absent
      return Effect.flatMap(isSome ? Exit.succeed(current.value.state) : this.#missing(), (state) =>
        Effect.flatMap(f(state), ([answer, next]) => Effect.as(this.#write(next, expected), answer))
      )
    })
    if (retries <= 0) return attempt
    const isOwnConflict = (error: unknown): error is RevisionConflict =>
      error instanceof RevisionConflict && error.agent === this.name && error.key === this.key
    return Effect.catchIf(attempt, isOwnConflict, () =>
      Effect.retry(attempt, { while: isOwnConflict, schedule: backoff, times: retries - 1 })
    )
  }
}

/** @internal */
export const fromInternals = <S>(
  where: Where,
  codec: Codec<S>,
  claims: Claims,
  internals: Internals<S>
): DataAgent<S> => new DataAgentImpl(where, codec, claims, internals)

/** What every constructor of a single agent takes. */
export interface Options<S> {
  /** Names the agent in errors, spans and metrics. */
  readonly name: string
  /** What a state looks like; a codec where the stored form should be other than compact JSON. */
  readonly schema: Schema.Codec<S, unknown> | Codec<S>
  /** The state before the first save. With it, `load` cannot miss. */
  readonly initial?: S | undefined
}

/** What `fromRegister` takes besides. */
export interface RegisterOptions<S> extends Options<S> {
  readonly register: Register
  readonly claims: Claims
}

/**
 * An agent over a register of your own: some 20 lines of storage get schema, errors, atomic `modify`, history, `changes`
 * and the combinators. Fails with `StateInvalid` when `initial` does not fit the schema.
 */
export const fromRegister = <S>(options: RegisterOptions<S>): Effect.Effect<DataAgent<S>, StateInvalid, Scope.Scope> =>
  Effect.gen(function* () {
    const where: Where = { agent: options.name, key: undefined }
    const codec = bind(toCodec(options.schema), where)
    const lifetime = yield* Lifetime.make
    const hub = yield* Hub.make<Payload>()
    const register = fromEntries(options.register, codec, where, hub.at(""))
    return fromInternals(where, codec, options.claims, {
      register: Lifetime.guard(register, where, lifetime),
      lock: KeyedLock.KeyedLock.of(options.register.place, `agent "${options.name}"`).at(""),
      initial: yield* ownInitial(codec, where, options.initial)
    })
  })

/** The private copy of an `initial`, checked against the schema. @internal */
export const ownInitial = <S>(
  codec: Codec<S>,
  where: Where,
  initial: S | undefined
): Effect.Effect<Owned<S> | undefined, StateInvalid> =>
  initial === undefined
    ? Effect.succeed(undefined)
    : Effect.mapError(own(codec, initial), (error) =>
        invalid(where, { ...error, reason: `the initial state does not fit: ${error.reason}` })
      )

/**
 * An agent whose register is that of another one, wrapped: the lock, the announcements and the `initial` are shared with
 * it, so that both may be used side by side. What a combinator is made with. @internal
 */
export const wrap = <S>(
  agent: DataAgent<S>,
  f: (register: StateRegister<S>) => StateRegister<S>,
  claims: Claims = agent.claims
): DataAgent<S> =>
  fromInternals({ agent: agent.name, key: agent.key }, agent.codec, claims, {
    ...agent.internals,
    register: f(agent.internals.register)
  })

// ---------------------------------------------------------------------------------------------------------------------
// Functions, agent first or last

/** The state; the agent's `initial` when none is stored. */
export const load = <S>(self: DataAgent<S>): DataAgent<S>["load"] => self.load

/** The state if one is stored or the agent has an `initial`. */
export const loadOption = <S>(self: DataAgent<S>): Effect.Effect<Option.Option<S>, ReadError> => {
  const some = Effect.map(self.load, (state): Option.Option<S> => Option.some(state))
  return Effect.catchTag(some, "StateNotFound", () => Effect.succeed(Option.none<S>()))
}

/** Whether a state is stored, whatever `initial` says. */
export const exists = <S>(self: DataAgent<S>): Effect.Effect<boolean, ReadError> =>
  Effect.map(self.current, Option.isSome)

/** The stored state with its revision and time. */
export const current = <S>(self: DataAgent<S>): DataAgent<S>["current"] => self.current

/** Replaces the state. */
export const save: {
  <S>(state: NoInfer<S>): (self: DataAgent<S>) => Effect.Effect<void, WriteError>
  <S>(self: DataAgent<S>, state: NoInfer<S>): Effect.Effect<void, WriteError>
} = Function.dual(2, <S>(self: DataAgent<S>, state: S) => self.save(state))

/** Replaces the state by a pure function of it, atomically. */
export const update: {
  <S>(
    f: (state: S) => S,
    options?: ModifyOptions
  ): (self: DataAgent<S>) => Effect.Effect<S, StateNotFound | CompareError>
  <S>(self: DataAgent<S>, f: (state: S) => S, options?: ModifyOptions): Effect.Effect<S, StateNotFound | CompareError>
} = Function.dual(
  (args) => isDataAgent(args[0]),
  <S>(self: DataAgent<S>, f: (state: S) => S, options?: ModifyOptions) => self.update(f, options)
)

/** Runs an effect on the state and stores what it returns, atomically. */
export const modify: {
  <S, A, E, R>(
    f: (state: S) => Effect.Effect<readonly [A, S], E, R>,
    options?: ModifyOptions
  ): (self: DataAgent<S>) => Effect.Effect<A, E | StateNotFound | CompareError, R>
  <S, A, E, R>(
    self: DataAgent<S>,
    f: (state: S) => Effect.Effect<readonly [A, S], E, R>,
    options?: ModifyOptions
  ): Effect.Effect<A, E | StateNotFound | CompareError, R>
} = Function.dual(
  (args) => isDataAgent(args[0]),
  <S, A, E, R>(self: DataAgent<S>, f: (state: S) => Effect.Effect<readonly [A, S], E, R>, options?: ModifyOptions) =>
    self.modify(f, options)
)

/** Saves if the stored revision is the expected one. */
export const compareAndSave: {
  <S>(state: NoInfer<S>, expected: Revision): (self: DataAgent<S>) => Effect.Effect<Revision, CompareError>
  <S>(self: DataAgent<S>, state: NoInfer<S>, expected: Revision): Effect.Effect<Revision, CompareError>
} = Function.dual(3, <S>(self: DataAgent<S>, state: S, expected: Revision) => self.compareAndSave(state, expected))

const delete_ = <S>(self: DataAgent<S>): Effect.Effect<void, WriteError> => self.delete

export {
  /** Removes the state and its history. */
  delete_ as delete
}

/** Stored states, newest first, the current one included. */
export const history: {
  (options?: HistoryOptions): <S>(self: DataAgent<S>) => Stream.Stream<Revisioned<S>, ReadError>
  <S>(self: DataAgent<S>, options?: HistoryOptions): Stream.Stream<Revisioned<S>, ReadError>
} = Function.dual(
  (args) => isDataAgent(args[0]),
  <S>(self: DataAgent<S>, options?: HistoryOptions) => self.history(options)
)

/** The state of one revision that is still kept, or the one that was current at a time. */
export const at: {
  (when: Revision | Date): <S>(self: DataAgent<S>) => Effect.Effect<Revisioned<S>, StateNotFound | ReadError>
  <S>(self: DataAgent<S>, when: Revision | Date): Effect.Effect<Revisioned<S>, StateNotFound | ReadError>
} = Function.dual(2, <S>(self: DataAgent<S>, when: Revision | Date) => self.at(when))

/** Saves the state of an earlier revision or time again, as a new revision, and answers it. */
export const restore: {
  (when: Revision | Date): <S>(self: DataAgent<S>) => Effect.Effect<S, StateNotFound | WriteError>
  <S>(self: DataAgent<S>, when: Revision | Date): Effect.Effect<S, StateNotFound | WriteError>
} = Function.dual(2, <S>(self: DataAgent<S>, when: Revision | Date) =>
  Effect.flatMap(self.at(when), ({ state }) => Effect.as(self.save(state), state))
)

/** The current state, then each commit once, in order. */
export const changes = <S>(self: DataAgent<S>): DataAgent<S>["changes"] => self.changes

// ---------------------------------------------------------------------------------------------------------------------
// Programs depend on a state, not on a backend

/**
 * A service tag for an agent: a program asks for it, a layer decides where the state lives.
 *
 * ```ts
 * class Profile extends DataAgent.Service<Profile, typeof ProfileSchema.Type>()("app/Profile") {}
 * const greet = Effect.flatMap(Profile, (profile) => profile.load)
 * const inTests = Layer.effect(Profile, VolatileAgent.make({ name: "profile", schema: ProfileSchema }))
 * ```
 */
export const Service =
  <Self, S>() =>
  <const Id extends string>(id: Id): Context.ServiceClass<Self, Id, DataAgent<S>> =>
    Context.Service<Self, DataAgent<S>>()(id)
