import { Context, Effect, Exit, Option } from "effect"
import { type Lock, make as makeLock } from "../../agents/internal/keyedLock.ts"
import type { Member, Step, Storage } from "../../agents/internal/member.ts"
import type { Where } from "../../agents/internal/stateRegister.ts"
import { check, type Entry, type NewEntry } from "../../agents/Register.ts"
import { absent, type Expected, type Revision, make as revisionOf } from "../../agents/Revision.ts"
import {
  type CompareError,
  type ReadError,
  type RevisionConflict,
  StorageUnavailable
} from "../../agents/StateError.ts"

/** The transaction of the running fiber. Forked fibers inherit it. */
export const Current = Context.Reference<Transaction | undefined>("dgents/compose/Transactional", {
  defaultValue: () => undefined
})

/** A state as a transaction knows it. */
export interface Subject {
  readonly where: Where
  readonly member: Member
  /** The lock of its writers outside of transactions. */
  readonly lock: Lock
}

type Found = Option.Option<Entry>

/** What the state is to become. Afresh: it was deleted before, with its history. */
type Written =
  | { readonly _tag: "Saved"; readonly entry: Entry; readonly isAfresh: boolean }
  | { readonly _tag: "Deleted" }

/** What a transaction holds of one state. */
interface Held {
  /** Of the handles on the state the first that was used. */
  readonly subject: Subject
  /** The writers of one transaction wait for each other, and for nobody else. */
  readonly lock: Lock
  /** As it was when it was first read. */
  read: Found | undefined
  written: Written | undefined
}

/** What is to happen to a state. */
export interface Planned {
  readonly subject: Subject
  readonly step: Step
}

// Above every revision that a storage gives, so that one that was never committed is never taken for one that was.
let provisional = 2 ** 52

const revisionIn = (found: Found): Revision => (Option.isSome(found) ? found.value.revision : absent)

/** As the transaction sees the state; `undefined` while it has neither read nor written it. */
const seen = ({ read, written }: Held): Found | undefined => {
  if (written === undefined) return read
  return written._tag === "Saved" ? Option.some(written.entry) : Option.none()
}

const stepOf = ({ read, written }: Held): Step | undefined => {
  const expected: Expected = read === undefined ? "any" : revisionIn(read)
  switch (written?._tag) {
    case "Saved":
      return { _tag: "Put", next: written.entry, expected, isAfresh: written.isAfresh }
    case "Deleted":
      return expected === absent ? { _tag: "Expect", expected } : { _tag: "Remove", expected }
    default:
      return expected === "any" ? undefined : { _tag: "Expect", expected }
  }
}

/**
 * What was read and what is to be written. Inside of another one it reads what that one sees, and its writes become writes of
 * that one when it ends well.
 */
export class Transaction {
  readonly #outer: Transaction | undefined
  readonly #held = new Map<object, Map<string, Held>>()
  readonly #over = new Set<() => void>()
  #storage: Storage | undefined
  #isOpen = true

  constructor(outer?: Transaction) {
    this.#outer = outer
  }

  /** Whatever is left of it in fibers that outlive it reads and writes no more. */
  end(): void {
    this.#isOpen = false
  }

  /** Calls back when it is known what became of the outermost one, or nobody can know it any more. */
  whenOver(callback: () => void): void {
    if (this.#outer === undefined) this.#over.add(callback)
    else this.#outer.whenOver(callback)
  }

  over(): void {
    for (const callback of this.#over) callback()
  }

  /** The lock of the writers of a state within the transaction. */
  lock(subject: Subject): Lock {
    return this.#of(subject).lock
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What a state is to those inside

  read(subject: Subject): Effect.Effect<Found, ReadError> {
    return this.#open("read", subject, () => {
      const held = this.#of(subject)
      const known = seen(held)
      if (known !== undefined) return Exit.succeed(known)
      const reading = this.#outer === undefined ? subject.member.read : this.#outer.read(subject)
      // Another fiber of the transaction may have been faster: the first to come counts.
      return Effect.map(reading, (found) => seen(held) ?? this.#note(held, found))
    })
  }

  write(subject: Subject, next: NewEntry, expected: Expected): Effect.Effect<Revision, CompareError> {
    const store = Effect.suspend((): Exit.Exit<Revision, CompareError> => {
      const held = this.#of(subject)
      const admitted = this.#admit(held.subject)
      if (Exit.isFailure(admitted)) return Exit.failCause(admitted.cause)
      const checked = check(subject.where, expected, revisionIn(seen(held) ?? Option.none()))
      if (Exit.isFailure(checked)) return Exit.failCause(checked.cause)
      const revision = revisionOf(++provisional)
      const isAfresh = held.written?._tag === "Deleted" || held.written?.isAfresh === true
      held.written = { _tag: "Saved", entry: { ...next, revision }, isAfresh }
      return Exit.succeed(revision)
    })
    // What is replaced whatever it was need not be read.
    return expected === "any"
      ? this.#open("write", subject, () => store)
      : Effect.andThen(
          this.read(subject),
          this.#open("write", subject, () => store)
        )
  }

  remove(subject: Subject): Effect.Effect<Option.Option<Revision>, StorageUnavailable> {
    return this.#open("delete", subject, () => {
      const held = this.#of(subject)
      const known = seen(held)
      if (known !== undefined && Option.isNone(known)) return Exit.succeed(Option.none())
      return Exit.map(this.#admit(held.subject), () => {
        held.written = { _tag: "Deleted" }
        return Option.some(known === undefined ? revisionOf(++provisional) : revisionIn(known))
      })
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What becomes of it

  /** What is to happen when all is well. */
  get plan(): ReadonlyArray<Planned> {
    return this.#all.flatMap((held) => {
      const step = stepOf(held)
      return step === undefined ? [] : [{ subject: held.subject, step }]
    })
  }

  /** What was read, as expectations. */
  get expectations(): ReadonlyArray<Planned> {
    return this.#all.flatMap(({ read, subject }) =>
      read === undefined ? [] : [{ subject, step: { _tag: "Expect", expected: revisionIn(read) } }]
    )
  }

  /** Makes the writes of an inner transaction its own, unless others of this one wrote meanwhile what that one had read. */
  absorb(inner: Transaction): Exit.Exit<void, RevisionConflict | StorageUnavailable> {
    const all = inner.#all.map((held) => [held, this.#of(held.subject)] as const)
    const late = this.#isOpen ? undefined : inner.#all.find(({ written }) => written !== undefined)
    if (late !== undefined) return Exit.fail(ended("write", late.subject))
    for (const [{ read, subject, written }, own] of all) {
      const admitted = written === undefined ? Exit.void : this.#admit(own.subject)
      if (Exit.isFailure(admitted)) return admitted
      const known = seen(own)
      if (read === undefined || known === undefined) continue
      const checked = check(subject.where, revisionIn(read), revisionIn(known))
      if (Exit.isFailure(checked)) return checked
    }
    for (const [{ written }, own] of all) {
      if (written === undefined) continue
      const wasDeleted = own.written?._tag === "Deleted" || own.written?.isAfresh === true
      own.written = written._tag === "Saved" && wasDeleted ? { ...written, isAfresh: true } : written
    }
    return Exit.void
  }

  #note(held: Held, found: Found): Found {
    held.read = found
    return found
  }

  get #all(): ReadonlyArray<Held> {
    return [...this.#held.values()].flatMap((keys) => [...keys.values()])
  }

  #of(subject: Subject): Held {
    const { key, place } = subject.member
    const keys = this.#held.get(place) ?? new Map<string, Held>()
    this.#held.set(place, keys)
    const known = keys.get(key)
    if (known !== undefined) return known
    const { agent, key: named } = subject.where
    const lock = makeLock(`agent "${agent}"${named === undefined ? "" : `, key ${JSON.stringify(named)}`}`)
    const first = this.#outer === undefined ? subject : this.#outer.#of(subject).subject
    const held: Held = { subject: first, lock, read: undefined, written: undefined }
    keys.set(key, held)
    return held
  }

  /** Only what one storage can do in one step is written in one transaction. */
  #admit({ member, where }: Subject): Exit.Exit<void, StorageUnavailable> {
    for (let one: Transaction | undefined = this; one !== undefined; one = one.#outer) {
      if (one.#storage !== undefined && one.#storage !== member.storage)
        return Exit.fail(
          new StorageUnavailable({
            ...where,
            operation: "write",
            reason:
              "its transaction has written to another storage, and no two storages can be written in one step; keep the agents in one database, on one driver, with Transactional right over them",
            retryable: false
          })
        )
    }
    this.#storage = member.storage
    return Exit.void
  }

  #open<A, E>(
    operation: string,
    subject: Subject,
    run: () => Effect.Effect<A, E>
  ): Effect.Effect<A, E | StorageUnavailable> {
    return Effect.suspend((): Effect.Effect<A, E | StorageUnavailable> => {
      if (this.#isOpen) return run()
      return Effect.fail(ended(operation, subject))
    })
  }
}

const ended = (operation: string, { where }: Subject): StorageUnavailable =>
  new StorageUnavailable({
    ...where,
    operation,
    reason: "its transaction has ended; a fiber that outlives the transaction it was forked in has none",
    retryable: false
  })
