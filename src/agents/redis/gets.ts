import { Exit } from "effect"
import type { Failure } from "../internal/backend.ts"
import type { Reply, Server } from "./Server.ts"

type Answer = (reply: Exit.Exit<Reply, Failure>) => void

interface Get {
  readonly key: string
  /** `undefined`: nobody waits any more. */
  answer: Answer | undefined
}

// A server does nothing else while it answers one command.
const mostAtOnce = 64

/** Reads that are asked for without waiting in between, as one command: it takes half as long as one each, here and on the server. */
export class Gets {
  readonly #begin: Server["begin"]
  #asked: Array<Get> = []

  constructor(begin: Server["begin"]) {
    this.#begin = begin
  }

  /** As `get` of a server. */
  begin(key: string, answer: Answer): () => void {
    const get: Get = { key, answer }
    if (this.#asked.push(get) === 1) process.nextTick(() => this.#flush())
    return () => {
      get.answer = undefined
    }
  }

  #flush(): void {
    const asked = this.#asked.filter(({ answer }) => answer !== undefined)
    this.#asked = []
    for (let i = 0; i < asked.length; i += mostAtOnce) this.#send(asked.slice(i, i + mostAtOnce))
  }

  #send(gets: ReadonlyArray<Get>): void {
    const [first, ...more] = gets
    if (first === undefined) return
    if (more.length === 0) this.#one(first)
    else {
      const keys = gets.map(({ key }) => key)
      this.#begin("read", "mget", keys, (reply) => {
        for (const [i, get] of gets.entries()) {
          if (reply._tag === "Failure") get.answer?.(reply)
          else {
            const value = Array.isArray(reply.value) ? (reply.value[i] ?? null) : null
            // Of what is no string `mget` says that there is nothing.
            if (value === null) this.#one(get)
            else get.answer?.(Exit.succeed(value))
          }
        }
      })
    }
  }

  #one(get: Get): void {
    if (get.answer !== undefined) this.#begin("read", "get", [get.key], (reply) => get.answer?.(reply))
  }
}
