import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"

/** How a child ended, and what it printed. */
export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** How it starts. */
export interface Options {
  /** A shell command that runs first, in the process that becomes the child. */
  readonly before?: string
}

/** Starts a script of this directory in a process of its own. */
export const start = (script: string, args: ReadonlyArray<string>, options?: Options) => {
  const path = script.startsWith("/") ? script : fileURLToPath(new URL(script, import.meta.url))
  const command = [process.execPath, "--conditions=@dgents/source", path, ...args]
  const child = spawn("sh", ["-c", `${options?.before ?? ":"}; exec "$@"`, "sh", ...command], {
    stdio: ["ignore", "pipe", "pipe"]
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    let [out, err] = ["", ""]
    child.stdout.on("data", (chunk) => {
      out += String(chunk)
    })
    child.stderr.on("data", (chunk) => {
      err += String(chunk)
    })
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, out, err }))
  })
  return { child, ended }
}

/** Runs a script of this directory to its end. */
export const run = (script: string, args: ReadonlyArray<string>, options?: Options): Effect.Effect<Ended> =>
  Effect.promise(() => start(script, args, options).ended)
