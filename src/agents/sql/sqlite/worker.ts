/**
 * The thread that commits what would block the event loop, checkpoints, and checks. Imports nothing of Effect, so that it
 * is there in a few milliseconds.
 */
import { parentPort, workerData } from "node:worker_threads"
import Database from "better-sqlite3"
import type { Write } from "../Engine.ts"
import { commit, type Outcome } from "./commit.ts"
import { Connection } from "./connection.ts"
import { busyFailure, readFailure } from "./errors.ts"
import type { Work } from "./logSteps.ts"
import type { Answer, Part, Ready, Request, WorkerOptions } from "./protocol.ts"
import { configure, inodeOf } from "./settings.ts"

// Sound: `Thread` starts it with these.
const options = workerData as WorkerOptions
const db = new Database(options.file, { readonly: options.isReadonly, fileMustExist: true, timeout: 0 })
if (inodeOf(options.file) !== options.inode) throw new Error("there is another file in the place of the database")
configure(db, options.synchronous)
const connection = new Connection(db, options.file)
const sleeper = new Int32Array(new SharedArrayBuffer(4))

/** This thread may block while it waits for the lock of another connection. */
const commitWhenFree = (writes: ReadonlyArray<Work>): Answer => {
  const deadline = performance.now() + options.busyTimeout
  for (;;) {
    const begun = performance.now()
    const outcomes = commit(connection, writes)
    if (outcomes !== "busy")
      return { _tag: "Committed", outcomes: outcomes.map(cloneable), millis: performance.now() - begun }
    if (begun >= deadline) return { _tag: "Failed", failure: busyFailure(options.file) }
    Atomics.wait(sleeper, 0, 0, 1 + Math.random() * 2)
  }
}

const parts: Array<Write> = []

const answer = (request: Request): Answer => {
  switch (request._tag) {
    case "Commit":
      return commitWhenFree(request.writes)
    case "CommitParts":
      return commitWhenFree([[...parts.splice(0).flat(), ...request.last]])
    case "Checkpoint":
      connection.checkpoint()
      return { _tag: "Checkpointed" }
    case "Integrity":
      return { _tag: "Integrity", found: connection.check() }
    case "Close":
      connection.close()
      return { _tag: "Closed" }
  }
}

const answerOrFail = (request: Request): Answer => {
  try {
    return answer(request)
  } catch (error) {
    return { _tag: "Failed", failure: withPlainCause(readFailure(error, options.file)) }
  }
}

// What goes from thread to thread loses its class, and a class that cannot be copied is not to lose the answer.
const withPlainCause = <A extends object>(failure: A): A =>
  "cause" in failure && failure.cause instanceof Error
    ? { ...failure, cause: Object.assign(new Error(failure.cause.message), { stack: failure.cause.stack }) }
    : failure

const cloneable = (outcome: Outcome): Outcome =>
  "_tag" in outcome && outcome._tag === "Defect"
    ? { _tag: "Defect", error: new Error(String(outcome.error)) }
    : Array.isArray(outcome)
      ? outcome
      : withPlainCause(outcome)

parentPort?.on("message", (request: Request | Part) => {
  if (request._tag === "Part") {
    parts.push(request.steps)
    return
  }
  parentPort?.postMessage(answerOrFail(request))
  if (request._tag === "Close") parentPort?.close()
})
const ready: Ready = { _tag: "Ready" }
parentPort?.postMessage(ready)
