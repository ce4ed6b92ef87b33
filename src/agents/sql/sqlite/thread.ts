import { Worker } from "node:worker_threads"
import type { Write } from "../Engine.ts"
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

/** How many steps of a write are copied in one go: some milliseconds, of states of some kilobytes. */
export const stepsInPart = 256

/** Whether there is a worker to be started. */
export const isAvailable = extension !== undefined

/** A worker with a connection of its own, to be asked at once. It keeps no process alive after it has answered. */
export class Thread {
  readonly #worker: Worker
  readonly #pending: Array<Pending> = []
  #state: "starting" | "ready" = "starting"
  #gone: WorkerGone | undefined

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

  /** The same for one write of many steps, which is copied in parts, between which the event loop turns. */
  async commitParts(write: Write): Promise<Answer> {
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
