import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"

export const isRoot = process.getuid?.() === 0

/** A directory of so many KB: a mount of its own, or else one whose files are to be kept from growing. */
export const smallDisk = (kilobytes: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = mkdtempSync(join(tmpdir(), "dgents-full-"))
      const isMounted =
        isRoot &&
        process.platform === "linux" &&
        spawnSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", directory]).status === 0
      return { directory, isMounted }
    }),
    ({ directory, isMounted }) =>
      Effect.sync(() => {
        if (isMounted) execFileSync("umount", ["-l", directory])
        rmSync(directory, { recursive: true, force: true })
      })
  )
