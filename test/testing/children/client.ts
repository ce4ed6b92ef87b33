/** A subject whose state is kept by a server of its own, `server.ts`, which can be killed. */
import { type ChildProcess, spawn } from "node:child_process"
import { rmSync } from "node:fs"
import { connect } from "node:net"
import { fileURLToPath } from "node:url"
import { type Claims, DataAgent, Register, Revision, StateError } from "dgents"
import type { Processes, Subject } from "dgents/testing"
import { Effect, Option, type Scope } from "effect"
import { State } from "../mutants/killFile.ts"
import type { Reply, Request } from "./server.ts"

const claims: Claims.Claims = { durability: "process", consistency: "linearizable", sharing: "host", history: "none" }
const agent = "client"

/** Asks the server. Who cannot connect has changed nothing; who was sent no reply does not know. */
const ask = (
  socket: string,
  request: Request
): Effect.Effect<Reply, StateError.StorageUnavailable | StateError.WriteIndeterminate> =>
  Effect.callback((resume) => {
    let isConnected = false
    let text = ""
    const connection = connect(socket, () => {
      isConnected = true
      connection.write(`${JSON.stringify(request)}\n`)
    })
    connection.on("error", () => {})
    connection.on("data", (chunk) => {
      text += String(chunk)
    })
    connection.once("close", () => {
      // Only `server.ts` answers here, and it answers at once or not at all.
      if (text !== "") return resume(Effect.succeed(JSON.parse(text) as Reply))
      const isRead = request.write === undefined && request.remove === undefined
      resume(
        isConnected && !isRead
          ? new StateError.WriteIndeterminate({ agent, reason: "the server is gone" })
          : new StateError.StorageUnavailable({
              agent,
              operation: "reach the server",
              reason: "it is gone",
              retryable: true
            })
      )
    })
  })

const register = (socket: string, file: string): Register.Register => ({
  // A read is never indeterminate.
  read: Effect.catchTag(ask(socket, { file }), "WriteIndeterminate", Effect.die).pipe(
    Effect.map(({ entry }) => Option.fromUndefinedOr(entry))
  ),
  write: (next, expected) =>
    Effect.flatMap(ask(socket, { file, write: { next, expected } }), ({ conflict, entry }) =>
      conflict === undefined
        ? Effect.succeed(entry?.revision ?? Revision.absent)
        : Effect.as(Register.check({ agent }, expected, Revision.make(conflict)), Revision.absent)
    ),
  remove: Effect.map(ask(socket, { file, remove: true }), ({ entry }) => Option.fromUndefinedOr(entry?.revision))
})

export const subject = (socket: string): Subject<State> => ({
  name: "a client of a server",
  schema: State,
  open: (site) =>
    DataAgent.fromRegister({ name: agent, schema: State, claims, register: register(socket, site.path("state")) }),
  module: { url: import.meta.url, args: [socket] }
})

/** The server of a socket, which ends with the scope. A hasty one answers before it has stored anything. */
export const server = (socket: string, isHasty: boolean): Effect.Effect<Processes.Server, never, Scope.Scope> => {
  let running: ChildProcess | undefined
  const restart = Effect.callback<void>((resume) => {
    rmSync(socket, { force: true })
    const path = fileURLToPath(new URL("server.ts", import.meta.url))
    running = spawn(process.execPath, [path, socket, isHasty ? "hasty" : ""], { stdio: ["pipe", "pipe", "inherit"] })
    running.stdout?.once("data", () => resume(Effect.void))
  })
  const kill = Effect.callback<void>((resume) => {
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return resume(Effect.void)
    running.once("close", () => resume(Effect.void))
    running.kill("SIGKILL")
  })
  return Effect.as(
    Effect.acquireRelease(restart, () => kill),
    { kill, restart }
  )
}
