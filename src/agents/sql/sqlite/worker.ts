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
import { openAgain } from "./settings.ts"

// Sound: `Thread` starts it with these.
const options = workerData as WorkerOptions
const connection = new Connection(openAgain(Database, options), options.file)
const sleeper = new Int32Array(new SharedArrayBuffer(4))
const sleep = (millis: number) => Atomics.wait(sleeper, 0, 0, millis)
/** This thread may block while it waits for the lock of another connection. */
const commitWhenFree = (writes: ReadonlyArray<Work>): Answer => {
  const deadline = performance.now() + options.busyTimeout
  for (;;) {
    const begun = performance.now()
    const outcomes = commit(connection, writes)
    if (outcomes !== "busy")
      return { _tag: "Committed", outcomes: outcomes.map(cloneable), millis: performance.now() - begun }
    if (begun >= deadline) return { _tag: "Failed", failure: busyFailure(options.file) }
    sleep(1 + Math.random() * 2)
  }
}

// How often it is tried to get in between the commits of others, and how often while a reader is in the way.
const mostTries = 200
const mostTriesInVain = 20

const checkpoint = (): void => {
  let copied = 0
  let inVain = 0
  for (let tries = 0; tries < mostTries && inVain < mostTriesInVain; tries++) {
    if (connection.checkpoint()) return
    const now = connection.log.copied
    inVain = now === copied ? inVain + 1 : 0
    copied = now
    sleep(0.5)
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
      checkpoint()
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
