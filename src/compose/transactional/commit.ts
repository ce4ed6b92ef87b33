import { Effect } from "effect"
import type { Storage } from "../../agents/internal/member.ts"
import type { CompareError } from "../../agents/StateError.ts"
import { outermostLast } from "./order.ts"
import type { Planned, Transaction } from "./Transaction.ts"

/** Writes what a transaction has to write, in one step, if all that it read is as it was. */
export const commit = (transaction: Transaction): Effect.Effect<void, CompareError> => {
  const planned = transaction.plan
  const isWrite = ({ step }: Planned) => step._tag !== "Expect"
  const written = planned.filter(isWrite).toSorted(outermostLast)
  const [first] = written
  if (first === undefined) return planned.length > 1 ? verify(planned) : Effect.void
  const { storage } = first.subject.member
  const [own, foreign] = [planned.filter(isOf(storage)), planned.filter((one) => !isOf(storage)(one))]
  // As near to the commit as it can be where it cannot be part of it.
  const all = Effect.andThen(verify(foreign), writeTo(storage, own))
  return written.reduce((effect, { subject }) => subject.lock.hold(effect), all)
}

/** Fails with a conflict unless all that a transaction read was so at one moment. */
export const wasConsistent = (transaction: Transaction): Effect.Effect<void, CompareError> => {
  const read = transaction.expectations
  return read.length > 1 ? verify(read) : Effect.void
}

const isOf =
  (storage: Storage) =>
  ({ subject }: Planned): boolean =>
    subject.member.storage === storage

const verify = (planned: ReadonlyArray<Planned>): Effect.Effect<void, CompareError> =>
  Effect.forEach(
    Map.groupBy(planned, ({ subject }) => subject.member.storage),
    ([storage, planned]) => writeTo(storage, planned),
    { discard: true }
  )

const writeTo = (storage: Storage, planned: ReadonlyArray<Planned>): Effect.Effect<void, CompareError> =>
  Effect.clockWith((clock) => {
    // What is saved together is saved now, and not before what others saved since: times grow with revisions.
    const savedAt = clock.currentTimeMillisUnsafe()
    return Effect.flatMap(
      Effect.forEach(planned, ({ step, subject }) =>
        subject.member.part(step._tag === "Put" ? { ...step, next: { ...step.next, savedAt } } : step, subject.where)
      ),
      storage.write
    )
  })
