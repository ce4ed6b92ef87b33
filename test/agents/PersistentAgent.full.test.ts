import { spawnSync } from "node:child_process"
import { chmodSync, chownSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { isRoot, smallDisk } from "./smallDisk.ts"

const script = join(import.meta.dirname, "file", "fullDisk.ts")

const small = smallDisk(256)

const child = (mode: string, directory: string, sharing: string, before: string) => {
  const args = ["-c", `${before}; exec "$@"`, "sh", process.execPath, "--conditions=@dgents/source", script]
  const { status, stderr, stdout } = spawnSync("sh", [...args, mode, directory, sharing], { encoding: "utf8" })
  expect([stderr, status]).toEqual(["", 0])
  return JSON.parse(stdout)
}

for (const sharing of ["process", "host"] as const) {
  it.live(
    `shared by a ${sharing}: a disk that is really full fails typed, keeps the state, and works again with room`,
    () =>
      Effect.scoped(
        Effect.map(small, ({ directory, isMounted }) => {
          // Node ignores the signal that a file-size limit sends, and gets EFBIG.
          const answer = child("full", directory, sharing, isMounted ? ":" : "ulimit -f 400")
          expect(answer).toMatchObject({
            error: { _tag: "StorageUnavailable", operation: "save" },
            after: "small",
            history: ["small"],
            retry: "small again",
            temps: []
          })
          expect(answer.error.reason).toMatch(isMounted ? /the disk is full/ : /larger than/)
          expect(answer.large).toBe("StorageUnavailable")
        })
      )
  )

  it.live(
    `shared by a ${sharing}: a directory that may be read and not written serves its state, and fails a save typed`,
    () =>
      Effect.scoped(
        Effect.map(small, ({ directory }) => {
          const place = join(directory, "place")
          mkdirSync(place)
          // Root may write anywhere; the child goes on as nobody.
          const nobody = isRoot ? "nobody" : "self"
          if (isRoot) {
            chmodSync(directory, 0o755)
            chownSync(place, 65534, 65534)
          }
          child(`write-${nobody}`, place, sharing, ":")
          chmodSync(place, 0o555)
          const answer = child(`read-${nobody}`, place, sharing, ":")
          chmodSync(place, 0o755)
          expect(answer).toMatchObject({
            loaded: "small",
            save: {
              _tag: "StorageUnavailable",
              reason: expect.stringContaining("permission was denied"),
              retryable: false
            },
            remove: { _tag: "StorageUnavailable" },
            again: "small",
            unreadable: { _tag: "StorageUnavailable", operation: "open" },
            later: "saved"
          })
          expect(readdirSync(place).filter((name) => name.endsWith(".tmp"))).toEqual([])
        })
      )
  )
}
