import { Effect, Option } from "effect"
import { Draft } from "../../agents/internal/stateRegister.ts"
import { absent, type Revision } from "../../agents/Revision.ts"
import type { StateError } from "../../agents/StateError.ts"
import type { Payload } from "../../schema/Codec.ts"
import type { Found, Known, Seen } from "./Known.ts"
import * as Numbers from "./numbers.ts"
import type { Parts } from "./Parts.ts"

/** Brings to the first agent what waits at the second. Interrupted or failed at any step, it can be done again. */
export const bring = <S>(
  parts: Parts<S>,
  known: Known<S>,
  seen: Option.Option<Seen<S>>
): Effect.Effect<void, StateError> =>
  Effect.gen(function* () {
    const found = yield* parts.first.read
    const at = Option.isSome(found) ? found.value.revision : absent
    if (known.settledAs !== at) {
      const revision = yield* write(parts, known, seen, found, at)
      known.settledAs = revision
      known.base = revision
      known.wiped = false
    }
    // Until the second has forgotten it, it would be brought again after a crash, over what was written since.
    yield* parts.second.save({ _tag: "Settled", shifts: known.shifts })
    known.base = undefined
    known.settledAs = undefined
  })

/** Makes the state of the first agent the one that waits, or what is made of both; answers its revision there. */
const write = <S>(
  parts: Parts<S>,
  known: Known<S>,
  seen: Option.Option<Seen<S>>,
  found: Found<S>,
  at: Revision
): Effect.Effect<Revision, StateError> =>
  Effect.gen(function* () {
    const { first, merge, where } = parts
    const waiting = yield* known.show(seen)
    const isOther = at !== known.base
    if (isOther && (yield* isBrought(parts, known.highest ?? 0, waiting, found))) {
      known.reached(at)
      return at
    }
    const ours = stateOf(waiting)
    const next = isOther ? merge(stateOf(found), ours) : ours
    // What takes the place of another state is new, and so is what was made of two: it gets a number of its own.
    const isNew = isOther && (Option.isSome(found) || Option.getOrUndefined(next) !== Option.getOrUndefined(ours))
    if (isNew) known.nextIs(known.given + 1)
    const isRemoved = Option.isSome(found) && (known.wiped || Option.isNone(next))
    if (isRemoved) yield* first.remove
    if (Option.isNone(next)) {
      known.reached(at)
      known.seen = Option.none()
      return absent
    }
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const savedAt = Option.isSome(waiting) ? waiting.value.savedAt : now
    const draft = new Draft(where, next.value, savedAt)
    const kept = yield* known.kept(draft)
    const revision = yield* first.write(draft, isRemoved ? absent : at)
    // Where the first leaves out numbers, what follows is shown lower instead.
    if (!isNew) known.shifts = Numbers.shifted(known.shifts, known.highest ?? 0, known.given - revision)
    known.given = known.remember(kept, revision)
    return revision
  })

/** Whether it was brought before, and nobody heard of it: the next revision after those known is the very state that waits. */
const isBrought = <S>(
  { codec }: Parts<S>,
  highest: number,
  waiting: Found<S>,
  found: Found<S>
): Effect.Effect<boolean> => {
  if (Option.isNone(found) || Option.isNone(waiting) || found.value.revision !== highest + 1)
    return Effect.succeed(false)
  const both = Effect.all([codec.encode(found.value.state), codec.encode(waiting.value.state)])
  return Effect.match(both, { onSuccess: ([a, b]) => isSame(a, b), onFailure: () => false })
}

const isSame = (a: Payload, b: Payload): boolean =>
  typeof a === "string" || typeof b === "string" ? a === b : Buffer.compare(a, b) === 0

const stateOf = <S>(found: Found<S>): Option.Option<S> => Option.map(found, ({ state }) => state)
