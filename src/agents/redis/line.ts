import { Effect, Exit } from "effect"
import type { Redis } from "ioredis"
import type { Failure } from "../internal/backend.ts"
import type { Call, Listener, Requests } from "./call.ts"
import { Confirming } from "./confirming.ts"
import { broken, isReply, refused, scrubbed, unknown, type Verdict, verdictOf } from "./errors.ts"
import type { Confirmation } from "./options.ts"
import type { Argument, Kind, Reply } from "./Server.ts"
import type { Wire, WireEvents } from "./Wire.ts"

/** Limits of a line; the time in milliseconds. */
export interface Limits {
  readonly place: string
  /** How long a command waits in all. */
  readonly timeout: number
  /** How many commands there may be at once. */
  readonly queue: number
}

// Between attempts of a command that the server refuses for now.
const pause = 50

// How long before its time a command is tried no more: a write whose answer comes too late would be indeterminate.
const lastMoment = 100

/**
 * Commands that wait for a connection, or for their answers. A write is handed over again only if the server never saw it, or said
 * that it did not do it.
 */
export class Line implements Listener, WireEvents {
  readonly limits: Limits
  readonly wire: Wire
  readonly #requests: Requests
  readonly #confirm: Confirming | undefined
  #waiting = new Set<Call>()
  readonly #refused = new Set<Call>()
  readonly #handed = new Set<Call>()
  #failure: Failure | undefined
  #isScheduled = false
  #isReconnecting = false
  #isClosed = false
  #timer: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #drained: (() => void) | undefined

  constructor(
    limits: Limits,
    requests: Requests,
    connect: (events: WireEvents) => Wire,
    confirmation: Confirmation | undefined
  ) {
    this.limits = limits
    this.#requests = requests
    this.#confirm = confirmation === undefined ? undefined : new Confirming(this, confirmation)
    this.wire = connect(this)
  }

  get waiting(): number {
    return this.#waiting.size + this.#refused.size
  }

  get inFlight(): number {
    return this.#handed.size
  }

  /** One command; `node` names the node of a Cluster that it is for, else its keys decide. */
  ask(kind: Kind, name: string, args: ReadonlyArray<Argument>, node?: string): Effect.Effect<Reply, Failure> {
    return Effect.callback((resume) => Effect.sync(this.begin(kind, name, args, resume, node)))
  }

  /** The same for who calls: what comes back takes the call away if it was not sent yet. */
  begin(
    kind: Kind,
    name: string,
    args: ReadonlyArray<Argument>,
    answer: (reply: Exit.Exit<Reply, Failure>) => void,
    node?: string
  ): () => void {
    const problem = this.#isClosed
      ? closed
      : this.waiting + this.inFlight >= this.limits.queue
        ? Exit.fail(this.#crowded())
        : undefined
    if (problem !== undefined) {
      answer(problem)
      return () => {}
    }
    const call: Call = {
      kind,
      name,
      args,
      node,
      deadline: performance.now() + this.limits.timeout,
      answer: (reply) => answer(Exit.succeed(reply)),
      fail: (failure) => answer(Exit.fail(failure)),
      isDone: false,
      handedAt: 0,
      socket: undefined,
      refused: undefined
    }
    this.#add(call)
    return () => {
      call.isDone = true
      this.#waiting.delete(call)
      this.#refused.delete(call)
    }
  }

  /** Sends something at once, on a connection that the caller has chosen. Its deadline may be in a while. */
  hand(call: Call, client: Redis): void {
    this.#handed.add(call)
    client.sendCommand(this.#requests(call, this))
  }

  /** Sends what waits now, rather than when the turn of the event loop is over. */
  flush(): void {
    if (this.#waiting.size === 0 || !this.wire.isReady || this.#isReconnecting) return
    const calls = this.#waiting
    this.#waiting = new Set()
    const now = performance.now()
    const requests = []
    for (const call of calls) {
      call.handedAt = now
      call.socket = undefined
      this.#handed.add(call)
      requests.push(this.#requests(call, this))
    }
    this.wire.send(requests)
  }

  /** Lets nobody in any more, sends away who has not been sent, and waits for the answers to the rest. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#retry)
    for (const call of [...this.#waiting, ...this.#refused]) this.#fail(call, { _tag: "Closed" })
    if (this.#handed.size > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
    clearTimeout(this.#timer)
    this.wire.close()
  }

  replied(call: Call, reply: Reply): void {
    this.#failure = undefined
    this.#return(call)
    if (call.isDone) return
    if (call.kind === "write" && this.#confirm !== undefined) this.#confirm.add(call, reply)
    else {
      call.isDone = true
      call.answer(reply)
    }
  }

  rejected(call: Call, error: unknown): void {
    this.#return(call)
    if (call.isDone) return
    const verdict = verdictOf(error)
    if (isReply(error)) this.#refuse(call, error, verdict)
    else if (call.kind === "read" || (call.kind === "write" && call.socket === undefined)) {
      call.refused = undefined
      this.#failure ??= refused(this.limits.place, error, verdict)
      this.#later(call)
    } else this.#fail(call, this.#indeterminate("the connection broke before it answered", error))
  }

  ready(): void {
    this.#failure = undefined
    this.#isReconnecting = false
    this.#schedule()
  }

  failed(error: unknown, verdict: Verdict): void {
    // That it was closed says less than why.
    if (this.#failure === undefined || verdict !== broken) this.#failure = refused(this.limits.place, error, verdict)
    if (verdict.retryable || this.wire.isReady) return
    // Nobody who waits is served by the next attempt either.
    for (const call of [...this.#waiting, ...this.#refused]) this.#fail(call, this.#failure)
  }

  #add(call: Call): void {
    this.#waiting.add(call)
    this.#schedule()
    this.#timer ??= setTimeout(() => this.#sweep(), this.limits.timeout)
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.size === 0 || !this.wire.isReady || this.#isReconnecting) return
    this.#isScheduled = true
    process.nextTick(() => {
      this.#isScheduled = false
      this.flush()
    })
  }

  #refuse(call: Call, error: unknown, verdict: Verdict): void {
    const failure = refused(this.limits.place, error, verdict)
    if (verdict === unknown && call.kind === "write" && call.name.startsWith("eval"))
      this.#fail(call, this.#indeterminate("a script failed, perhaps after it had written something", error))
    else if (verdict.again === "no" || call.kind === "confirm") this.#fail(call, failure)
    else {
      call.refused = failure
      if (verdict.again === "reconnect") this.#reconnect()
      this.#later(call)
    }
  }

  #later(call: Call): void {
    if (this.#isClosed) {
      this.#fail(call, { _tag: "Closed" })
      return
    }
    this.#refused.add(call)
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      const tooLate = performance.now() + Math.min(lastMoment, this.limits.timeout / 4)
      for (const each of this.#refused) {
        if (each.refused !== undefined && each.deadline < tooLate) continue
        this.#refused.delete(each)
        this.#waiting.add(each)
      }
      this.#schedule()
    }, pause)
  }

  /** What is under way is answered first. */
  #reconnect(): void {
    this.#isReconnecting = true
    setImmediate(() => this.#rest())
  }

  #return(call: Call): void {
    this.#handed.delete(call)
    // Not at once: a write that was answered may have to be confirmed.
    if (this.#handed.size === 0 && (this.#isReconnecting || this.#isClosed)) setImmediate(() => this.#rest())
  }

  /** When nothing is under way any more. */
  #rest(): void {
    if (this.#handed.size > 0) return
    if (this.#isReconnecting && this.wire.isReady) this.wire.reconnect()
    this.#drained?.()
  }

  #fail(call: Call, failure: Failure): void {
    this.#waiting.delete(call)
    this.#refused.delete(call)
    if (call.isDone) return
    call.isDone = true
    call.fail(failure)
  }

  /** One timer for all of them. */
  #sweep(): void {
    this.#timer = undefined
    const { timeout } = this.limits
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const calls of [this.#waiting, this.#refused, this.#handed])
      for (const call of calls) {
        if (call.deadline <= now) this.#expire(call)
        else if (!call.isDone) next = Math.min(next, call.deadline)
      }
    const silent = new Set<object>()
    for (const call of this.#handed) {
      const until = call.handedAt + timeout
      if (until > now) next = Math.min(next, until)
      else if (call.socket !== undefined && this.wire.ownerOf(call.socket) !== undefined) silent.add(call.socket)
      else this.#return(call)
    }
    // Its server may be gone without a word, and another one the master.
    for (const socket of silent) this.wire.ownerOf(socket)?.stream.destroy()
    if (next < Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.#sweep(), Math.max(1, next - now))
  }

  #expire(call: Call): void {
    const wasSent = call.socket !== undefined && this.#handed.has(call)
    const late = `it did not answer within ${this.limits.timeout} ms, which is the option timeout`
    if (wasSent && call.kind === "write") this.#fail(call, this.#indeterminate(late))
    else {
      const failure: Failure = { _tag: "Unavailable", reason: `${this.limits.place}: ${late}`, retryable: true }
      this.#fail(call, wasSent ? failure : (call.refused ?? this.#failure ?? failure))
    }
  }

  #indeterminate(reason: string, error?: unknown): Failure {
    const cause = error === undefined ? {} : { cause: scrubbed(error) }
    return { _tag: "Indeterminate", reason: `${this.limits.place}: ${reason}`, ...cause }
  }

  #crowded(): Failure {
    const { place, queue } = this.limits
    const reason = `${place}: ${queue} commands wait or are under way, which is the option queue; raise it, or ask for less at once`
    return { _tag: "Unavailable", reason, retryable: true }
  }
}

const closed = Exit.fail<Failure>({ _tag: "Closed" })
