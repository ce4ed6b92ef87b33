/** The thread that a model computes in: the runtime computes where it is called, and keeps whoever calls it waiting. */
import { parentPort, workerData } from "node:worker_threads"
import { load, type ModelOptions } from "./model.ts"
import { failed, type Said } from "./protocol.ts"

const say = (said: Said, transfer: ReadonlyArray<ArrayBuffer> = []): void =>
  parentPort?.postMessage(said, [...transfer])

// Sound: `thread.ts` starts it with these.
const loading = load(workerData as ModelOptions)

let last: Promise<unknown> = loading.then(
  ({ dimension }) => say({ _tag: "Ready", dimension }),
  (cause) => say(failed(cause))
)

parentPort?.on("message", (texts: ReadonlyArray<string>) => {
  last = last.then(async () => {
    try {
      const vectors = await (await loading).embed(texts)
      say({ _tag: "Embedded", vectors }, [vectors.buffer])
    } catch (cause) {
      say(failed(cause))
    }
  })
})
