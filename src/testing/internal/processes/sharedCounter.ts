import { Effect, type Scope } from "effect"
import { type Broken, broken } from "../case.ts"
import { all, close, open, type Shared } from "./crew.ts"
import type { News, Op, Order } from "./protocol.ts"

/** What a counter of several processes needs. */
export interface SharedCounter extends Shared {
  /** How often each process increments. */
  readonly times: number
  readonly by: "update" | "modify"
}

/** Several processes increment one counter at the same time, and none of it is lost. States stand for 0, 1, 2, ... */
export const sharedCounter = (options: SharedCounter): Effect.Effect<void, Broken, Scope.Scope> =>
  Effect.gen(function* () {
    const { by, count, processes, states, times } = options
    const total = processes * times
    const seen = states.map(() => 0)
    let wrong: string | undefined
    let last: number | undefined
    const hear = (news: News) => {
      if (news._tag !== "End") return
      if (news.error !== undefined) wrong ??= `${by} failed: ${news.error[1]}`
      else if (news.current !== undefined) last = news.current?.[0]
      else if (news.seen !== undefined) seen[news.seen] = (seen[news.seen] ?? 0) + 1
    }
    const work = (ops: ReadonlyArray<Op>): Order => ({ _tag: "Work", ops, seed: 0, fibers: 1 })
    const crew = yield* open(options)
    const one = crew.slice(0, 1)
    yield* all(options, one, "saving the first state", () => work([{ op: "save", state: 0 }]), hear)
    const increments = Array.from({ length: times }, (): Op => ({ op: "next", by }))
    yield* all(options, crew, `incrementing by ${by}`, () => work(increments), hear)
    yield* all(options, one, "reading the state", () => work([{ op: "current" }]), hear)
    yield* close(options, crew)
    count("increments", total)
    if (wrong !== undefined) return yield* broken(wrong)
    // Who loses an increment sees a number again that another one has seen.
    const wanted = (state: number) => Math.floor((total - state - 1) / states.length) + 1
    const odd = seen.findIndex((n, state) => n !== wanted(state))
    const about = `${processes} processes incremented ${times} times each`
    if (last !== total % states.length)
      return yield* broken(
        `${about}, and counted to ${last} in place of ${total % states.length}, modulo ${states.length}`
      )
    if (odd >= 0)
      yield* broken(
        `${about}, and number ${odd} was found ${seen[odd]} times in place of ${wanted(odd)}, modulo ${states.length}`
      )
  })
