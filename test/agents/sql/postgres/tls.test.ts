import { execFileSync } from "node:child_process"
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { expect, it } from "@effect/vitest"
import { PostgresDriver } from "dgents/postgres"
import { Effect } from "effect"
import * as Server from "./server.ts"

/** A certificate of its own authority, for `localhost`; the server may read its key. By OpenSSL, which PostgreSQL is built on. */
const certificate = (owner: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "dgents-tls-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    ),
    (directory) => {
      const [cert, key] = [join(directory, "server.crt"), join(directory, "server.key")]
      const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
      const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
      execFileSync("openssl", [...made, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" })
      chmodSync(directory, 0o711)
      chmodSync(key, 0o600)
      if (process.getuid?.() === 0) for (const file of [cert, key]) chownSync(file, owner, owner)
      return { cert, key, ca: readFileSync(cert, "utf8") }
    }
  )

const opened = (options: PostgresDriver.Options) => Effect.scoped(PostgresDriver.make(options))
const refused = (options: PostgresDriver.Options) => Effect.flip(opened(options))

it.live("a connection by TLS is encrypted, and made only to who shows the right certificate", () =>
  Effect.gen(function* () {
    const server = yield* Server.start
    const plain = new URL(server.url)
    plain.hostname = "localhost"
    const url = plain.href
    expect(yield* refused({ url, tls: true })).toMatchObject({
      _tag: "StorageUnavailable",
      retryable: false,
      reason: expect.stringContaining("TLS")
    })

    const { ca, cert, key } = yield* certificate(statSync(join(dirname(server.log), "data")).uid)
    const set = (sql: string) => Effect.promise(() => Server.query(server.url, sql))
    yield* set(`ALTER SYSTEM SET ssl_cert_file = '${cert}'`)
    yield* set(`ALTER SYSTEM SET ssl_key_file = '${key}'`)
    yield* set("ALTER SYSTEM SET ssl = on")
    yield* server.kill
    yield* server.restart

    const isEncrypted = (options: PostgresDriver.Options) =>
      Effect.scoped(
        Effect.flatMap(PostgresDriver.make(options), ({ engine }) =>
          engine.query({ sql: "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", params: [] })
        )
      )
    expect(yield* isEncrypted({ url, tls: { ca } })).toEqual([{ ssl: true }])
    expect(yield* isEncrypted({ url, tls: { rejectUnauthorized: false } })).toEqual([{ ssl: true }])
    expect(yield* isEncrypted({ url })).toEqual([{ ssl: false }])
    for (const options of [{ tls: true }, { tls: { ca, servername: "elsewhere.test" } }]) {
      const error = yield* refused({ url, ...options })
      expect(error).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: false })
      expect(error.message).toMatch(/certificate/)
    }
    expect(yield* refused({ url: `${url}?sslmode=verify-full` })).toMatchObject({ _tag: "StorageUnavailable" })
  })
)
