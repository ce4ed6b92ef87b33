import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { Effect, type Scope } from "effect"

/** A child process that ends with the scope at the latest. */
export interface Child {
  readonly process: ChildProcess
  /** Waits until it says a word. */
  readonly says: (word: string) => Effect.Effect<void, Error>
  /** Waits for its end. */
  readonly end: Effect.Effect<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }, Error>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** Runs one of the files of this directory. */
export const spawnChild = (file: string, ...args: ReadonlyArray<string>): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["--conditions=@dgents/source", join(import.meta.dirname, file), ...args], {
          stdio: ["pipe", "pipe", "pipe"]
        })
      ),
      (child) =>
        Effect.callback<void>((resume) => {
          if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    ),
    (child) => {
      let out = ""
      let errors = ""
      child.stdout.on("data", (data) => {
        out += data
      })
      child.stderr.on("data", (data) => {
        errors += data
      })
      const ended = (word: string) => Effect.fail(new Error(`the child ended before it said ${word}: ${errors}`))
      return {
        process: child,
        says: (word) =>
          Effect.callback((resume) => {
            const look = () => out.includes(`${word}\n`) && resume(Effect.void)
            child.stdout.on("data", look)
            child.once("close", () => resume(ended(word)))
            look()
          }),
        end: Effect.callback((resume) => {
          const tell = () => resume(Effect.succeed({ code: child.exitCode, signal: child.signalCode }))
          if (child.exitCode !== null || child.signalCode !== null) return tell()
          child.once("exit", tell)
        }),
        kill: (signal) => Effect.sync(() => void child.kill(signal))
      }
    }
  )
