import { Cause, Effect, Exit, Function, Result } from "effect"
import { backoff } from "../../agents/internal/backoff.ts"
import type { CompareError, RevisionConflict } from "../../agents/StateError.ts"
import { commit, wasConsistent } from "./commit.ts"
import { inTurn } from "./order.ts"
import { Current, Transaction } from "./Transaction.ts"

/** What `run` takes. */
export interface Options {
  /**
   * How often the effect may run again because somebody else wrote what it had read; then it fails with `RevisionConflict`.
   * Default: 16. An effect that does more than read and write states, such as a call that costs money, may want 0.
   */
  readonly retries?: number | undefined
}

/** What a transaction can fail with besides its effect. */
export type CommitError = CompareError

/**
 * Runs an effect as one transaction: what it writes to agents that take part is written when it succeeds, all or none, and
 * forgotten when it fails or is interrupted. Inside of another transaction it is a savepoint: when it fails, what it wrote is
 * forgotten, and the outer one goes on.
 */
export const run: {
  (options?: Options): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CommitError, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, options?: Options): Effect.Effect<A, E | CommitError, R>
} = Function.dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(effect: Effect.Effect<A, E, R>, { retries = 16 }: Options = {}): Effect.Effect<A, E | CommitError, R> =>
    Effect.flatMap(Current, (outer) =>
      again(attempt(effect, outer), retries, outer === undefined).pipe(
        Effect.catchIf(isOvertaken, ({ conflict }) => Effect.fail(conflict))
      )
    )
)

/**
 * At once after the first conflict, which is over by then, and after a while when there are more. Of this process one
 * transaction at a time is tried again over the same states, or they would go on to overtake each other.
 */
const again = <A, E, R>(attempt: Effect.Effect<A, E | Overtaken, R>, retries: number, isOutermost: boolean) =>
  retries <= 0
    ? attempt
    : Effect.catchIf(attempt, isOvertaken, ({ transaction }) => {
        const next = Effect.retry(attempt, { while: isOvertaken, schedule: backoff, times: retries - 1 })
        return isOutermost ? inTurn(transaction, next) : next
      })

/** Somebody else wrote what the transaction had read: not to be taken for a conflict of the effect itself. */
class Overtaken {
  readonly transaction: Transaction
  readonly conflict: RevisionConflict

  constructor(transaction: Transaction, conflict: RevisionConflict) {
    this.transaction = transaction
    this.conflict = conflict
  }
}

const isOvertaken = (error: unknown): error is Overtaken => error instanceof Overtaken

const attempt = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  outer: Transaction | undefined
): Effect.Effect<A, E | CommitError | Overtaken, R> =>
  Effect.uninterruptibleMask((restore) => {
    const transaction = new Transaction(outer)
    const ran = Effect.flatMap(
      Effect.exit(restore(Effect.provideService(effect, Current, transaction))),
      (exit): Effect.Effect<A, E | CommitError | Overtaken> => {
        transaction.end()
        if (Exit.isSuccess(exit)) {
          const committed = outer === undefined ? restore(commit(transaction)) : outer.absorb(transaction)
          return Effect.as(
            Effect.mapError(committed, (error) => overtaken(transaction, error)),
            exit.value
          )
        }
        if (outer !== undefined || Cause.hasInterrupts(exit.cause)) return exit
        // Who failed on what never was so together did not fail on anything real.
        return Effect.flatMap(
          Effect.result(restore(wasConsistent(transaction))),
          (checked): Effect.Effect<A, E | Overtaken> =>
            Result.isFailure(checked) && checked.failure._tag === "RevisionConflict"
              ? Effect.fail(new Overtaken(transaction, checked.failure))
              : exit
        )
      }
    )
    return Effect.ensuring(
      ran,
      Effect.sync(() => transaction.over())
    )
  })

const overtaken = (transaction: Transaction, error: CommitError): CommitError | Overtaken =>
  error._tag === "RevisionConflict" ? new Overtaken(transaction, error) : error
