/** States of one database that are written together: all of it or none, checked against what was read. */
import { Effect, type Option } from "effect"
import type { Collection } from "../internal/collections.ts"
import { compareError } from "../internal/failure.ts"
import type { Member, Part, Step, Storage } from "../internal/member.ts"
import type { Where } from "../internal/stateRegister.ts"
import type { Entry, NewEntry } from "../Register.ts"
import * as Revision from "../Revision.ts"
import type { CompareError, ReadError, WriteError } from "../StateError.ts"
import type { Engine, Put, Write } from "./Engine.ts"

/** The store that a state is in. */
export interface Home {
  readonly collection: Collection
  /** The name of the collection. */
  readonly name: string
  readonly read: (key: string) => Effect.Effect<Option.Option<Entry>, ReadError>
  readonly put: (key: string, next: NewEntry, expected: Revision.Expected) => Effect.Effect<Put, WriteError>
}

class SqlPart implements Part {
  readonly where: Where
  readonly collection: Collection
  readonly key: string
  readonly write: Write

  constructor(where: Where, collection: Collection, key: string, write: Write) {
    this.where = where
    this.collection = collection
    this.key = key
    this.write = write
  }

  /** Tells those who follow the state what became of one step of it. */
  told(step: Write[number], number: number): Effect.Effect<void> {
    const revision = Revision.make(number)
    const { follower } = this.collection
    if (step._tag === "Put") return follower.committed(this.key, Revision.saved({ ...stateOf(step), revision }))
    return step._tag === "Expect" || number === 0
      ? Effect.void
      : follower.committed(this.key, Revision.deleted(revision))
  }
}

const stateOf = ({ savedAt, state }: Put): NewEntry => ({ savedAt, state })

/** The states of one database. */
export class SqlStorage implements Storage {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** A state of it. */
  member(home: Home, key: string): Member {
    return {
      storage: this,
      place: home.collection.place,
      key,
      read: home.read(key),
      part: (step, where) =>
        Effect.map(stepsOf(home, key, step), (write) => new SqlPart(where, home.collection, key, write))
    }
  }

  readonly write = (parts: ReadonlyArray<Part>): Effect.Effect<void, CompareError> =>
    Effect.suspend(() => {
      const own = parts.filter((part) => part instanceof SqlPart)
      if (own.length < parts.length) return Effect.die(new Error("a state of another storage is to be written"))
      const steps = own.flatMap((part) => part.write.map((step) => ({ part, step })))
      const written = Effect.mapError(this.#engine.write(steps.map(({ step }) => step)), (failure) => {
        const { part, step } = steps[failure._tag === "Conflict" ? (failure.part ?? 0) : 0] ?? {}
        const expected = step === undefined || step._tag === "Remove" ? 0 : step.expected
        const where = part?.where ?? { agent: this.#engine.name }
        return compareError(where, expected === "any" ? expected : Revision.make(expected))(failure)
      })
      const told = Effect.flatMap(written, (revisions) =>
        Effect.forEach(steps, ({ part, step }, i) => part.told(step, revisions[i] ?? 0), { discard: true })
      )
      const collections = Map.groupBy(own, ({ collection }) => collection)
      const all = [...collections].reduce(
        (write, [{ follower }, parts]) =>
          follower.writing(
            parts.map(({ key }) => key),
            write
          ),
        told
      )
      return Effect.uninterruptible(all)
    })
}

const stepsOf = ({ name, put }: Home, key: string, step: Step): Effect.Effect<Write, WriteError> => {
  const id = { collection: name, key }
  const expected: Write = step.expected === "any" ? [] : [{ ...id, _tag: "Expect", expected: step.expected }]
  const removed: Write = [...expected, { ...id, _tag: "Remove" }]
  switch (step._tag) {
    case "Expect":
      return Effect.succeed(expected)
    case "Remove":
      return Effect.succeed(removed)
    case "Put":
      return step.isAfresh
        ? Effect.map(put(key, step.next, "any"), (put) => [...removed, put])
        : Effect.map(put(key, step.next, step.expected), (put) => [put])
  }
}
