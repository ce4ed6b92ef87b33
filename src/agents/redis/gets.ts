import { Exit } from "effect"
import type { Failure } from "../internal/backend.ts"
import type { Reply, Server } from "./Server.ts"

type Answer = (reply: Exit.Exit<Reply, Failure>) => void

interface Get {
  readonly key: string
  /** `undefined`: nobody waits any more. */
  answer: Answer | undefined
}

// As many as are worth a command, so that the server is at work while more is asked for. Not so where the states are large: it would
// send them while those before are decoded, and wait until they are read, which was measured at a twentieth more.
const atOnce = 16
const largeAtOnce = 64
const large = 32 * 1024

/** Reads that are asked for without waiting in between, several as one command: it takes half as long as one each, here and on the server. */
export class Gets {
  readonly #begin: Server["begin"]
  readonly #flushServer: Server["flush"]
  #asked: Array<Get> = []
  /** By what was read last. */
  #mostAtOnce = atOnce

  constructor(begin: Server["begin"], flush: Server["flush"]) {
    this.#begin = begin
    this.#flushServer = flush
  }

  /** As `get` of a server. */
  begin(key: string, answer: Answer): () => void {
    const get: Get = { key, answer }
    const count = this.#asked.push(get)
    if (count >= this.#mostAtOnce) {
      this.#flush()
      this.#flushServer()
    } else if (count === 1) process.nextTick(() => this.#flush())
    return () => {
      get.answer = undefined
    }
  }

  #flush(): void {
    const asked = this.#asked.filter(({ answer }) => answer !== undefined)
    this.#asked = []
    this.#send(asked)
  }

  #send(gets: ReadonlyArray<Get>): void {
    const [first, ...more] = gets
    if (first === undefined) return
    if (more.length === 0) this.#one(first)
    else {
      const keys = gets.map(({ key }) => key)
      this.#begin("read", "mget", keys, (reply) => {
        let bytes = 0
        for (const [i, get] of gets.entries()) {
          if (reply._tag === "Failure") get.answer?.(reply)
          else {
            const value = Array.isArray(reply.value) ? (reply.value[i] ?? null) : null
            // Of what is no string `mget` says that there is nothing.
            if (value === null) this.#one(get)
            else get.answer?.(Exit.succeed(value))
            if (Buffer.isBuffer(value)) bytes += value.length
          }
        }
        this.#mostAtOnce = bytes > large * gets.length ? largeAtOnce : atOnce
      })
    }
  }

  #one(get: Get): void {
    if (get.answer !== undefined) this.#begin("read", "get", [get.key], (reply) => get.answer?.(reply))
  }
}
