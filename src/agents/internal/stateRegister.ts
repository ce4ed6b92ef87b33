import { Effect, Exit, Option, Stream } from "effect"
import type { Codec, CodecError, Payload } from "../../schema/Codec.ts"
import type { Entry, Listener, Listening, NewEntry, Register } from "../Register.ts"
import * as Revision from "../Revision.ts"
import {
  type CompareError,
  type ReadError,
  RevisionConflict,
  StateCorrupt,
  StateInvalid,
  type WriteError
} from "../StateError.ts"
import type { Announcer } from "./hub.ts"
import { unlocked } from "./keyedLock.ts"
import type { Member } from "./member.ts"
import { type Owned, own } from "./owned.ts"
import { settled, succeeded } from "./settled.ts"

/** What an error says about its place. */
export interface Where {
  readonly agent: string
  readonly key?: string | undefined
}

/**
 * A state on its way to storage. It is encoded or copied at most once per codec, however many layers measure or store the
 * result, and that is done before the write returns, so that a later mutation by the caller reaches nobody.
 */
export class Draft<in out S> {
  readonly state: S
  readonly savedAt: number
  readonly where: Where
  #encoded: { readonly codec: Codec<S>; readonly payload: Payload } | undefined
  #begun: { readonly codec: Codec<S>; readonly payload: Effect.Effect<Payload, StateInvalid> } | undefined
  #owned: { readonly codec: Codec<S>; readonly copy: Effect.Effect<Owned<S>, StateInvalid> } | undefined

  constructor(where: Where, state: S, savedAt: number) {
    this.where = where
    this.state = state
    this.savedAt = savedAt
  }

  payload(codec: Codec<S>): Effect.Effect<Payload, StateInvalid> {
    if (this.#encoded?.codec === codec) return Exit.succeed(this.#encoded.payload)
    if (this.#begun?.codec === codec) return this.#begun.payload
    return this.#noted(codec, codec.encode(this.state))
  }

  /** The same, where a codec answers at once. */
  payloadNow(codec: Codec<S>): Payload | undefined {
    if (this.#encoded?.codec === codec) return this.#encoded.payload
    if (this.#begun?.codec === codec) return undefined
    const encoding = codec.encode(this.state)
    const encoded = succeeded(encoding)
    // What a codec did at once (to encode) is not done again for what it does later (to compress, in a thread).
    if (encoded === undefined) this.#begun = { codec, payload: this.#noted(codec, encoding) }
    else this.#encoded = { codec, payload: encoded.value }
    return encoded?.value
  }

  #noted(codec: Codec<S>, encoding: Effect.Effect<Payload, CodecError>): Effect.Effect<Payload, StateInvalid> {
    return Effect.mapBothEager(encoding, {
      onFailure: (error) => invalid(this.where, error),
      onSuccess: (payload) => {
        this.#encoded = { codec, payload }
        return payload
      }
    })
  }

  /** A private copy, where states are kept as they are. */
  owned(codec: Codec<S>): Effect.Effect<Owned<S>, StateInvalid> {
    if (this.#owned?.codec === codec) return this.#owned.copy
    const copy = Effect.mapErrorEager(own(codec, this.state), (error) => invalid(this.where, error))
    // What takes time to copy is the caller's until then, and copied anew for each who asks.
    if (settled(copy) !== undefined) this.#owned = { codec, copy }
    return copy
  }

  /** The same, where it is copied at once and fits. */
  ownedNow(codec: Codec<S>): Owned<S> | undefined {
    return succeeded(this.owned(codec))?.value
  }
}

/** The agent's error for a state that a codec refused. */
export const invalid = (where: Where, error: CodecError): StateInvalid =>
  new StateInvalid({ ...where, path: error.path, reason: error.reason })

const corrupt = (where: Where, revision: Revision.Revision, error: CodecError): StateCorrupt =>
  new StateCorrupt({
    ...where,
    location: `revision ${revision}${error.path.length === 0 ? "" : `, at "${error.path.map(String).join(".")}"`}`,
    reason: error.reason
  })

/** What a write comes to. */
export type Saving = Effect.Effect<Revision.Revision, CompareError>

/** What was found of a state. */
export type Found<S> = Effect.Effect<Option.Option<Revision.Revisioned<S>>, ReadError>

/** The storage of one state, in states rather than bytes: what combinators wrap. */
export interface StateRegister<in out S> {
  readonly read: Found<S>
  /** As in `Register`. */
  readonly beginRead?: ((answer: (found: Found<S>) => void) => (() => void) | undefined) | undefined
  readonly write: (next: Draft<S>, expected: Revision.Expected) => Effect.Effect<Revision.Revision, CompareError>
  /** As in `Register`. */
  readonly begin?:
    | ((next: Draft<S>, expected: Revision.Expected, answer: (saving: Saving) => void) => boolean)
    | undefined
  readonly remove: Effect.Effect<Option.Option<Revision.Revision>, WriteError>
  readonly history: (options: Revision.HistoryOptions) => Stream.Stream<Revision.Revisioned<S>, ReadError>
  readonly at: (revision: Revision.Revision) => Effect.Effect<Option.Option<Revision.Revisioned<S>>, ReadError>
  readonly asOf: (time: number) => Effect.Effect<Option.Option<Revision.Revisioned<S>>, ReadError>
  readonly changes: Stream.Stream<Revision.Change<S>, ReadError>
  /** As in `Register`. */
  readonly listen?: ((listener: Listener) => Effect.Effect<Listening, ReadError> | undefined) | undefined
  /** What is stored, as it is stored: payloads, or states as they are. Absent where that is not known. */
  readonly entries?: Entries | "states" | undefined
  /** As in `Register`. */
  readonly member?: Member | undefined
}

/** The stored payloads of one state. */
export interface Entries {
  readonly read: Effect.Effect<Option.Option<Entry>, ReadError>
  readonly history: (options: Revision.HistoryOptions) => Stream.Stream<Entry, ReadError>
}

/** Reads, at once where the register can, and makes of it what `use` says. */
export const read = <S, A, E>(
  register: StateRegister<S>,
  use: (current: Option.Option<Revision.Revisioned<S>>) => Effect.Effect<A, E>
): Effect.Effect<A, E | ReadError> => {
  const { beginRead } = register
  if (beginRead === undefined) return Effect.flatMap(register.read, use)
  return Effect.callback((resume) => {
    const stop = beginRead((found) => resume(Effect.flatMapEager(found, use)))
    if (stop !== undefined) return Effect.sync(stop)
    return resume(Effect.flatMap(register.read, use))
  })
}

/** Writes, at once where the register can. */
export const write = <S>(register: StateRegister<S>, next: Draft<S>, expected: Revision.Expected): Saving =>
  unlocked((answer) => (register.begin?.(next, expected, answer) === true ? undefined : register.write(next, expected)))

/** What an unconditional write comes to. */
export const overwritten = (saving: Saving): Effect.Effect<void, WriteError> =>
  succeeded(saving) === undefined
    ? // Under "any" a register does not compare revisions, so a conflict here is a defect of the backend.
      Effect.mapEager(
        Effect.catchEager(saving, (error) => (error._tag === "RevisionConflict" ? Exit.die(error) : Exit.fail(error))),
        () => undefined
      )
    : Exit.void

/** Writes whatever the current revision is. */
export const overwrite = <S>(register: StateRegister<S>, next: Draft<S>): Effect.Effect<void, WriteError> =>
  overwritten(register.write(next, "any"))

/** Decodes an entry. */
export const decodeEntry = <S>(
  codec: Codec<S>,
  where: Where,
  entry: Entry
): Effect.Effect<Revision.Revisioned<S>, StateCorrupt> => {
  const { revision, savedAt } = entry
  return Effect.mapBothEager(codec.decode(entry.state), {
    onSuccess: (state) => ({ state, revision, savedAt }),
    onFailure: (error) => corrupt(where, revision, error)
  })
}

/** The entry that a state that was read is decoded from. */
export const encodeEntry = <S>(
  codec: Codec<S>,
  where: Where,
  { revision, savedAt, state }: Revision.Revisioned<S>
): Effect.Effect<Entry, StateCorrupt> =>
  Effect.mapBothEager(codec.encode(state), {
    onSuccess: (state) => ({ state, revision, savedAt }),
    onFailure: (error) => corrupt(where, revision, error)
  })

const nothing = Exit.succeed(Option.none())

/** A register of payloads as a register of states. */
export const fromEntries = <S>(
  register: Register,
  codec: Codec<S>,
  where: Where,
  announcer: Announcer<Payload>
): StateRegister<S> => new Decoded(register, codec, where, announcer)

// Members on the prototype: the register of a key is made for each use of the key, and kept with each key that is cached.
class Decoded<in out S> implements StateRegister<S> {
  readonly #register: Register
  readonly #codec: Codec<S>
  readonly #where: Where
  readonly #announcer: Announcer<Payload>

  constructor(register: Register, codec: Codec<S>, where: Where, announcer: Announcer<Payload>) {
    this.#register = register
    this.#codec = codec
    this.#where = where
    this.#announcer = announcer
  }

  get read(): StateRegister<S>["read"] {
    return Effect.flatMap(this.#register.read, (entry) => this.#decodeOption(entry))
  }

  get beginRead(): StateRegister<S>["beginRead"] {
    const register = this.#register
    if (register.beginRead === undefined) return undefined
    return (answer) => register.beginRead?.((entry) => answer(this.#decoded(entry)))
  }

  write(next: Draft<S>, expected: Revision.Expected): Saving {
    return Effect.flatMap(next.payload(this.#codec), (state) => {
      const entry: NewEntry = { state, savedAt: next.savedAt }
      // Once it has begun, a write runs to its end: an interrupt finds it not begun or acknowledged.
      return Effect.uninterruptible(this.#told(entry, this.#register.write(entry, expected)))
    })
  }

  begin(next: Draft<S>, expected: Revision.Expected, answer: (saving: Saving) => void): boolean {
    if (this.#register.begin === undefined) return false
    const state = next.payloadNow(this.#codec)
    if (state === undefined) return false
    const entry: NewEntry = { state, savedAt: next.savedAt }
    return this.#register.begin(entry, expected, (saving) => answer(this.#told(entry, saving)))
  }

  get remove(): StateRegister<S>["remove"] {
    return Effect.uninterruptible(
      Effect.map(this.#register.remove, (removed) => {
        if (Option.isSome(removed)) this.#announcer.publish(Revision.deleted(removed.value))
        return removed
      })
    )
  }

  history(options: Revision.HistoryOptions): ReturnType<StateRegister<S>["history"]> {
    return Stream.mapEffect(this.entries.history(options), (entry) => this.#decode(entry))
  }

  get entries(): Entries {
    const register = this.#register
    return {
      read: register.read,
      history: (options) => register.history?.(options) ?? onlyCurrent(register.read, options)
    }
  }

  get member(): StateRegister<S>["member"] {
    return this.#register.member
  }

  at(revision: Revision.Revision): ReturnType<StateRegister<S>["at"]> {
    if (this.#register.at !== undefined)
      return Effect.flatMap(this.#register.at(revision), (entry) => this.#decodeOption(entry))
    const before = this.history({ before: Revision.make(revision + 1), limit: 1 })
    return Stream.runHead(Stream.filter(before, (entry) => entry.revision === revision))
  }

  asOf(time: number): ReturnType<StateRegister<S>["asOf"]> {
    return this.#register.asOf === undefined
      ? Stream.runHead(Stream.filter(this.history({}), ({ savedAt }) => savedAt <= time))
      : Effect.flatMap(this.#register.asOf(time), (entry) => this.#decodeOption(entry))
  }

  get changes(): StateRegister<S>["changes"] {
    return Stream.mapEffect(
      this.#register.changes ?? this.#announcer.changes(this.#register.read),
      (change): Effect.Effect<Revision.Change<S>, StateCorrupt> =>
        change._tag === "Deleted" ? Exit.succeed(change) : Effect.map(this.#decode(change), Revision.saved)
    )
  }

  listen(listener: Listener): Effect.Effect<Listening, ReadError> | undefined {
    const { changes, listen } = this.#register
    if (listen !== undefined) return this.#register.listen?.(listener)
    return changes === undefined ? Exit.succeed(this.#announcer.listen(listener)) : undefined
  }

  #decode(entry: Entry): Effect.Effect<Revision.Revisioned<S>, StateCorrupt> {
    return decodeEntry(this.#codec, this.#where, entry)
  }

  #decodeOption(entry: Option.Option<Entry>): Effect.Effect<Option.Option<Revision.Revisioned<S>>, StateCorrupt> {
    if (Option.isNone(entry)) return nothing
    const { revision, savedAt, state } = entry.value
    return Effect.mapBothEager(this.#codec.decode(state), {
      onSuccess: (state) => Option.some({ state, revision, savedAt }),
      onFailure: (error) => corrupt(this.#where, revision, error)
    })
  }

  // Outside of a fiber, what a codec throws would reach the storage.
  #decoded(entry: Register["read"]): Found<S> {
    try {
      return Effect.flatMapEager(entry, (entry) => this.#decodeOption(entry))
    } catch (defect) {
      return Exit.die(defect)
    }
  }

  #told(entry: NewEntry, saving: Saving): Saving {
    const saved = succeeded(saving)
    if (saved !== undefined) {
      this.#tell(entry, saved.value)
      return saved
    }
    return Effect.mapBothEager(saving, {
      onSuccess: (revision) => {
        this.#tell(entry, revision)
        return revision
      },
      // A register need not know under which name and key it serves.
      onFailure: (error) =>
        error._tag === "RevisionConflict"
          ? new RevisionConflict({ ...this.#where, expected: error.expected, actual: error.actual })
          : error
    })
  }

  #tell(entry: NewEntry, revision: Revision.Revision): void {
    if (this.#announcer.listening()) this.#announcer.publish(Revision.saved({ ...entry, revision }))
  }
}

/** The history of a backend that keeps none: the current entry. */
export const onlyCurrent = <A extends { readonly revision: Revision.Revision }, E>(
  read: Effect.Effect<Option.Option<A>, E>,
  options: Revision.HistoryOptions
): Stream.Stream<A, E> =>
  Stream.unwrap(
    Effect.map(read, (current) =>
      Option.isSome(current) &&
      (options.limit ?? 1) > 0 &&
      (options.before === undefined || current.value.revision < options.before)
        ? Stream.succeed(current.value)
        : Stream.empty
    )
  )
