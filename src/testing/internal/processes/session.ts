import { Effect, Option } from "effect"
import { type Broken, broken } from "../case.ts"
import type { Child } from "./children.ts"
import type { Expected } from "./expected.ts"
import type { News, Order } from "./protocol.ts"

/** What a session is told of its surroundings. */
export interface Surroundings {
  /** After how many milliseconds of silence a process counts as hung. */
  readonly patience: number
  readonly count: (what: string, n?: number) => void
  /** Is told what is being done. */
  readonly doing: (what: string) => void
}

/** One process at work on its own: all that it says is held against what is expected. */
export class Session {
  readonly #child: Child
  readonly #expected: Expected
  readonly #around: Surroundings
  /** What the process does, for the report if it hangs. */
  #doing: string

  constructor(child: Child, expected: Expected, around: Surroundings, where: string) {
    this.#child = child
    this.#expected = expected
    this.#around = around
    this.#doing = where
    expected.log.push(`${where}:`)
  }

  /** Has orders followed; answers whether they were, or the process ended before. */
  play(
    orders: ReadonlyArray<Order>,
    watch: (news: News) => Effect.Effect<void, Broken> = () => Effect.void
  ): Effect.Effect<"done" | "ended", Broken> {
    return Effect.gen({ self: this }, function* () {
      for (const order of orders) yield* this.#child.order(order)
      for (let left = orders.length; left > 0; ) {
        this.#around.doing(this.#doing)
        const news = yield* Effect.catchTag(
          this.#child.next(() => this.#doing, this.#around.patience),
          "Broken",
          (silent) => this.#fail(silent.evidence)
        )
        if (Option.isNone(news)) return "ended" as const
        const wrong = this.#hear(news.value)
        if (wrong !== undefined) return yield* this.#fail(wrong)
        if (news.value._tag === "Done") left--
        yield* watch(news.value)
      }
      return "done" as const
    })
  }

  /** A case that is broken by what this process said, or by its saying nothing. */
  #fail(evidence: string): Effect.Effect<never, Broken> {
    return broken(`${evidence}. What was done last:\n${this.#expected.log.slice(-16).join("\n")}`)
  }

  #hear(news: News): string | undefined {
    const expected = this.#expected
    switch (news._tag) {
      case "Opening":
        this.#doing = "opening the agent"
        return undefined
      case "Opened": {
        const fate = expected.found(news)
        if (typeof fate === "object") return `the agent was opened, and ${fate.wrong}`
        if (fate !== "none") this.#around.count(`in flight and ${fate}`)
        return undefined
      }
      case "Start":
        this.#around.count("operations")
        this.#doing = news.op
        return expected.start(news)
      case "End":
        return expected.end(news)
      case "Broken":
        return expected.isDown ? undefined : `${this.#doing} failed: ${news.evidence}`
      default:
        return undefined
    }
  }
}
