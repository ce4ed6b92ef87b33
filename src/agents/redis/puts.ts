import { Effect, Exit } from "effect"
import type { Failure } from "../internal/backend.ts"
import { settled } from "../internal/settled.ts"
import type { Keys } from "./keys.ts"
import type { Argument, Reply, Server } from "./Server.ts"
import * as Scripts from "./scripts.ts"

type Answer = (reply: Exit.Exit<Reply, Failure>) => void

/** A state that has no history and does not expire, on its way. */
export interface Put {
  readonly keys: Keys
  readonly commit: Scripts.Commit
  readonly answer: Answer
}

// As many as are worth a run, so that the server is at work while more is asked for. It does nothing else while it runs one script.
const mostAtOnce = 12
const mostBytes = 128 * 1024

/** Writes that are asked for without waiting in between, several in one run of a script. Each of them happens or does not by itself. */
export class Puts {
  readonly #server: Server
  #asked: Array<Put> = []
  #bytes = 0

  constructor(server: Server) {
    this.#server = server
  }

  begin(put: Put): void {
    if (this.#server.isSpread) {
      this.#send([put])
      return
    }
    this.#bytes += put.commit.payload.length
    const count = this.#asked.push(put)
    if (count === mostAtOnce || this.#bytes >= mostBytes) {
      this.#flush()
      this.#server.flush()
    } else if (count === 1) process.nextTick(() => this.#flush())
  }

  #flush(): void {
    const asked = this.#asked
    this.#asked = []
    this.#bytes = 0
    this.#send(asked)
  }

  #send(group: ReadonlyArray<Put>): void {
    if (group.length === 0) return
    // Mostly each of them replaces a state that was there before.
    const replaces = group.every(({ keys }) => keys.isThere)
    const keys: Array<string> = []
    const args: Array<Argument> = []
    for (const put of group) {
      keys.push(put.keys.state)
      if (!replaces) keys.push(put.keys.removed)
      args.push(...Scripts.commitArguments(put.commit))
    }
    const answered = (reply: Exit.Exit<Reply, Failure>) => this.#answer(group, reply, replaces)
    this.#server.beginScript("write", Scripts.writePlain, keys, args, (reply) => {
      const exit = settled(reply)
      if (exit !== undefined) answered(exit)
      // What has to be asked again is asked once for all of them.
      else Effect.runCallback(reply, { onExit: answered })
    })
  }

  #answer(group: ReadonlyArray<Put>, reply: Exit.Exit<Reply, Failure>, replaces: boolean): void {
    if (Exit.isFailure(reply)) {
      for (const put of group) put.answer(reply)
      return
    }
    const answers = group.length === 1 ? [reply.value] : Array.isArray(reply.value) ? reply.value : []
    const gone: Array<Put> = []
    for (const [i, put] of group.entries()) {
      const answer = answers[i] ?? null
      put.keys.isThere = typeof answer === "number" && answer > 0
      if (answer === null && replaces) gone.push(put)
      else put.answer(Exit.succeed(answer))
    }
    this.#send(gone)
  }
}
