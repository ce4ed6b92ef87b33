import { Worker } from "node:worker_threads"
import type { Write } from "../Engine.ts"
import { isWrite, type Work } from "./logSteps.ts"
import type { Answer, Part, Ready, Request, WorkerOptions } from "./protocol.ts"

/** The worker has ended, by itself or by force, and what it was asked is not answered. */
export class WorkerGone {
  /** Whether it ever ran: otherwise nothing of what it was asked has happened. */
  readonly hadStarted: boolean
  readonly cause: unknown

  constructor(hadStarted: boolean, cause: unknown) {
    this.hadStarted = hadStarted
    this.cause = cause
  }
}

interface Pending {
  readonly resolve: (answer: Answer) => void
  readonly reject: (gone: WorkerGone) => void
}

// Where a bundler has put this code into a file of its own, there is no worker beside it, or one of another program.
const extension = /\/agents\/sql\/sqlite\/thread(\.[jt]s)$/.exec(new URL(import.meta.url).pathname)?.[1]

// How many steps of a write are copied in one go: some milliseconds, of states of some kilobytes.
const stepsInPart = 256
// It has what to do then, and what is copied to it takes memory.
const mostCommits = 4

/** Whether there is a worker to be started. */
export const isAvailable = extension !== undefined

/** A worker with a connection of its own, to be asked at once. It keeps no process alive after it has answered. */
export class Thread {
  readonly #worker: Worker
  readonly #pending: Array<Pending> = []
  #state: "starting" | "ready" = "starting"
  #gone: WorkerGone | undefined
  #commits = 0
  #isInParts = false

  constructor(options: WorkerOptions) {
    const worker = new Worker(new URL(`./worker${extension ?? ".js"}`, import.meta.url), {
      workerData: options,
      name: "dgents-sqlite"
    })
    this.#worker = worker
    worker.on("message", (message: Answer | Ready) => this.#receive(message))
    worker.on("error", (error) => this.#end(error))
    // An answer that cannot be read is as good as none.
    worker.on("messageerror", (error) => {
      this.#end(error)
      worker.terminate()
    })
    worker.on("exit", (code) => this.#end(new Error(`the worker ended with code ${code}`)))
  }

  /** Whether it has opened the database. */
  get isReady(): boolean {
    return this.#state === "ready" && this.#gone === undefined
  }

  /** Whether it has ended: nothing can be asked of it. */
  get isGone(): boolean {
    return this.#gone !== undefined
  }

  /** How many commits it was asked for and has not answered. */
  get commits(): number {
    return this.#commits
  }

  /** Whether it can be asked for one more before it has answered. Not among the parts of one. */
  get takesMore(): boolean {
    return this.isReady && !this.#isInParts && this.#commits < mostCommits
  }

  /** Commits writes in their order. Rejects as `ask` does. */
  async commit(works: ReadonlyArray<Work>): Promise<Answer> {
    const writes = works.map((work) => (isWrite(work) ? work.map(portable) : work))
    const [first] = writes
    const isLarge = writes.length === 1 && first !== undefined && isWrite(first) && first.length > stepsInPart
    this.#commits++
    this.#isInParts ||= isLarge
    try {
      return await (isLarge ? this.#commitParts(first) : this.ask({ _tag: "Commit", writes }))
    } finally {
      this.#commits--
      if (isLarge) this.#isInParts = false
    }
  }

  /** One write of many steps, which is copied in parts, between which the event loop turns. */
  async #commitParts(write: Write): Promise<Answer> {
    const end = write.length - stepsInPart
    let at = 0
    for (; at < end && !this.isGone; at += stepsInPart) {
      const part: Part = { _tag: "Part", steps: write.slice(at, at + stepsInPart) }
      this.#worker.postMessage(part)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return this.ask({ _tag: "CommitParts", last: write.slice(at) })
  }

  /** Rejects with `WorkerGone` when the worker ends before it answers. */
  ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) return reject(this.#gone)
      this.#worker.postMessage(request)
      if (this.#pending.length === 0) this.#worker.ref()
      this.#pending.push({ resolve, reject })
    })
  }

  #receive(message: Answer | Ready): void {
    if (message._tag === "Ready") {
      this.#state = "ready"
      return
    }
    const pending = this.#pending.shift()
    if (this.#pending.length === 0) this.#worker.unref()
    pending?.resolve(message)
  }

  #end(cause: unknown): void {
    this.#gone ??= new WorkerGone(this.#state === "ready", cause)
    for (const { reject } of this.#pending.splice(0)) reject(this.#gone)
  }
}

/** A view copies all that it is a view of when it goes to another thread. */
const portable = (step: Write[number]): Write[number] =>
  step._tag === "Put" && typeof step.state !== "string" && step.state.byteLength < step.state.buffer.byteLength
    ? { ...step, state: step.state.slice() }
    : step
