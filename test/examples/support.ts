import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** Where a program runs; this repository, with nothing more in its environment, unless it says otherwise. */
export interface Place {
  readonly cwd?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** Starts a program of this repository under the Node that runs the tests, as the npm scripts do. */
export const start = (args: ReadonlyArray<string>, { cwd = root, env = {} }: Place = {}) =>
  spawn(process.execPath, ["--conditions=@dgents/source", ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })

/** Runs a program to its end: exit code, and what it printed on both streams. */
export const run = async (
  args: ReadonlyArray<string>,
  place?: Place
): Promise<{ code: number | null; output: string }> => {
  const child = start(args, place)
  let output = ""
  child.stdout.on("data", (data) => {
    output += String(data)
  })
  child.stderr.on("data", (data) => {
    output += String(data)
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", resolve)
  })
  return { code, output }
}
