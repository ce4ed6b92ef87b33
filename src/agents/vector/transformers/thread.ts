import { Worker } from "node:worker_threads"
import { load, type Model, type ModelOptions } from "./model.ts"
import type { Said } from "./protocol.ts"

// Where a bundler has put this code into a file of its own, there is no worker beside it, or one of another program.
const extension = /\/agents\/vector\/transformers\/thread(\.[jt]s)$/.exec(new URL(import.meta.url).pathname)?.[1]

/** A model in a thread of its own, or here where there can be none. */
export const start = (options: ModelOptions): Promise<Model> =>
  extension === undefined ? load(options) : startThread(options, extension)

interface Pending {
  readonly resolve: (said: Said) => void
  readonly reject: (cause: unknown) => void
}

const startThread = async (options: ModelOptions, extension: string): Promise<Model> => {
  const worker = new Worker(new URL(`./worker${extension}`, import.meta.url), {
    workerData: options,
    name: "dgents-transformers"
  })
  const pending: Array<Pending> = []
  let gone: Error | undefined
  const end = (cause: Error) => {
    gone ??= cause
    for (const { reject } of pending.splice(0)) reject(gone)
  }
  worker.on("message", (said: Said) => pending.shift()?.resolve(said))
  worker.on("error", (cause) => end(cause instanceof Error ? cause : new Error("its thread failed")))
  worker.on("exit", () => end(new Error("its thread has ended")))
  const next = (): Promise<Said> =>
    new Promise((resolve, reject) => {
      if (gone === undefined) pending.push({ resolve, reject })
      else reject(gone)
    })
  const ready = await next()
  if (ready._tag !== "Ready") {
    await worker.terminate()
    throw said(ready)
  }
  return {
    dimension: ready.dimension,
    embed: async (texts) => {
      const answer = next()
      worker.postMessage(texts)
      const answered = await answer
      if (answered._tag !== "Embedded") throw said(answered)
      return answered.vectors
    },
    close: () => worker.terminate()
  }
}

const said = (answer: Said): Error =>
  answer._tag === "Failed"
    ? Object.assign(new Error(answer.reason), { code: answer.code })
    : new Error("its thread gave another answer than it was asked for")
