import { Effect, Option, type Scope } from "effect"
import { type Broken, broken } from "../case.ts"
import type { Child, Children } from "./children.ts"
import type { News, Order } from "./protocol.ts"
import type { Surroundings } from "./session.ts"
import { directories } from "./site.ts"

/** What processes need that share a state. */
export interface Shared extends Surroundings {
  readonly children: Children
  /** The states to work with, as text. */
  readonly states: ReadonlyArray<string>
  readonly processes: number
  readonly seed: number
}

/** One of several processes that share a state. */
export interface Member {
  /** Its number, from 0. */
  readonly index: number
  readonly child: Child
  /** The state that it loads when none is stored. */
  readonly initial: number | null
}

/** Processes that have opened the agent on one new site, all at the same time. */
export const open = (options: Shared): Effect.Effect<ReadonlyArray<Member>, Broken, Scope.Scope> =>
  Effect.gen(function* () {
    const { children, processes, states } = options
    const { site } = yield* directories("site")
    const taken = yield* Effect.forEach(Array.from({ length: processes }), () => children.take({ more: false }), {
      concurrency: "unbounded"
    })
    const crew = taken.map((child, index): Member => ({ index, child, initial: null }))
    const initials: Array<number | null> = []
    yield* all(
      options,
      crew,
      "opening the agent",
      () => ({ _tag: "Open", directory: site, states }),
      (news, { index }) => {
        if (news._tag === "Opened") initials[index] = news.initial
      }
    )
    return crew.map((member) => ({ ...member, initial: initials[member.index] ?? null }))
  })

/** Closes the agents; the processes are free for others then. */
export const close = (options: Shared, crew: ReadonlyArray<Member>): Effect.Effect<void, Broken> =>
  Effect.map(
    all(options, crew, "closing the agent", () => ({ _tag: "Close" })),
    () => {
      for (const { child } of crew) options.children.give(child)
    }
  )

/**
 * Has each member follow an order, all at the same time. `hear` is told what they say; one that says something fatal is
 * killed at once. Answers who is left.
 */
export const all = (
  options: Shared,
  crew: ReadonlyArray<Member>,
  doing: string,
  order: (member: Member) => Order,
  hear: (news: News, member: Member) => void = () => {},
  isFatal: (news: News, member: Member) => boolean = () => false
): Effect.Effect<ReadonlyArray<Member>, Broken> =>
  Effect.suspend(() => {
    options.doing(doing)
    const follow = (member: Member) =>
      Effect.gen(function* () {
        const { child, index } = member
        let isKilled = false
        yield* child.order(order(member))
        while (true) {
          const next = yield* child.next(
            () => `${doing}, process ${index + 1} of ${options.processes}`,
            options.patience
          )
          if (Option.isNone(next)) return isKilled ? undefined : yield* broken(child.lastWords)
          const news = next.value
          if (news._tag === "Broken") return yield* broken(`${doing}: ${news.evidence}`)
          if (news._tag === "Done" && !isKilled) return member
          hear(news, member)
          if (isKilled || !isFatal(news, member)) continue
          isKilled = true
          child.killUnsafe()
        }
      })
    const left = Effect.forEach(crew, follow, { concurrency: "unbounded" })
    return Effect.map(left, (members) => members.filter((member) => member !== undefined))
  })
