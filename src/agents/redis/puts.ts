import { Effect, Exit } from "effect"
import type { Failure } from "../internal/backend.ts"
import type { Argument, Reply, Server } from "./Server.ts"
import * as Scripts from "./scripts.ts"

type Answer = (reply: Effect.Effect<Reply, Failure>) => void

/** A state that has no history and does not expire, on its way. */
export interface Put {
  readonly keys: ReadonlyArray<string>
  readonly args: ReadonlyArray<Argument>
  /** The size of the state, more or less. */
  readonly size: number
  readonly answer: Answer
}

// A server does nothing else while it runs one script.
const mostAtOnce = 64
const mostBytes = 128 * 1024

/** Writes that are asked for without waiting in between, in one run of one script. Each of them happens or does not by itself. */
export class Puts {
  readonly #server: Server
  #asked: Array<Put> = []

  constructor(server: Server) {
    this.#server = server
  }

  begin(put: Put): void {
    if (this.#server.isSpread) this.#one(put)
    else if (this.#asked.push(put) === 1) process.nextTick(() => this.#flush())
  }

  #flush(): void {
    const asked = this.#asked
    this.#asked = []
    let group: Array<Put> = []
    let bytes = 0
    for (const put of asked) {
      if (group.length === mostAtOnce || bytes + put.size > mostBytes) {
        this.#send(group)
        group = []
        bytes = 0
      }
      group.push(put)
      bytes += put.size
    }
    this.#send(group)
  }

  #send(group: ReadonlyArray<Put>): void {
    const [first, ...more] = group
    if (first === undefined) return
    if (more.length === 0) this.#one(first)
    else {
      const keys = group.flatMap(({ keys }) => keys)
      const args = group.flatMap(({ args }) => args)
      this.#server.beginScript("write", Scripts.writeManyPlain, keys, args, (reply) =>
        // What has to be asked again is asked once for all of them.
        Effect.runCallback(reply, { onExit: (exit) => answer(group, exit) })
      )
    }
  }

  #one({ answer, args, keys }: Put): void {
    this.#server.beginScript("write", Scripts.writePlain, keys, args, answer)
  }
}

const answer = (group: ReadonlyArray<Put>, reply: Exit.Exit<Reply, Failure>): void => {
  group.forEach(({ answer }, i) => {
    if (Exit.isFailure(reply)) answer(reply)
    else answer(Exit.succeed(Array.isArray(reply.value) ? (reply.value[i] ?? null) : null))
  })
}
