import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Server from "./server.ts"
import { cluster, watched } from "./topologies.ts"

const run = promisify(execFile)

it.live(
  "nothing keeps a process alive whose scope has closed, whatever it was connected to, and nothing is printed",
  () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.promise(Server.shared)
      const { masters } = yield* cluster()
      const { master, name, sentinels } = yield* watched
      const port = yield* Effect.promise(Server.freePort)
      const stopped = yield* Server.start({ persistence: "none" })
      yield* stopped.pause
      const at = (servers: ReadonlyArray<Server.Server>) => servers.map(({ port }) => ({ host: "127.0.0.1", port }))
      const limits = { timeout: "300 millis", connectTimeout: "200 millis" }
      const ways = [
        { url },
        { url, waitForReplicas: { count: 1, timeout: "10 millis" } },
        { cluster: at(masters) },
        { sentinels: at(sentinels), name },
        { port, ...limits },
        { url: stopped.url, ...limits },
        { cluster: [{ host: "127.0.0.1", port }], ...limits },
        { cluster: at([stopped]), ...limits },
        { cluster: at([master]), ...limits },
        { sentinels: [{ host: "127.0.0.1", port }], name, ...limits },
        { sentinels: at([stopped]), name, ...limits },
        { sentinels: at(sentinels), name: "nobody", ...limits }
      ]
      const script = join(import.meta.dirname, "children", "opens.ts")
      const args = ["--conditions=@dgents/source", script, JSON.stringify(ways)]
      const { stderr, stdout } = yield* Effect.promise(() => run(process.execPath, args, { timeout: 30_000 }))
      expect(stdout.trim().split("\n")).toEqual([
        "used",
        "Indeterminate",
        "used",
        "used",
        ...Array.from({ length: 8 }, () => "StorageUnavailable")
      ])
      expect(stderr).toBe("")
      yield* stopped.resume
    })
)
