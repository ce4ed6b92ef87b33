import { Effect, type Scope } from "effect"
import type { Claims } from "../../../agents/Claims.ts"
import { random } from "../../SeededScheduler.ts"
import { type Broken, broken } from "../case.ts"
import type { Children } from "./children.ts"
import { Expected } from "./expected.ts"
import type { Server } from "./module.ts"
import type { Op, Order } from "./protocol.ts"
import { Session, type Surroundings } from "./session.ts"
import { directories, litter } from "./site.ts"

/** What rounds of kills need. */
export interface Rounds extends Surroundings {
  readonly children: Children
  /** What is demanded; default: what the agent carries. */
  readonly claims: Claims | undefined
  /** The states to work with, as text. */
  readonly states: ReadonlyArray<string>
  readonly rounds: number
  readonly seed: number
  readonly server: Server | undefined
  /** Waits until nothing that a dead process has sent will still be done. */
  readonly settled: Effect.Effect<void, unknown> | undefined
}

/** When the process of a round is killed: `delay` milliseconds after the first of these news that follows `acks` ends. */
interface Moment {
  readonly at: "Opening" | "Start" | "End"
  readonly acks: number
  readonly delay: number
  /** Whether the server is killed first. */
  readonly server: boolean
}

const moment = (next: () => number, hasServer: boolean): Moment => {
  const [where, acks, when, delay, server] = [next(), next(), next(), next(), next()]
  return {
    at: where < 0.15 ? "Opening" : where < 0.7 ? "Start" : "End",
    acks: where < 0.15 ? 0 : Math.floor(acks * 12),
    // Operations take from some microseconds to some milliseconds.
    delay: when < 0.3 ? 0 : when < 0.8 ? delay * 3 : delay * 20,
    server: hasServer && server < 0.5
  }
}

// After these a site holds as much as a new one does after them, and may have one file more: a lock that nobody holds.
const closing: ReadonlyArray<Op> = [{ op: "save", state: 0 }, { op: "delete" }, { op: "save", state: 1 }]
const constant = 1

/** Kills the process at work on one site again and again, and checks what each one after it finds. */
export const killRounds = (options: Rounds): Effect.Effect<void, Broken, Scope.Scope> =>
  Effect.gen(function* () {
    const { children, claims, count, rounds, server, settled, states } = options
    const { reference, site } = yield* directories("reference", "site")
    const next = random(options.seed)
    const open = (directory: string): Order => ({ _tag: "Open", directory, states })
    const close: ReadonlyArray<Order> = [{ _tag: "Work", ops: closing, seed: 0, fibers: 1 }, { _tag: "Close" }]
    const expected = new Expected(claims)

    let child = yield* children.take({ more: true })
    const all = (session: Session, orders: ReadonlyArray<Order>) =>
      Effect.flatMap(session.play(orders), (end) => (end === "done" ? Effect.void : broken(child.lastWords)))
    yield* all(new Session(child, new Expected(claims), options, "on a new site"), [open(reference), ...close])
    const few = litter(reference)

    for (let round = 1; round <= rounds; round++) {
      const when = moment(next, server !== undefined)
      const session = new Session(child, expected, options, `round ${round}`)
      const orders: ReadonlyArray<Order> = [open(site), { _tag: "Work", seed: Math.floor(next() * 2 ** 31), fibers: 1 }]
      let isKilled = false
      const kill = Effect.gen(function* () {
        isKilled = true
        yield* pause(when.delay)
        if (server !== undefined && when.server) {
          expected.isDown = true
          count("kills of the server")
          yield* serverMust("be killed", server.kill)
          yield* pause(when.delay)
        }
        child.killUnsafe()
        count("kills")
      })
      let ends = 0
      yield* session.play(orders, (news) => {
        if (news._tag === "End") ends++
        return !isKilled && ends >= when.acks && news._tag === when.at ? kill : Effect.void
      })
      if (!isKilled) return yield* broken(child.lastWords)
      expected.log.push(`killed ${when.delay.toFixed(1)} ms after ${describe(when)}`)
      if (expected.isDown && server !== undefined) {
        yield* serverMust("be started again", server.restart)
        expected.isDown = false
      }
      // What was under way is done or is not; until that is decided, neither may be demanded.
      if (settled !== undefined) yield* serverMust("settle what a dead process had sent", settled)
      child = yield* children.take({ more: round < rounds })
    }

    yield* all(new Session(child, expected, options, "after the last kill"), [open(site), ...close])
    const left = litter(site)
    if (left.length > few.length + constant)
      return yield* broken(
        `${rounds} kills left ${left.length} files, a new site has ${few.length} after the same operations: ${left.slice(0, 12).join(", ")}`
      )
    children.give(child)
  })

const describe = ({ acks, at }: Moment): string =>
  at === "Opening"
    ? "it began to open the agent"
    : `${at === "Start" ? "the start" : "the end"} of operation ${acks + 1}`

const serverMust = (what: string, effect: Effect.Effect<void, unknown>): Effect.Effect<void, Broken> =>
  Effect.catchCause(effect, (cause) => broken(`the server could not ${what}: ${String(cause)}`))

/** Waits, also for less than the millisecond that a timer takes: then by doing nothing else. */
const pause = (millis: number): Effect.Effect<void> =>
  millis >= 1
    ? Effect.sleep(millis)
    : Effect.sync(() => {
        const end = performance.now() + millis
        while (performance.now() < end);
      })
