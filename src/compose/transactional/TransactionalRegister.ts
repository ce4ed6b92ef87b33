import { Effect, Exit, Fiber, Option } from "effect"
import type * as DataAgent from "../../agents/DataAgent.ts"
import type { Lock } from "../../agents/internal/keyedLock.ts"
import type { Member } from "../../agents/internal/member.ts"
import { type Draft, decodeEntry, type Saving, type StateRegister } from "../../agents/internal/stateRegister.ts"
import type { Listener, Listening } from "../../agents/Register.ts"
import type { Expected, HistoryOptions, Revision } from "../../agents/Revision.ts"
import type { ReadError } from "../../agents/StateError.ts"
import * as Tenant from "../Tenant.ts"
import { alone } from "./alone.ts"
import { Current, type Subject, type Transaction } from "./Transaction.ts"

/** An agent's register and lock, and those of the transaction where the running fiber has one. */
export class TransactionalRegister<in out S> implements StateRegister<S> {
  readonly lock: Lock
  readonly #agent: DataAgent.DataAgent<S>
  readonly #below: StateRegister<S>
  readonly #identity: { readonly place: object; readonly key: string }
  #known: Subject | undefined
  #read: StateRegister<S>["read"] | undefined
  #remove: StateRegister<S>["remove"] | undefined

  /** `identity` says which state it is where the storage does not. */
  constructor(agent: DataAgent.DataAgent<S>, identity: { readonly place: object; readonly key: string }) {
    const { lock, register } = agent.internals
    this.#agent = agent
    this.#below = register
    this.#identity = identity
    const mine = <A, E, R>(use: (lock: Lock) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      this.#either(
        () => use(lock),
        (current, subject) => use(current.lock(subject))
      )
    this.lock = {
      hold: (effect) => mine((lock) => lock.hold(effect)),
      holdNow: (begin) => mine((lock) => lock.holdNow(begin)),
      holdForUser: (effect) => mine((lock) => lock.holdForUser(effect))
    }
  }

  #either<A, E, R>(
    outside: () => Effect.Effect<A, E, R>,
    inside: (current: Transaction, subject: Subject) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> {
    return Effect.flatMap(Current, (current) =>
      current === undefined ? outside() : Effect.flatMap(this.#subject, (subject) => inside(current, subject))
    )
  }

  get #subject(): Effect.Effect<Subject> {
    if (this.#known !== undefined) return Effect.succeed(this.#known)
    const { member } = this.#below
    if (member === undefined)
      // An agent below may be another one for each tenant.
      return Effect.map(Tenant.current, (tenant) => this.#as(alone(this.#agent, this.#identity, tenant)))
    this.#known = this.#as(member)
    return Effect.succeed(this.#known)
  }

  #as(member: Member): Subject {
    const { internals, key, name } = this.#agent
    return { where: { agent: name, key }, member, lock: internals.lock }
  }

  get member() {
    return this.#below.member
  }

  get read(): StateRegister<S>["read"] {
    this.#read ??= this.#either(
      () => this.#below.read,
      (current, subject) =>
        Effect.flatMap(current.read(subject), (found) =>
          Option.isNone(found)
            ? Exit.succeed(Option.none())
            : Effect.map(decodeEntry(this.#agent.codec, subject.where, found.value), Option.some)
        )
    )
    return this.#read
  }

  readonly write: StateRegister<S>["write"] = (draft, expected) =>
    this.#either(
      () => this.#below.write(draft, expected),
      (current, subject) =>
        Effect.flatMap(draft.payload(this.#agent.codec), (state) =>
          current.write(subject, { state, savedAt: draft.savedAt }, expected)
        )
    )

  // On the prototype, so that a copy with another `write` has no `begin` that goes past it.
  begin(draft: Draft<S>, expected: Expected, answer: (saving: Saving) => void): boolean {
    const isOutside = Fiber.getCurrent()?.getRef(Current) === undefined
    return isOutside && this.#below.begin?.(draft, expected, answer) === true
  }

  get remove(): StateRegister<S>["remove"] {
    this.#remove ??= this.#either(
      () => this.#below.remove,
      (current, subject): StateRegister<S>["remove"] => current.remove(subject)
    )
    return this.#remove
  }

  // What has been committed is what there is to tell of.

  readonly history = (options: HistoryOptions) => this.#below.history(options)

  readonly at = (revision: Revision) => this.#below.at(revision)

  readonly asOf = (time: number) => this.#below.asOf(time)

  get changes() {
    return this.#below.changes
  }

  listen(listener: Listener): Effect.Effect<Listening, ReadError> | undefined {
    return this.#below.listen?.(listener)
  }

  get entries() {
    return this.#below.entries
  }
}
