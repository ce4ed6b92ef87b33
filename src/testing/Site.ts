import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"

/**
 * The place where the state of one generated case lives. A case may open its agent many times on one site (a recovery);
 * another case gets another site.
 */
export interface Site {
  /** A path inside a temporary directory of this site, which is created on first use and removed after the case. */
  readonly path: (name: string) => string
  /** What outlives a reopening in memory: made once a site and key. For back ends that live inside the process. */
  readonly memory: <T>(key: string, make: () => T) => T
}

/** A fresh site that is removed with the scope. */
export const make: Effect.Effect<Site, never, Scope.Scope> = Effect.suspend(() => {
  let directory: string | undefined
  const memory = new Map<string, unknown>()
  const site: Site = {
    path: (name) => {
      directory ??= mkdtempSync(join(tmpdir(), "dgents-laws-"))
      return join(directory, name)
    },
    memory: <T>(key: string, make: () => T): T => {
      if (!memory.has(key)) memory.set(key, make())
      // Sound as long as one key is used with one type, which is the caller's side of the contract.
      return memory.get(key) as T
    }
  }
  return Effect.as(
    Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (directory !== undefined) rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
      })
    ),
    site
  )
})
