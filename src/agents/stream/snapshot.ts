import { Effect, Exit, Option, Schema } from "effect"
import type { Codec } from "../../schema/Codec.ts"
import type { DataAgent } from "../DataAgent.ts"
import { placeOf } from "../internal/place.ts"
import type { Where } from "../internal/stateRegister.ts"
import * as Revision from "../Revision.ts"
import { type CompareError, type ReadError, StorageUnavailable } from "../StateError.ts"

/** A state with the position of the last event that is in it. */
const Mark = Schema.Struct({
  position: Schema.Int,
  /** When that event was appended: says whether the log is still the one it was. */
  at: Schema.Number,
  /** The position of the last deletion; 0 for none. */
  since: Schema.Int,
  /** As the schema of the state encodes it. */
  state: Schema.String
})

/** A mark, with the state encoded. */
export type Mark = typeof Mark.Type

/** What a snapshot looks like, whatever the state: the schema of the agent, or the family, that snapshots are kept in. */
export const Snapshot = Schema.Struct({
  /** Of which stream, fold, version and schema. Another one does not read it. */
  fold: Schema.String,
  latest: Mark,
  /** Where the events begin that a compaction left. */
  base: Schema.optionalKey(Mark)
})

/** What a snapshot looks like. */
export type Snapshot = typeof Snapshot.Type

/** Where snapshots are kept, and when they are taken. */
export interface Snapshots<A> {
  /** Any agent, or for a family any family, whose schema is `StreamAgent.Snapshot`; used for these snapshots alone. */
  readonly agent: A
  /** After so many events, by the load that reads them. Default: 1 000, unless `bytes` is given. */
  readonly every?: number | undefined
  /** After so many bytes of events, as UTF-16 units of their JSON. Default: by `every` alone. */
  readonly bytes?: number | undefined
}

// How often others may save in between before a compaction gives up.
const attempts = 16

/** The snapshots of one fold over one stream. */
export class Keeper<in out S> {
  readonly agent: DataAgent<Snapshot>
  readonly every: number
  readonly bytes: number
  readonly #fold: string
  readonly #codec: Codec<S>
  readonly #where: Where

  constructor({ agent, bytes, every }: Snapshots<DataAgent<Snapshot>>, fold: string, codec: Codec<S>, where: Where) {
    this.agent = agent
    this.every = every ?? (bytes === undefined ? 1_000 : Number.POSITIVE_INFINITY)
    this.bytes = bytes ?? Number.POSITIVE_INFINITY
    this.#fold = fold
    this.#codec = codec
    this.#where = where
  }

  /** The marks that are kept, the latest one first. */
  get marks(): Effect.Effect<ReadonlyArray<Mark>, ReadError> {
    return Effect.map(this.#current, ({ snapshot }) => this.#own(snapshot))
  }

  /** The marks that were kept at a time, where the agent has a history. */
  marksAt(time: number): Effect.Effect<ReadonlyArray<Mark>, ReadError> {
    const found = Effect.map(this.agent.at(new Date(time)), ({ state }) => this.#own(state))
    return Effect.catchTags(found, {
      StateNotFound: () => Exit.succeed([]),
      StateCorrupt: () => Exit.succeed([]),
      StateTooLarge: () => Exit.succeed([])
    })
  }

  #own(snapshot: Snapshot | undefined): ReadonlyArray<Mark> {
    if (snapshot?.fold !== this.#fold) return []
    return snapshot.base === undefined ? [snapshot.latest] : [snapshot.latest, snapshot.base]
  }

  /** The state of a mark; none when it does not fit the schema any more. */
  decode(mark: Mark): Effect.Effect<Option.Option<S>> {
    return Effect.option(this.#codec.decode(mark.state))
  }

  /** Saves a mark unless a later one is there. A snapshot is a shortcut: that it cannot be saved fails nobody. */
  save(mark: Mark): Effect.Effect<void> {
    const saved = Effect.flatMap(this.#current, ({ revision, snapshot }) => {
      if (snapshot !== undefined && snapshot.fold !== this.#fold)
        // Events that the other fold can no longer fold may be in it.
        return snapshot.base === undefined ? this.#write({ fold: this.#fold, latest: mark }, revision) : Effect.void
      if (snapshot !== undefined && snapshot.latest.position >= mark.position) return Effect.void
      return this.#write({ ...snapshot, fold: this.#fold, latest: mark }, revision)
    })
    // On a conflict somebody else saved one.
    return Effect.catch(saved, (error) => (error._tag === "RevisionConflict" ? Effect.void : this.notSaved(error)))
  }

  /** Says that the next load after a restart folds more events than it should. */
  notSaved({ message }: Error): Effect.Effect<void> {
    return Effect.logWarning(`A snapshot of ${placeOf(this.#where.agent, this.#where.key)} was not saved.`, message)
  }

  /** Saves marks that a compaction relies on: whatever others save, these or later ones stay. */
  pin(base: Mark, latest: Mark): Effect.Effect<void, CompareError> {
    const attempt = Effect.flatMap(this.#current, ({ revision, snapshot }): Effect.Effect<void, CompareError> => {
      if (snapshot?.base !== undefined && snapshot.fold !== this.#fold)
        return Effect.fail(
          this.refused("its snapshots are those of another fold, version or schema, whose events are compacted already")
        )
      const mine = snapshot?.fold === this.#fold ? snapshot : undefined
      const isPinned = mine?.base !== undefined && mine.base.position >= base.position
      if (isPinned) return Effect.void
      return this.#write(
        { fold: this.#fold, latest: mine === undefined ? latest : later(mine.latest, latest), base },
        revision
      )
    })
    return Effect.retry(attempt, { times: attempts, while: (error) => error._tag === "RevisionConflict" })
  }

  /** Why a compaction cannot be made. */
  refused(reason: string): StorageUnavailable {
    return new StorageUnavailable({ ...this.#where, operation: "compact", reason, retryable: false })
  }

  get #current(): Effect.Effect<
    { readonly snapshot: Snapshot | undefined; readonly revision: Revision.Revision | "any" },
    ReadError
  > {
    const current = Effect.map(
      this.agent.current,
      Option.match({
        onNone: () => ({ snapshot: undefined, revision: Revision.absent }),
        onSome: ({ revision, state }) => ({ snapshot: state, revision })
      })
    )
    // What cannot be read is as good as none, and is written over.
    const unreadable = () => Exit.succeed({ snapshot: undefined, revision: "any" as const })
    return Effect.catchTags(current, { StateCorrupt: unreadable, StateTooLarge: unreadable })
  }

  #write(snapshot: Snapshot, revision: Revision.Revision | "any"): Effect.Effect<void, CompareError> {
    return revision === "any" ? this.agent.save(snapshot) : Effect.asVoid(this.agent.compareAndSave(snapshot, revision))
  }
}

const later = (a: Mark, b: Mark): Mark => (a.position >= b.position ? a : b)
