import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { IoredisDriver } from "dgents/redis"
import { Effect } from "effect"
import * as Server from "./server.ts"

/** A certificate of its own authority, for `localhost`. */
const certificate = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "dgents-tls-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => {
    const [cert, key] = [join(directory, "server.crt"), join(directory, "server.key")]
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    execFileSync("openssl", [...made, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" })
    return { cert, key, ca: readFileSync(cert, "utf8") }
  }
)

it.live("a connection by TLS is encrypted, and made only to who shows the right certificate", () =>
  Effect.gen(function* () {
    const { ca, cert, key } = yield* certificate
    const port = yield* Effect.promise(Server.freePort)
    const server = yield* Server.start({
      persistence: "none",
      config: { "tls-port": String(port), "tls-cert-file": cert, "tls-key-file": key, "tls-auth-clients": "no" }
    })
    const limits = { timeout: "2 seconds", connectTimeout: "1 second" } as const
    const refused = (options: IoredisDriver.Options) =>
      Effect.flip(Effect.scoped(IoredisDriver.make({ ...limits, ...options })))
    const opened = (options: IoredisDriver.Options) => Effect.scoped(IoredisDriver.make({ ...limits, ...options }))
    const url = `rediss://localhost:${port}`
    yield* opened({ url, tls: { ca } })
    yield* opened({ url, tls: { rejectUnauthorized: false } })
    yield* opened({ host: "127.0.0.1", port, tls: { ca, servername: "localhost" } })
    for (const options of [
      { url },
      { host: "localhost", port, tls: true },
      { url, tls: { ca, servername: "other.test" } }
    ])
      expect(yield* refused(options)).toMatchObject({
        retryable: false,
        reason: expect.stringContaining("certificate")
      })
    expect(yield* refused({ url: server.url, tls: true })).toMatchObject({
      _tag: "StorageUnavailable",
      reason: expect.stringMatching(/option tls/)
    })
    expect(yield* refused({ url: server.url, tls: { ca: "no PEM" } })).toMatchObject({ _tag: "StorageUnavailable" })
    // Who listens does so by TLS as well.
    const driver = yield* IoredisDriver.make({ url, tls: { ca } })
    yield* driver.server.subscribe("a", () => {})
    const clients = yield* Effect.promise(() => Server.command(server.url, "CLIENT", "LIST"))
    expect(String(clients)).toMatch(/ sub=1 /)
  })
)
