import { Effect, type Option } from "effect"
import type { Revision } from "../../../agents/Revision.ts"
import type { ReadError } from "../../../agents/StateError.ts"
import { draw, type Fault, none, type Plan, strikes } from "./plan.ts"

/** What an operation is, for the faults that may strike it. */
export interface Operation<A, E, R> {
  /** What plans call it: `read`, `write`, `fsync`. */
  readonly name: string
  /** What it is done to, for people. */
  readonly target?: string | undefined
  readonly run: Effect.Effect<A, E, R>
  /** The error of an operation that was refused, or that lost its request or reply. */
  readonly failure: (fault: Fault) => E
  /** What is left of what was read; `undefined` where nothing can be damaged. The number is in [0, 1). */
  readonly damage?: ((answer: A, fault: Fault, where: number) => A) | undefined
  /** What happens in place of `run` where only half is written. */
  readonly short?: Effect.Effect<A, E, R> | undefined
  /** What a refusal destroys besides. */
  readonly refused?: Effect.Effect<void, never, R> | undefined
}

/** Strikes operations as its plan says, and counts them. Whatever shares an injector shares its plan and its count. */
export class Injector {
  /** How many operations have begun since the plan was armed. */
  count = 0
  /** How many of them were struck. */
  struck = 0
  /** What was struck last, for people. */
  last = "nothing"
  /** Files that are open through a file system of this injector. */
  handles = 0
  /** Reads past the faults which revision is stored below; known once an agent or register was wrapped. */
  stored: Effect.Effect<Option.Option<{ readonly revision: Revision }>, ReadError> | undefined
  #plan: Plan
  /** For each fault, how many of the operations that it counts have begun. */
  #seen: Array<number>

  constructor(plan: Plan) {
    this.#plan = plan
    this.#seen = plan.faults.map(() => 0)
  }

  /** Puts a plan in force. Operations are counted from here. */
  arm(plan: Plan): void {
    this.#plan = plan
    this.#seen = plan.faults.map(() => 0)
    this.count = 0
    this.struck = 0
    this.last = "nothing"
  }

  /** Nothing goes wrong any more. What is still hanging goes on hanging. */
  lift(): void {
    this.#plan = none
    this.#seen = []
  }

  /** The operation, with all faults that strike it: the first one of the plan is the outermost. */
  run<A, E, R>(operation: Operation<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const index = this.count++
      const { faults, seed } = this.#plan
      let effect = operation.run
      let struck = false
      for (let i = faults.length - 1; i >= 0; i--) {
        const fault = faults[i]
        if (fault === undefined || fault.only?.includes(operation.name) === false) continue
        const nth = this.#seen[i] ?? 0
        this.#seen[i] = nth + 1
        if (!strikes(seed + i, fault, nth)) continue
        const next = apply(fault, operation, effect, draw(~(seed + i), nth))
        if (next === undefined) continue
        effect = next
        struck = true
        this.last = `${fault.does}${fault.code === undefined ? "" : ` ${fault.code}`} at operation ${index} (${operation.name}${operation.target === undefined ? "" : ` ${operation.target}`})`
      }
      if (struck) this.struck++
      return effect
    })
  }
}

const apply = <A, E, R>(
  fault: Fault,
  { damage, failure, refused = Effect.void, short }: Operation<A, E, R>,
  effect: Effect.Effect<A, E, R>,
  where: number
): Effect.Effect<A, E, R> | undefined => {
  // Even where a write may not be interrupted, its waiting for an answer that never comes may.
  const never = Effect.interruptible(Effect.never)
  const fail = Effect.suspend(() => Effect.fail(failure(fault)))
  switch (fault.does) {
    case "refuse":
    case "loseRequest":
      return Effect.andThen(refused, fail)
    case "loseReply":
      return Effect.andThen(effect, fail)
    case "hang":
      return never
    case "hangAfter":
      return Effect.andThen(effect, never)
    case "slow":
      return Effect.andThen(delay(fault), effect)
    case "duplicate":
      return Effect.tap(effect, () => Effect.exit(effect))
    case "corrupt":
    case "cut":
      return damage === undefined ? undefined : Effect.map(effect, (answer) => damage(answer, fault, where))
    case "short":
      return short
  }
}

const delay = ({ millis = 0, yields = 1 }: Fault): Effect.Effect<void> =>
  Effect.andThen(
    yields < 1 ? Effect.void : Effect.repeat(Effect.yieldNow, { times: yields - 1 }),
    millis > 0 ? Effect.sleep(millis) : Effect.void
  )
