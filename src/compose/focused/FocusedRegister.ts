import { Effect, Exit, Option, Stream } from "effect"
import type * as DataAgent from "../../agents/DataAgent.ts"
import { backoff } from "../../agents/internal/backoff.ts"
import { Draft, invalid, type StateRegister, type Where } from "../../agents/internal/stateRegister.ts"
import * as Register from "../../agents/Register.ts"
import {
  absent,
  type Change,
  deleted,
  type Expected,
  type HistoryOptions,
  type Revision,
  type Revisioned,
  make as revisionOf,
  saved
} from "../../agents/Revision.ts"
import { type CompareError, type ReadError, RevisionConflict, StateInvalid } from "../../agents/StateError.ts"
import { type Codec, json } from "../../schema/Codec.ts"
import type { OwnCommits } from "./OwnCommits.ts"

/** A part of a whole. */
export interface Part<in out S, in out A> {
  readonly codec: Codec<A>
  readonly find: (whole: S) => Option.Option<A>
  readonly put: (part: A, whole: S) => S
  /** Absent for a part that is always there. */
  readonly takeOut: ((whole: S) => S) | undefined
}

/** The register of a part, over that of the whole. */
export class FocusedRegister<in out S, in out A> implements StateRegister<A> {
  readonly read: StateRegister<A>["read"]
  readonly #where: Where
  readonly #whole: DataAgent.Internals<S>
  readonly #part: Part<S, A>
  /** What was read last: the write that follows upon it need not read again. */
  #last: Revisioned<S> | undefined
  readonly #own: OwnCommits

  constructor(where: Where, whole: DataAgent.Internals<S>, part: Part<S, A>, own: OwnCommits) {
    this.#where = where
    this.#whole = whole
    this.#part = part
    this.#own = own
    this.read = Effect.map(whole.register.read, (found) => {
      this.#last = Option.getOrUndefined(found)
      return Option.flatMap(found, this.#focus)
    })
  }

  readonly #focus = ({ revision, savedAt, state }: Revisioned<S>): Option.Option<Revisioned<A>> =>
    Option.map(this.#part.find(state), (state) => ({ state, revision, savedAt }))

  // -------------------------------------------------------------------------------------------------------------------
  // Writing

  readonly write = (draft: Draft<A>, expected: Expected): Effect.Effect<Revision, CompareError> =>
    Effect.flatMapEager(
      Effect.mapErrorEager(this.#part.codec.validate(draft.state), (error) => invalid(this.#where, error)),
      () => this.#replace(expected, draft.savedAt, (whole) => this.#part.put(draft.state, whole))
    )

  get remove(): StateRegister<A>["remove"] {
    const { takeOut } = this.#part
    return Effect.clockWith((clock) => {
      const removed = Effect.flatMap(this.read, (found): Effect.Effect<Option.Option<Revision>, CompareError> => {
        if (Option.isNone(found)) return Exit.succeed(Option.none())
        if (takeOut === undefined)
          return Effect.fail(this.#refused("it is a part that is always there, and cannot be deleted"))
        const { revision } = found.value
        return Effect.as(this.#replace(revision, clock.currentTimeMillisUnsafe(), takeOut), Option.some(revision))
      })
      // What another process wrote meanwhile is deleted too, so that no conflict is left.
      const insisting = Effect.retry(removed, { while: isConflict, schedule: backoff })
      return Effect.catchTag(insisting, "RevisionConflict", (conflict) => Effect.die(conflict))
    })
  }

  /** Writes the next whole if the part is at the revision expected. */
  #replace(expected: Expected, savedAt: number, next: (whole: S) => S): Effect.Effect<Revision, CompareError> {
    const { register } = this.#whole
    // A conflict about the part is an answer; one about the whole says nothing of the part, and it is looked at again.
    type Answer = Exit.Exit<Revision, RevisionConflict>
    const attempt = Effect.flatMap(this.#current(expected), (found): Effect.Effect<Answer, CompareError> => {
      const isThere = found !== undefined && Option.isSome(this.#part.find(found.state))
      const checked: Answer = Exit.map(
        Register.check(this.#where, expected, isThere ? found.revision : absent),
        () => absent
      )
      if (Exit.isFailure(checked)) return Exit.succeed(checked)
      return Effect.flatMap(found === undefined ? this.#initial : Exit.succeed(found.state), (whole) => {
        const draft = new Draft(this.#where, next(whole), savedAt)
        return Effect.map(
          this.#own.note(this.#where.key, register.write(draft, found?.revision ?? absent)),
          (revision) => Exit.succeed(revision)
        )
      })
    })
    const insisting = Effect.catchIf(attempt, isConflict, () =>
      Effect.retry(attempt, { while: isConflict, schedule: backoff })
    )
    return Effect.flatten(insisting)
  }

  /** The whole that a write builds on. It is written only if it is still the current one, so it may be one read before. */
  #current(expected: Expected): Effect.Effect<Revisioned<S> | undefined, ReadError> {
    return Effect.suspend(() => {
      const last = this.#last
      this.#last = undefined
      return expected !== "any" && last?.revision === expected
        ? Exit.succeed(last)
        : Effect.map(this.#whole.register.read, Option.getOrUndefined)
    })
  }

  get #initial(): Effect.Effect<S, StateInvalid> {
    const { initial } = this.#whole
    return initial === undefined
      ? Effect.fail(
          this.#refused(
            "there is no state yet that it could be a part of; save the whole first, or give it an `initial`"
          )
        )
      : Effect.orDie(initial.get)
  }

  #refused(reason: string): StateInvalid {
    return new StateInvalid({ ...this.#where, path: [], reason })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  readonly history = ({ before, limit }: HistoryOptions): Stream.Stream<Revisioned<A>, ReadError> => {
    const { register } = this.#whole
    if (this.#part.takeOut === undefined)
      return Stream.map(register.history({ before, limit }), (entry) => Option.getOrThrow(this.#focus(entry)))
    // A deletion of the part hides what came before, so that even an old page is looked for from the newest on.
    const present = Stream.map(register.history(before === undefined ? { limit } : {}), this.#focus).pipe(
      Stream.takeWhile(Option.isSome),
      Stream.map(({ value }) => value)
    )
    if (before === undefined) return present
    const older = Stream.filter(present, ({ revision }) => revision < before)
    return limit === undefined ? older : Stream.take(older, limit)
  }

  readonly at = (revision: Revision): StateRegister<A>["read"] =>
    this.#part.takeOut === undefined
      ? Effect.map(this.#whole.register.at(revision), Option.flatMap(this.#focus))
      : Stream.runHead(
          Stream.filter(
            this.history({ before: revisionOf(revision + 1), limit: 1 }),
            (entry) => entry.revision === revision
          )
        )

  readonly asOf = (time: number): StateRegister<A>["read"] =>
    this.#part.takeOut === undefined
      ? Effect.map(this.#whole.register.asOf(time), Option.flatMap(this.#focus))
      : Stream.runHead(Stream.filter(this.history({}), ({ savedAt }) => savedAt <= time))

  get changes(): Stream.Stream<Change<A>, ReadError> {
    return Stream.unwrap(
      Effect.map(this.#own.listen(this.#where.key), (isOwn) => {
        const plain = json(this.#part.codec.schema)
        // What is stored tells whether a part changed; one that cannot be told is taken for changed.
        const textOf = (part: A) => Effect.orElseSucceed(plain.encode(part), () => undefined)
        let shown: { readonly text: unknown; revision: Revision } | undefined
        const tell = (change: Change<S>): Effect.Effect<Change<A> | undefined> => {
          const found = change._tag === "Saved" ? this.#focus(change) : Option.none()
          return Effect.gen(function* () {
            const before = shown
            if (Option.isNone(found)) {
              shown = undefined
              return before === undefined ? undefined : deleted(before.revision)
            }
            const { revision, state } = found.value
            const text = yield* textOf(state)
            shown = { text, revision }
            const same = before !== undefined && text !== undefined && text === before.text
            return same && !(yield* isOwn(revision)) ? undefined : saved(found.value)
          })
        }
        return Stream.mapEffect(this.#whole.register.changes, tell).pipe(
          Stream.filter((change) => change !== undefined)
        )
      })
    )
  }
}

const isConflict = (error: CompareError): error is RevisionConflict => error instanceof RevisionConflict
