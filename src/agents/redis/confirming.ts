import type { Failure } from "../internal/backend.ts"
import type { Call } from "./call.ts"
import type { Line } from "./line.ts"
import type { Confirmation } from "./options.ts"
import type { Reply } from "./Server.ts"

type Written = readonly [write: Call, reply: Reply]

/**
 * Asks, after writes and on their connection, whether enough replicas have them or enough disks. A connection is asked once for all
 * the writes whose replies came together, so that many at once share the round trip.
 */
export class Confirming {
  readonly #line: Line
  readonly #confirmation: Confirmation
  readonly #written = new Map<object, Array<Written>>()

  constructor(line: Line, confirmation: Confirmation) {
    this.#line = line
    this.#confirmation = confirmation
  }

  /** A write that was done, and is not to be acknowledged yet. */
  add(write: Call, reply: Reply): void {
    const { socket } = write
    // What has a reply was written to one.
    if (socket === undefined) return
    const written = this.#written.get(socket)
    if (written === undefined) {
      this.#written.set(socket, [[write, reply]])
      process.nextTick(() => this.#ask(socket))
    } else written.push([write, reply])
  }

  #ask(socket: object): void {
    const written = this.#written.get(socket) ?? []
    this.#written.delete(socket)
    const client = this.#line.wire.ownerOf(socket)
    // What another connection answers is about its own writes.
    if (client === undefined) {
      this.#fail(written, "the connection broke")
      return
    }
    const { command, local, replicas, timeout } = this.#confirmation
    const handedAt = performance.now() + timeout
    this.#line.hand(
      {
        kind: "confirm",
        name: command,
        args: command === "wait" ? [replicas, timeout] : [local, replicas, timeout],
        node: undefined,
        deadline: handedAt + this.#line.limits.timeout,
        answer: (reply) => this.#answered(written, reply),
        fail: (failure) => this.#fail(written, "reason" in failure ? failure.reason : "the connection was closed"),
        isDone: false,
        handedAt,
        socket: undefined,
        refused: undefined
      },
      client
    )
  }

  #answered(written: ReadonlyArray<Written>, reply: Reply): void {
    const { command, local, replicas, timeout } = this.#confirmation
    const [synced, confirmed] = command === "wait" ? [0, reply] : Array.isArray(reply) ? reply : []
    if (Number(confirmed) >= replicas && Number(synced) >= local) {
      for (const [write, answer] of written) settle(write, () => write.answer(answer))
      return
    }
    this.#fail(
      written,
      Number(synced) < local
        ? `it did not sync its append-only file within ${timeout} ms`
        : `${Number(confirmed)} of ${replicas} replicas had it after ${timeout} ms`
    )
  }

  #fail(written: ReadonlyArray<Written>, why: string): void {
    const { place } = this.#line.limits
    const reason = `${place}: it was written, and not confirmed as it has to be: ${why}`
    const failure: Failure = { _tag: "Indeterminate", reason }
    for (const [write] of written) settle(write, () => write.fail(failure))
  }
}

const settle = (write: Call, answer: () => void): void => {
  if (write.isDone) return
  write.isDone = true
  answer()
}
