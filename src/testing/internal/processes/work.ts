import { Cause, Effect, Exit, Option } from "effect"
import type { DataAgent } from "../../../agents/DataAgent.ts"
import { absent } from "../../../agents/Revision.ts"
import { isStateError } from "../../../agents/StateError.ts"
import * as History from "../../History.ts"
import { random } from "../../SeededScheduler.ts"
import type { Numbers } from "./numbers.ts"
import type { End, News, Op, Order } from "./protocol.ts"

/** An agent at work, and the states that are spoken of. */
export interface Opened {
  readonly agent: DataAgent<unknown>
  readonly numbers: Numbers<unknown>
}

type Work = Order & { readonly _tag: "Work" }
type Answer = Pick<End, "seen" | "current" | "revision">

// Other processes may win many times in a row, and that is no reason to give up.
const patiently = { retries: 100_000 }

/** Performs the operations of an order, and says when each begins and ends, or records them. */
export const work = (opened: Opened, order: Work, say: (news: News) => void): Effect.Effect<void, unknown> =>
  Effect.forEach(
    Array.from({ length: order.fibers }, (_, fiber) => fiber),
    (fiber) => {
      const { client } = order
      const worker =
        client === undefined
          ? new Worker(opened, fiber, say)
          : new Worker({ ...opened, agent: recorded(opened, `${client}.${fiber}`, say) }, fiber, (news) => {
              if (news._tag === "End" && news.error !== undefined && !isUsual(news.error[0])) say(news)
            })
      return worker.performAll(operations(order, opened.numbers.size, fiber))
    },
    { concurrency: "unbounded", discard: true }
  )

const recorded = ({ agent, numbers }: Opened, client: string, say: (news: News) => void): DataAgent<unknown> =>
  History.recording(agent, client, {
    record: (event) => say({ _tag: "Recorded", line: History.toLine(event) }),
    fingerprint: (state) => String(numbers.of(state))
  })

/** The operations of one fiber. */
const operations = function* ({ limit, ops, seed }: Work, states: number, fiber: number): Generator<Op> {
  if (ops !== undefined) return yield* ops
  const next = random(seed + fiber * 7_919)
  for (let n = 0; n < (limit ?? Number.POSITIVE_INFINITY); n++) {
    const kind = next()
    const state = Math.floor(next() * states)
    if (kind < 0.25) yield { op: "save", state }
    else if (kind < 0.4) yield { op: "update", state }
    else if (kind < 0.55) yield { op: "modify", state }
    else if (kind < 0.75) yield { op: "compareAndSave", state }
    else if (kind < 0.82) yield { op: "delete" }
    else yield { op: kind < 0.92 ? "current" : "load" }
  }
}

/** What an operation may fail with though nothing is wrong. */
const isUsual = (tag: string): boolean => tag === "RevisionConflict" || tag === "StateNotFound"

class Worker {
  readonly #opened: Opened
  readonly #fiber: number
  readonly #say: (news: News) => void

  constructor(opened: Opened, fiber: number, say: (news: News) => void) {
    this.#opened = opened
    this.#fiber = fiber
    this.#say = say
  }

  /** One after another, until one fails with an error that nobody expected. */
  performAll(ops: Iterable<Op>): Effect.Effect<void, unknown> {
    return Effect.gen({ self: this }, function* () {
      let n = 0
      for (const op of ops) if (!(yield* this.#perform(op, n++))) return
    })
  }

  #perform(op: Op, n: number): Effect.Effect<boolean, unknown> {
    return Effect.gen({ self: this }, function* () {
      const which = { fiber: this.#fiber, n }
      const prepared = yield* Effect.exit(this.#prepare(op))
      // What is read before an operation can be all that goes wrong.
      const shown: Op = Exit.isSuccess(prepared) ? op : { op: "current" }
      const [expected, effect] = Exit.isSuccess(prepared)
        ? prepared.value
        : [undefined, Effect.failCause(prepared.cause)]
      this.#say({ _tag: "Start", ...shown, ...which, expected })
      const exit = yield* Effect.exit(effect)
      if (Exit.isSuccess(exit)) {
        this.#say({ _tag: "End", ...which, ...exit.value })
        return true
      }
      const error = Cause.findErrorOption(exit.cause)
      if (Option.isNone(error) || !isStateError(error.value)) return yield* Effect.failCause(exit.cause)
      const { _tag: tag, message } = error.value
      this.#say({ _tag: "End", ...which, error: [tag, message] })
      return isUsual(tag)
    })
  }

  /** The operation, and the revision that it expects. */
  #prepare(op: Op): Effect.Effect<readonly [expected: number | undefined, Effect.Effect<Answer, unknown>], unknown> {
    const { agent, numbers } = this.#opened
    const plain = (effect: Effect.Effect<Answer, unknown>) => Effect.succeed([undefined, effect] as const)
    switch (op.op) {
      case "save":
        return plain(Effect.as(agent.save(numbers.state(op.state)), {}))
      case "update":
      case "modify":
        return plain(this.#change(op.op, () => numbers.state(op.state)))
      case "next":
        return plain(this.#change(op.by, (state) => numbers.state(numbers.of(state) + 1)))
      case "delete":
        return plain(Effect.as(agent.delete, {}))
      case "load":
        return plain(Effect.map(agent.load, (state) => ({ seen: numbers.of(state) })))
      case "current":
        return plain(
          Effect.map(agent.current, (current) => ({
            current:
              current._tag === "None" ? null : ([numbers.of(current.value.state), current.value.revision] as const)
          }))
        )
      case "compareAndSave":
        return Effect.map(agent.current, (current) => {
          const expected = current._tag === "None" ? absent : current.value.revision
          const saved = agent.compareAndSave(numbers.state(op.state), expected)
          return [expected, Effect.map(saved, (revision) => ({ revision }))] as const
        })
    }
  }

  #change(by: "update" | "modify", next: (state: unknown) => unknown): Effect.Effect<Answer, unknown> {
    const { agent, numbers } = this.#opened
    return Effect.suspend(() => {
      let seen: unknown
      const step = (state: unknown) => {
        seen = state
        return next(state)
      }
      const changed =
        by === "update"
          ? agent.update(step, patiently)
          : agent.modify((state) => Effect.as(Effect.yieldNow, [undefined, step(state)] as const), patiently)
      return Effect.map(changed, () => ({ seen: numbers.of(seen) }))
    })
  }
}
