import { Cause, Deferred, Effect, Exit, Option, Result, type Scope } from "effect"
import { type Owned, own } from "../../agents/internal/owned.ts"
import { type Draft, invalid, type StateRegister, type Where } from "../../agents/internal/stateRegister.ts"
import type { Expected, Revision, Revisioned } from "../../agents/Revision.ts"
import {
  type CompareError,
  isStateError,
  type ReadError,
  StorageUnavailable,
  type WriteError,
  WriteIndeterminate
} from "../../agents/StateError.ts"
import type { Codec } from "../../schema/Codec.ts"
import { positionOf } from "../internal/position.ts"
import type { Copy } from "./Copy.ts"
import type { Follower } from "./Follower.ts"

/** What one state is kept with. */
export interface Parts<in out S> {
  readonly where: Where
  readonly codec: Codec<S>
  readonly leader: StateRegister<S>
  readonly followers: ReadonlyArray<Follower<S>>
  /** How many of the followers have to hold what is acknowledged. */
  readonly needed: number
  readonly read: "leader" | "quorum"
  readonly scope: Scope.Scope
}

/** How many followers had to do something, and which of them could not, and why. */
interface TooFew {
  readonly reason: string
}

type Found<S> = Option.Option<Revisioned<S>>

const savedAt = (revision: Revision): number => positionOf({ _tag: "Saved", revision })

/** One state with a leader, which decides, and followers, which hold copies. */
export class Mirror<in out S> {
  readonly #parts: Parts<S>
  /** How far the followers were told, in the order of commits. */
  #told = -1
  /** When one that failed is told again. */
  #tellAt = 0
  /** How often it showed that the leader may have what too few followers hold, and up to where that was put right. */
  #doubts = 0
  #settled = 0

  constructor(parts: Parts<S>) {
    this.#parts = parts
    this.read = parts.read === "leader" ? this.#readLeader : this.#readQuorum
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  readonly read: Effect.Effect<Found<S>, ReadError>

  /** The leader's state. Followers that are not known to have it are told. */
  get #readLeader(): Effect.Effect<Found<S>, ReadError> {
    return Effect.flatMap(this.#parts.leader.read, (found) =>
      Option.isNone(found) || this.#told >= savedAt(found.value.revision)
        ? Effect.succeed(found)
        : Effect.as(this.#tell(found.value), found)
    )
  }

  /** The leader's state once enough followers have it too; where the leader does not answer, the newest that they have. */
  get #readQuorum(): Effect.Effect<Found<S>, ReadError> {
    return Effect.suspend(() => {
      const doubts = this.#doubts
      return Effect.matchEffect(this.#parts.leader.read, {
        onSuccess: (found) =>
          Effect.mapBoth(Option.isNone(found) ? this.#forget : this.#confirm(found.value), {
            onSuccess: () => {
              this.#settled = Math.max(this.#settled, doubts)
              return found
            },
            onFailure: (missing) => this.#unconfirmed(missing)
          }),
        onFailure: (error): Effect.Effect<Found<S>, ReadError> =>
          error._tag === "StorageUnavailable" && error.retryable && this.#settled === this.#doubts
            ? this.#readFollowers(error)
            : Effect.fail(error)
      })
    })
  }

  /** What nobody can have read of an unfinished write before is not read now either, or is finished first. */
  #readFollowers(cause: StorageUnavailable): Effect.Effect<Found<S>, ReadError> {
    const { followers, needed } = this.#parts
    return Effect.gen({ self: this }, function* () {
      const answers = yield* Effect.forEach(followers, ({ current }) => Effect.result(current), {
        concurrency: "unbounded"
      })
      const copies = answers.flatMap((answer) => (Result.isSuccess(answer) ? [answer.success] : []))
      // So many that one of them holds whatever was acknowledged.
      if (needed === 0 || copies.length <= followers.length - needed) return yield* cause
      const newest = copies
        .flatMap(Option.toArray)
        .reduce<Copy<S> | undefined>((a, b) => (a === undefined || positionOf(a) < positionOf(b) ? b : a), undefined)
      if (newest === undefined) return Option.none()
      const confirmed =
        newest._tag === "Saved" ? this.#confirm(newest) : this.#spread(positionOf(newest), Effect.succeed(newest))
      yield* Effect.mapError(confirmed, (missing) => this.#unconfirmed(missing))
      return newest._tag === "Deleted" ? Option.none() : Option.some(withoutTag(newest))
    })
  }

  #unconfirmed(missing: TooFew): StorageUnavailable {
    const reason = `what was read has to be held by ${missing.reason}`
    return new StorageUnavailable({ ...this.#parts.where, operation: "read", reason, retryable: true })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing

  readonly write = (draft: Draft<S>, expected: Expected): Effect.Effect<Revision, CompareError> => {
    const { codec, leader } = this.#parts
    // Followers may take it after the write has returned, when the caller's object is no longer what it was.
    return Effect.flatMap(draft.owned(codec), (owned) =>
      Effect.tap(this.#doubting(leader.write(draft, expected)), (revision) =>
        this.#acknowledged(savedAt(revision), copyOf(owned, revision, draft.savedAt))
      )
    )
  }

  get remove(): Effect.Effect<Option.Option<Revision>, WriteError> {
    return Effect.tap(this.#doubting(this.#parts.leader.remove), (removed): Effect.Effect<void, WriteIndeterminate> => {
      if (Option.isNone(removed))
        return this.#parts.read === "leader"
          ? Effect.void
          : Effect.mapError(this.#forget, (missing) => this.#indeterminate(missing))
      const copy: Copy<S> = { _tag: "Deleted", revision: removed.value }
      return this.#acknowledged(positionOf(copy), Effect.succeed(copy))
    })
  }

  /** After a write whose end is not known, or that met one that nobody has read yet, the leader is to be asked. */
  #doubting<A, E extends CompareError>(write: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.onExit(write, (exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) return
        const error = Cause.squash(exit.cause)
        const isKnown = isStateError(error) && error._tag !== "WriteIndeterminate" && error._tag !== "RevisionConflict"
        if (!isKnown) this.#doubts++
      })
    )
  }

  #acknowledged(position: number, copy: Effect.Effect<Copy<S>, CompareError>): Effect.Effect<void, WriteIndeterminate> {
    return Effect.mapError(this.#spread(position, copy), (missing) => this.#indeterminate(missing))
  }

  #indeterminate(missing: TooFew): WriteIndeterminate {
    this.#doubts++
    const reason = `the leader has it, and it has to be held by ${missing.reason}`
    return new WriteIndeterminate({ ...this.#parts.where, reason })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Followers

  /** Brings all followers to what the leader has; answers the names of those that could not be. */
  get repair(): Effect.Effect<ReadonlyArray<string>, ReadError> {
    const { followers, leader } = this.#parts
    return Effect.gen({ self: this }, function* () {
      const found = yield* leader.read
      const copy = Option.isSome(found) ? yield* this.#copy(found.value) : undefined
      const repaired = (follower: Follower<S>) =>
        Option.isSome(found) && copy !== undefined
          ? follower.take(savedAt(found.value.revision), copy)
          : follower.forget(this.#hasNone)
      const behind = yield* Effect.forEach(
        followers,
        (follower) => Effect.match(repaired(follower), { onSuccess: () => [], onFailure: () => [follower.agent.name] }),
        { concurrency: "unbounded" }
      )
      return behind.flat()
    })
  }

  get #hasNone(): Effect.Effect<boolean, ReadError> {
    return Effect.map(this.#parts.leader.read, Option.isNone)
  }

  /**
   * Has all followers forget what the leader does not have. Nobody can tell up to which revision it was deleted, so that
   * one that was not reached might bring it back.
   */
  get #forget(): Effect.Effect<void, TooFew> {
    const all = this.#parts.followers.length
    return this.#enough(all, (follower) => follower.forget(this.#hasNone))
  }

  #confirm(found: Revisioned<S>): Effect.Effect<void, TooFew> {
    const position = savedAt(found.revision)
    const { followers, needed } = this.#parts
    if (followers.filter(({ held }) => held >= position).length >= needed)
      return this.#told >= position ? Effect.void : this.#tell(found)
    return Effect.flatMap(this.#copy(found), (copy) => this.#spread(position, copy))
  }

  /** A copy for each follower, whatever becomes of the state meanwhile. */
  #copy({ revision, savedAt, state }: Revisioned<S>): Effect.Effect<Effect.Effect<Copy<S>, CompareError>> {
    const { codec, where } = this.#parts
    return Effect.match(own(codec, state), {
      onSuccess: (owned) => copyOf(owned, revision, savedAt),
      onFailure: (error) => Effect.fail(invalid(where, error))
    })
  }

  /** Tells the followers, unless one of them has just failed, and does not wait for them. */
  #tell(found: Revisioned<S>): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      if (clock.currentTimeMillisUnsafe() < this.#tellAt) return Effect.void
      const position = savedAt(found.revision)
      this.#told = Math.max(this.#told, position)
      return Effect.flatMap(this.#copy(found), (copy) => this.#start((follower) => follower.take(position, copy)))
    })
  }

  /** Tells the followers of a commit, and waits until enough of them hold it. */
  #spread(position: number, copy: Effect.Effect<Copy<S>, CompareError>): Effect.Effect<void, TooFew> {
    this.#told = Math.max(this.#told, position)
    return this.#enough(this.#parts.needed, (follower) => follower.take(position, copy))
  }

  /** Has every follower do something, and waits until enough of them have, or cannot. */
  #enough(
    needed: number,
    run: (follower: Follower<S>) => Effect.Effect<void, CompareError>
  ): Effect.Effect<void, TooFew> {
    const { length } = this.#parts.followers
    return Effect.suspend(() => {
      const enough = Deferred.makeUnsafe<void, TooFew>()
      const failures: Array<string> = []
      let done = 0
      const started = this.#start(run, (follower, exit) => {
        if (Exit.isSuccess(exit)) done++
        else failures.push(`"${follower.agent.name}" failed with ${nameOf(exit.cause)}`)
        if (done === needed) Deferred.doneUnsafe(enough, Exit.void)
        if (failures.length === length - needed + 1)
          Deferred.doneUnsafe(
            enough,
            Exit.fail({ reason: `${needed} of ${length} followers, of which ${failures.join(", ")}` })
          )
      })
      return Effect.andThen(started, needed === 0 ? Effect.void : Deferred.await(enough))
    })
  }

  /** In fibers of their own: a follower that takes long, or for ever, is not waited for. */
  #start(
    run: (follower: Follower<S>) => Effect.Effect<void, CompareError>,
    ended?: (follower: Follower<S>, exit: Exit.Exit<void, CompareError>) => void
  ): Effect.Effect<void> {
    const one = (follower: Follower<S>) =>
      Effect.onExit(run(follower), (exit) =>
        Effect.clockWith((clock) => {
          if (Exit.isFailure(exit)) {
            this.#told = -1
            this.#tellAt = clock.currentTimeMillisUnsafe() + patienceMillis
          }
          ended?.(follower, exit)
          return Effect.void
        })
      )
    const { followers, scope } = this.#parts
    return Effect.forEach(
      followers,
      (follower) => Effect.forkIn(Effect.exit(one(follower)), scope, { startImmediately: true }),
      { discard: true }
    )
  }
}

/** How long a follower is let be, by reads that could do without it, after it failed. */
const patienceMillis = 1_000

const copyOf = <S>(owned: Owned<S>, revision: Revision, savedAt: number): Effect.Effect<Copy<S>> =>
  // It was encoded and decoded once already where it has to be, so an error here is a defect.
  Effect.map(Effect.orDie(owned.get), (state) => ({ _tag: "Saved", revision, savedAt, state }))

const withoutTag = <S>({ revision, savedAt, state }: Revisioned<S>): Revisioned<S> => ({ state, revision, savedAt })

const nameOf = (cause: Cause.Cause<CompareError>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "an interrupt"
  const error = Cause.squash(cause)
  if (!isStateError(error)) return "a defect"
  return error._tag === "StorageUnavailable" ? `StorageUnavailable (${error.reason})` : error._tag
}
