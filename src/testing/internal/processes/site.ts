import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"

/** A real directory that goes with the scope, with a directory in it for each of these sites. */
export const directories = <const N extends string>(
  ...names: ReadonlyArray<N>
): Effect.Effect<Readonly<Record<N, string>>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "dgents-processes-"))),
      (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true, maxRetries: 3 }))
    ),
    (root) => {
      const made = names.map((name) => {
        const path = join(root, name)
        mkdirSync(path)
        return [name, path] as const
      })
      // Sound: there is one entry for each of the names.
      return Object.fromEntries(made) as Record<N, string>
    }
  )

/** Everything that lies in a directory, by path. */
export const litter = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()
