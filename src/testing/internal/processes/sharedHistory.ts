import { Effect, type Scope } from "effect"
import * as History from "../../History.ts"
import * as Linearizability from "../../Linearizability.ts"
import { random } from "../../SeededScheduler.ts"
import { type Broken, broken } from "../case.ts"
import { all, close, open, type Shared } from "./crew.ts"
import type { News, Order } from "./protocol.ts"

/** What a history of several processes needs. */
export interface SharedHistory extends Shared {
  /** How many fibers each process has. */
  readonly fibers: number
  /** How many operations each fiber performs. */
  readonly operations: number
  /** Whether one process is killed in the middle. */
  readonly kill: boolean
}

/** Several processes work on one site at the same time; all that they did fits one order of single steps. */
export const sharedHistory = (options: SharedHistory): Effect.Effect<void, Broken, Scope.Scope> =>
  Effect.gen(function* () {
    const { count, fibers, operations, seed } = options
    const next = random(seed)
    const crew = yield* open(options)
    const lines = crew.map(() => "")
    let wrong: string | undefined
    const listen = (news: News, index: number) => {
      if (news._tag === "Recorded") lines[index] += news.line
      if (news._tag === "End" && news.error !== undefined) wrong ??= `an operation failed: ${news.error[1]}`
    }
    const work = (client: string, also: Partial<Order & { _tag: "Work" }>): Order => ({
      _tag: "Work",
      seed: Math.floor(next() * 2 ** 31),
      fibers,
      client,
      ...also
    })

    let said = 0
    const fatal = options.kill ? Math.floor(next() * fibers * operations * 2) : Number.POSITIVE_INFINITY
    const left = yield* all(
      options,
      crew,
      "working on one state",
      ({ index }) => work(`process ${index + 1}`, { limit: operations }),
      (news, { index }) => listen(news, index),
      (_news, { index }) => index === 0 && said++ >= fatal
    )
    if (options.kill) count("kills")
    const ops = [{ op: "current" }, { op: "load" }] as const
    yield* all(
      options,
      left.slice(-1),
      "reading the state",
      ({ index }) => work(`process ${index + 1}, at the end`, { ops, fibers: 1 }),
      (news, { index }) => listen(news, index)
    )
    yield* close(options, left)
    if (wrong !== undefined) return yield* broken(wrong)

    const history = History.merge(...lines.map(History.fromLines))
    count("histories")
    count("operations", history.length)
    const initial = crew[0]?.initial
    const judged = Linearizability.judge(history, initial == null ? {} : { initial: String(initial) })
    if (judged._tag === "Undecided") count("undecided")
    if (judged._tag === "Violation") yield* broken(`${judged.reason}\n${judged.timeline}`)
  })
