import { Effect, Exit, Option, Stream } from "effect"
import type { Codec, CodecError, Payload } from "../../schema/Codec.ts"
import type { Entry, NewEntry, Register } from "../Register.ts"
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
import type { Member } from "./member.ts"

/** What an error says about its place. */
export interface Where {
  readonly agent: string
  readonly key?: string | undefined
}

/**
 * A state on its way to storage. It is encoded at most once per codec, however many layers measure or store the result,
 * and the encoding is taken before the write returns, so that a later mutation by the caller reaches nobody.
 */
export class Draft<in out S> {
  readonly state: S
  readonly savedAt: number
  readonly where: Where
  #encoded: { readonly codec: Codec<S>; readonly payload: Payload } | undefined
  #begun: { readonly codec: Codec<S>; readonly payload: Effect.Effect<Payload, StateInvalid> } | undefined

  constructor(where: Where, state: S, savedAt: number) {
    this.where = where
    this.state = state
    this.savedAt = savedAt
  }

  payload(codec: Codec<S>): Effect.Effect<Payload, StateInvalid> {
    if (this.#encoded?.codec === codec) return Exit.succeed(this.#encoded.payload)
    if (this.#begun?.codec === codec) return this.#begun.payload
    return Effect.mapBothEager(codec.encode(this.state), {
      onFailure: (error) => invalid(this.where, error),
      onSuccess: (payload) => {
        this.#encoded = { codec, payload }
        return payload
      }
    })
  }

  /** The same, where a codec answers at once. */
  payloadNow(codec: Codec<S>): Payload | undefined {
    const payload = this.payload(codec)
    if (this.#encoded?.codec === codec) return this.#encoded.payload
    // What a codec did at once (to encode) is not done again for what it does later (to compress, in a thread).
    this.#begun = { codec, payload }
    return undefined
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

/** The storage of one state, in states rather than bytes: what combinators wrap. */
export interface StateRegister<in out S> {
  readonly read: Effect.Effect<Option.Option<Revision.Revisioned<S>>, ReadError>
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

/** Writes, at once where the register can. */
export const write = <S>(register: StateRegister<S>, next: Draft<S>, expected: Revision.Expected): Saving =>
  Effect.uninterruptibleMask((restore) =>
    Effect.callback((resume) => {
      if (register.begin?.(next, expected, resume) !== true) resume(restore(register.write(next, expected)))
    })
  )

/** What an unconditional write comes to. */
export const overwritten = (saving: Saving): Effect.Effect<void, WriteError> =>
  Effect.mapEager(
    // Under "any" a register does not compare revisions, so a conflict here is a defect of the backend.
    Effect.catchEager(saving, (error) => (error._tag === "RevisionConflict" ? Exit.die(error) : Exit.fail(error))),
    () => undefined
  )

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
): StateRegister<S> => {
  const decode = (entry: Entry) => decodeEntry(codec, where, entry)
  const decodeOption = (
    entry: Option.Option<Entry>
  ): Effect.Effect<Option.Option<Revision.Revisioned<S>>, StateCorrupt> => {
    if (Option.isNone(entry)) return nothing
    const { revision, savedAt, state } = entry.value
    return Effect.mapBothEager(codec.decode(state), {
      onSuccess: (state) => Option.some({ state, revision, savedAt }),
      onFailure: (error) => corrupt(where, revision, error)
    })
  }
  const entries: Entries = {
    read: register.read,
    history: (options) => register.history?.(options) ?? onlyCurrent(register.read, options)
  }
  const history: StateRegister<S>["history"] = (options) => Stream.mapEffect(entries.history(options), decode)
  const searched = (revision: Revision.Revision) =>
    Stream.runHead(
      Stream.filter(history({ before: Revision.make(revision + 1), limit: 1 }), (entry) => entry.revision === revision)
    )
  const told = (entry: NewEntry, saving: Saving): Saving =>
    Effect.mapBothEager(saving, {
      onSuccess: (revision) => {
        if (announcer.listening()) announcer.publish(Revision.saved({ ...entry, revision }))
        return revision
      },
      // A register need not know under which name and key it serves.
      onFailure: (error) =>
        error._tag === "RevisionConflict"
          ? new RevisionConflict({ ...where, expected: error.expected, actual: error.actual })
          : error
    })
  return {
    read: Effect.flatMap(register.read, decodeOption),
    write: (next, expected) =>
      Effect.flatMap(next.payload(codec), (state) => {
        const entry: NewEntry = { state, savedAt: next.savedAt }
        // Once it has begun, a write runs to its end: an interrupt finds it not begun or acknowledged.
        return Effect.uninterruptible(told(entry, register.write(entry, expected)))
      }),
    begin: (next, expected, answer) => {
      const state = register.begin === undefined ? undefined : next.payloadNow(codec)
      if (register.begin === undefined || state === undefined) return false
      const entry: NewEntry = { state, savedAt: next.savedAt }
      return register.begin(entry, expected, (saving) => answer(told(entry, saving)))
    },
    get remove() {
      return Effect.uninterruptible(
        Effect.map(register.remove, (removed) => {
          if (Option.isSome(removed)) announcer.publish(Revision.deleted(removed.value))
          return removed
        })
      )
    },
    history,
    entries,
    get member() {
      return register.member
    },
    at: (revision) =>
      register.at === undefined ? searched(revision) : Effect.flatMap(register.at(revision), decodeOption),
    asOf: (time) =>
      register.asOf === undefined
        ? Stream.runHead(Stream.filter(history({}), ({ savedAt }) => savedAt <= time))
        : Effect.flatMap(register.asOf(time), decodeOption),
    get changes() {
      return Stream.mapEffect(
        register.changes ?? announcer.changes(register.read),
        (change): Effect.Effect<Revision.Change<S>, StateCorrupt> =>
          change._tag === "Deleted" ? Exit.succeed(change) : Effect.map(decode(change), Revision.saved)
      )
    }
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
