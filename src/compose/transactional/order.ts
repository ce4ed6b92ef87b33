import { Effect } from "effect"
import { type Held, HeldLocks } from "../../agents/internal/heldLocks.ts"
import { KeyedLock } from "../../agents/internal/keyedLock.ts"
import type { Member } from "../../agents/internal/member.ts"
import type { Planned, Transaction } from "./Transaction.ts"

const places = new WeakMap<object, number>()
let known = 0

const placeNumber = (place: object): number => {
  const number = places.get(place) ?? ++known
  places.set(place, number)
  return number
}

/**
 * For locks that are taken around each other, the last one first: in one order by all transactions, and within a family in
 * that of its batches, so that no two of them wait for each other.
 */
export const outermostLast = (a: Planned, b: Planned): number => {
  const [one, other] = [a.subject.member, b.subject.member]
  return placeNumber(other.place) - placeNumber(one.place) || (one.key < other.key ? 1 : -1)
}

const isActive = (held: Held | undefined): boolean => held !== undefined && (held.active || isActive(held.outer))

const turns = new KeyedLock("a transaction")
const nameOf = ({ key, place }: Member): string => `${placeNumber(place)}:${key}`

/**
 * Runs an effect when no other transaction that was overtaken over one of the same states is being tried again. Nobody else
 * waits for it: those that begin, and writers that are no transactions, do not take turns.
 */
export const inTurn = <A, E, R>(transaction: Transaction, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(HeldLocks, (held) =>
    isActive(held)
      ? // Inside of a modify: whoever has the turn may wait for that to end.
        effect
      : turns.holdAll(
          transaction.plan.map(({ subject }) => nameOf(subject.member)),
          effect
        )
  )
