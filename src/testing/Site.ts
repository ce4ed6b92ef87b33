import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import * as CrashDisk from "./CrashDisk.ts"

/**
 * The place where the state of one generated case lives. A case may open its agent many times on one site (a recovery);
 * another case gets another site.
 */
export interface Site {
  /**
   * A path that belongs to this site. For an agent that takes Effect's `FileSystem` from its context it lies on the
   * simulated disk; for all others in a temporary directory, which is made on first use and removed after the case.
   */
  readonly path: (name: string) => string
  /** What outlives a reopening in memory: made once a site and key. For back ends that live inside the process. */
  readonly memory: <T>(key: string, make: () => T) => T
  /** The simulated disk behind the `FileSystem` that the suite provides. */
  readonly disk: CrashDisk.CrashDisk
}

const simulatedDirectory = "/site"

/** The disk of a new simulated site. */
export const newDisk = (): CrashDisk.CrashDisk => CrashDisk.make({ directories: [simulatedDirectory] })

class SiteImpl implements Site {
  readonly path: (name: string) => string
  readonly #memory = new Map<string, unknown>()
  #disk: CrashDisk.CrashDisk | undefined

  constructor(path: (name: string) => string) {
    this.path = path
  }

  readonly memory = <T>(key: string, make: () => T): T => {
    if (!this.#memory.has(key)) this.#memory.set(key, make())
    // Sound as long as one key is used with one type, which is the caller's side of the contract.
    return this.#memory.get(key) as T
  }

  // Few sites need one, and many are made.
  get disk(): CrashDisk.CrashDisk {
    this.#disk ??= newDisk()
    return this.#disk
  }
}

/** A site on a disk that is simulated. */
export const simulated: Effect.Effect<Site> = Effect.sync(() => new SiteImpl((name) => `${simulatedDirectory}/${name}`))

/** A site in a directory that exists, and that is nobody else's. */
export const at = (directory: string): Site => new SiteImpl((name) => join(directory, name))

/** A fresh site in the system's temporary directory, removed with the scope. */
export const temporary: Effect.Effect<Site, never, Scope.Scope> = Effect.suspend(() => {
  let directory: string | undefined
  const site = new SiteImpl((name) => {
    directory ??= mkdtempSync(join(tmpdir(), "dgents-laws-"))
    return join(directory, name)
  })
  return Effect.as(
    Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (directory !== undefined) rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
      })
    ),
    site
  )
})
