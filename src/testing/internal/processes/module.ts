import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import type { Effect, FileSystem, Layer } from "effect"

/** A server of our own behind the agent, which can be killed as well. */
export interface Server {
  /** Kills it without warning, and waits until it is dead. */
  readonly kill: Effect.Effect<void, unknown>
  /** Starts it again on the same data, and waits until it answers. */
  readonly restart: Effect.Effect<void, unknown>
}

/**
 * Where another process finds a subject: a closure cannot be sent there, so it is imported. The module must be one that
 * Node can import by itself; a test file is none, since it calls its test runner.
 *
 * ```ts
 * // account.subject.ts
 * export const subject = { name, schema, open, module: { url: import.meta.url } }
 * ```
 */
export interface Module {
  /** `import.meta.url` of the module that exports the subject, or a path. */
  readonly url: string | URL
  /** The name under which it does: a subject, or a function that makes one (or a promise of one). Default: `subject`. */
  readonly export?: string | undefined
  /** What such a function is called with, as JSON: the address of a server, the name of one subject among several. */
  readonly args?: ReadonlyArray<unknown> | undefined
  /** The real `FileSystem` of an agent that takes Effect's from its context: `NodeFileSystem.layer`. */
  readonly layer?: Layer.Layer<FileSystem.FileSystem, unknown> | undefined
  /** The server behind the agent. With it the law of kills, in about half of its rounds, kills it before its client. */
  readonly server?: Server | undefined
  /**
   * Waits until nothing that a dead process has sent will still be done: for an agent on a server, which may be reading a
   * request while its client is killed. Default: there is nothing to wait for.
   */
  readonly settled?: Effect.Effect<void, unknown> | undefined
  /** Arguments of `node` itself. Default: those of this process that say how modules are found and loaded. */
  readonly execArgv?: ReadonlyArray<string> | undefined
}

const withValue = ["--conditions", "-C", "--import", "--loader", "--experimental-loader"]
const alone = ["--experimental-strip-types", "--experimental-transform-types", "--preserve-symlinks"]

/** The arguments among these that say how modules are found and loaded. */
export const inherited = (execArgv: ReadonlyArray<string>): ReadonlyArray<string> =>
  execArgv.flatMap((arg, i) => {
    if (alone.includes(arg) || withValue.some((name) => arg.startsWith(`${name}=`))) return [arg]
    const value = execArgv[i + 1]
    return withValue.includes(arg) && value !== undefined ? [arg, value] : []
  })

// Both are sources, or both are built; where they are sources, so must be the package that the subject imports.
const isSource = import.meta.url.endsWith(".ts")
const entry = new URL(isSource ? "./child.ts" : "./child.js", import.meta.url)

/** How to run the process of a module. */
export const command = (
  module: Module
): { readonly args: ReadonlyArray<string>; readonly env: Readonly<Record<string, string | undefined>> } => {
  const url = urlOf(module.url)
  // Static imports: what cannot be imported is then told by Node itself, and first of all.
  const script = [
    `import { serve } from ${JSON.stringify(entry.href)}`,
    `import * as module from ${JSON.stringify(url)}`,
    `await serve(module, ${JSON.stringify({ url, name: module.export ?? "subject", args: module.args ?? [] })})`
  ].join("\n")
  const conditions = isSource ? ["--conditions=@dgents/source"] : []
  return {
    args: [...conditions, ...(module.execArgv ?? inherited(process.execArgv)), "--input-type=module", "--eval", script],
    // Half of the time that a process takes to start goes into compiling what the one before it has compiled.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache"), ...process.env }
  }
}

const urlOf = (url: string | URL): string =>
  url instanceof URL ? url.href : /^[a-z]{2,}:/i.test(url) ? url : pathToFileURL(url).href

/** The module for people: its path. */
export const show = (module: Module): string => {
  const url = urlOf(module.url)
  return url.startsWith("file:") ? fileURLToPath(url) : url
}
