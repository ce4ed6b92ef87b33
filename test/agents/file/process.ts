import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { Effect, type Scope } from "effect"

const script = new URL("./child.ts", import.meta.url).pathname

/** A process that has a file open. */
export interface Process {
  readonly pid: number
  /** Its next line. */
  readonly line: Effect.Effect<string>
  /** Tells it something, and answers what it says. */
  readonly tell: (command: string) => Effect.Effect<string>
  readonly kill: Effect.Effect<void>
}

/** Starts one; it ends with the scope. What it says first is `open`, or why it could not. */
export const start = (path: string, options: object = {}): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["--conditions=@dgents/source", script, path, JSON.stringify(options)], {
          stdio: ["pipe", "pipe", "inherit"]
        })
      ),
      (child) =>
        Effect.promise(async () => {
          child.kill("SIGKILL")
          if (child.exitCode === null && child.signalCode === null)
            await new Promise((resolve) => child.once("exit", resolve))
        })
    ),
    (child) => {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const line = Effect.promise(async () => String((await lines.next()).value))
      return {
        pid: child.pid ?? 0,
        line,
        tell: (command) =>
          Effect.andThen(
            Effect.sync(() => child.stdin.write(`${command}\n`)),
            line
          ),
        kill: Effect.promise(async () => {
          const ended = new Promise((resolve) => child.once("exit", resolve))
          child.kill("SIGKILL")
          await ended
        })
      }
    }
  )
