/**
 * A real PostgreSQL for tests: its own data, port and socket in a temporary directory, on the loopback interface alone,
 * syncing as in production. It ends with the process that started it, however that one ends.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { chownSync, existsSync, globSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { Effect, type Scope } from "effect"
import pg from "pg"

const run = promisify(execFile)

/** A server that can be killed without warning and started again on the same data. */
export interface Server {
  /** Of the superuser, who needs no password; the role `guarded` would. */
  readonly url: string
  /** The file that the server logs to. */
  readonly log: string
  /** Kills all of its processes at once, as a crash of the machine's power does not: what it gave to the system stays. */
  readonly kill: Effect.Effect<void, Error>
  /** Starts it on the same data, and waits until it answers. */
  readonly restart: Effect.Effect<void, Error>
  /** Waits until the server has noticed the end of dead clients: what they had sent is done, or never will be. */
  readonly settled: Effect.Effect<void, Error>
}

/** Hands a server of this process's own down to the processes that it starts. */
const inherited = "DGENTS_TEST_POSTGRES"

/** A server of one's own, until the scope closes. */
export const start: Effect.Effect<Server, Error, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.tryPromise({ try: () => Postgres.start(), catch: (cause) => cause as Error }),
    (postgres) => Effect.promise(() => postgres.stop())
  ),
  (postgres): Server => postgres
)

let own: Promise<Server> | undefined

/**
 * The server of this process, started at the first call: the one of the process that started this one, or the one of
 * `DATABASE_URL`, or a new one.
 */
export const shared = (): Promise<Server> => {
  const url = process.env[inherited] ?? process.env["DATABASE_URL"]
  own ??= url !== undefined ? Promise.resolve(elsewhere(url)) : Postgres.start()
  return own.then((server) => {
    process.env[inherited] ??= urlOfChildren(server.url)
    return server
  })
}

// Sessions of the processes that this one starts are told from all others by this.
const children = `dgents-children-of-${process.pid}`

const urlOfChildren = (url: string): string => {
  const named = new URL(url)
  named.searchParams.set("application_name", children)
  return named.href
}

/** Whether `shared` gives a server that this process may kill. */
export const isOurs = (): boolean => process.env["DATABASE_URL"] === undefined

/** A new and empty database on a server: its URL. */
export const database = async (server: Server, name: string): Promise<string> => {
  await query(server.url, `CREATE DATABASE "${name}" TEMPLATE template0`)
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return url.href
}

/** One statement on a connection of its own. */
export const query = async (
  url: string,
  text: string,
  values: ReadonlyArray<unknown> = []
): Promise<ReadonlyArray<Readonly<Record<string, unknown>>>> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  // A server that is killed ends idle connections with an error, which nobody else would hear.
  client.on("error", () => {})
  await client.connect()
  try {
    return (await client.query(text, [...values])).rows
  } finally {
    await client.end().catch(() => {})
  }
}

const notOurs = Effect.fail(new Error("the server of DATABASE_URL is not ours to kill"))

const elsewhere = (url: string): Server => ({ url, log: "", kill: notOurs, restart: notOurs, settled: settled(url) })

const settled = (url: string): Effect.Effect<void, Error> =>
  attempt(async () => {
    const one = new pg.Client({ connectionString: url })
    one.on("error", () => {})
    await one.connect()
    try {
      // A server reads what was sent before it reads the end: a session that has ended has done it all.
      const others = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = $1"
      for (let i = 0; i < 1_000; i++) {
        const { rows } = await one.query<{ n: number }>(others, [children])
        if (rows[0]?.n === 0) return
        await sleep(5)
      }
      throw new Error("clients that are dead still have sessions after some seconds")
    } finally {
      await one.end().catch(() => {})
    }
  })

const attempt = <A>(body: () => Promise<A>): Effect.Effect<A, Error> =>
  // Sound: what Node and pg throw are errors.
  Effect.tryPromise({ try: body, catch: (cause) => cause as Error })

const binaries = (): string => {
  const version = (path: string) => Number(/(\d+)\/bin$/.exec(path)?.[1] ?? 0)
  const packaged = globSync("/usr/lib/postgresql/*/bin").sort((a, b) => version(b) - version(a))
  const found = [...(process.env["PATH"] ?? "").split(delimiter), ...packaged].find((path) =>
    ["postgres", "initdb"].every((name) => path !== "" && existsSync(join(path, name)))
  )
  if (found === undefined)
    throw new Error("install PostgreSQL (Debian: apt-get install postgresql) or set DATABASE_URL")
  return found
}

/** PostgreSQL refuses to run as root: then it runs as the user that its package made. */
const user = async (): Promise<{ readonly uid?: number; readonly gid?: number }> => {
  if (process.getuid?.() !== 0) return {}
  const id = async (flag: string) => Number((await run("id", [flag, "postgres"])).stdout)
  return { uid: await id("-u"), gid: await id("-g") }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

// Reads until the pipe from its parent closes, then ends the server (the first line of postmaster.pid) and its files.
const watchdog = `cat > /dev/null
pid=$(head -n 1 "$0/data/postmaster.pid" 2> /dev/null) && kill -QUIT "$pid"
for i in 1 2 3 4 5 6 7 8 9 10; do [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null && sleep 0.1; done
rm -rf "$0"`

class Postgres implements Server {
  readonly url: string
  readonly log: string
  readonly #directory: string
  readonly #port: number
  readonly #bin: string
  readonly #user: { readonly uid?: number; readonly gid?: number }
  readonly #watchdog: ChildProcess
  #process: ChildProcess | undefined

  private constructor(directory: string, port: number, bin: string, user: { uid?: number; gid?: number }) {
    this.url = `postgres://postgres@127.0.0.1:${port}/postgres`
    this.log = join(directory, "log")
    this.#directory = directory
    this.#port = port
    this.#bin = bin
    this.#user = user
    this.#watchdog = spawn("sh", ["-c", watchdog, directory], { stdio: ["pipe", "ignore", "ignore"], detached: true })
    this.#watchdog.unref()
    const { stdin } = this.#watchdog
    if (stdin !== null && "unref" in stdin && typeof stdin.unref === "function") stdin.unref()
  }

  static async start(): Promise<Postgres> {
    const bin = binaries()
    const who = await user()
    const directory = mkdtempSync(join(tmpdir(), "dgents-postgres-"))
    if (who.uid !== undefined && who.gid !== undefined) chownSync(directory, who.uid, who.gid)
    const postgres = new Postgres(directory, await freePort(), bin, who)
    const data = join(directory, "data")
    // The data of the server is synced as it works; the empty database that it starts from need not be.
    const options = ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions", "--encoding=UTF8"]
    await run(join(bin, "initdb"), [...options, "--locale=C"], { ...who, cwd: directory })
    const access = join(data, "pg_hba.conf")
    writeFileSync(access, `host all guarded 127.0.0.1/32 scram-sha-256\n${readFileSync(access, "utf8")}`)
    await postgres.#start()
    return postgres
  }

  get kill(): Effect.Effect<void, Error> {
    return attempt(async () => {
      const main = this.#process
      if (main?.pid === undefined) return
      // Stopped first, so that it starts nobody in place of those who die.
      main.kill("SIGSTOP")
      const children = readFileSync(`/proc/${main.pid}/task/${main.pid}/children`, "utf8").split(" ").filter(Boolean)
      for (const pid of [...children.map(Number), main.pid])
        try {
          process.kill(pid, "SIGKILL")
        } catch {
          // It ended by itself.
        }
      await ended(main)
      this.#process = undefined
    })
  }

  get restart(): Effect.Effect<void, Error> {
    return attempt(() => this.#start())
  }

  get settled(): Effect.Effect<void, Error> {
    return settled(this.url)
  }

  async stop(): Promise<void> {
    const main = this.#process
    this.#process = undefined
    const isOver = main === undefined ? Promise.resolve() : ended(main)
    main?.kill("SIGQUIT")
    await isOver
    const isCleared = ended(this.#watchdog)
    this.#watchdog.stdin?.end()
    await isCleared
  }

  async #start(): Promise<void> {
    for (let attempts = 0; ; attempts++) {
      this.#spawn()
      if (await this.#answers()) return
      // What a killed server leaves (its shared memory, until its last process is gone) keeps a new one from starting.
      if (attempts === 50)
        throw new Error(`PostgreSQL does not start:\n${readFileSync(this.log, "utf8").slice(-2_000)}`)
      await sleep(50)
    }
  }

  #spawn(): void {
    const settings = {
      listen_addresses: "127.0.0.1",
      port: this.#port,
      unix_socket_directories: this.#directory,
      max_connections: 200,
      fsync: "on",
      full_page_writes: "on",
      synchronous_commit: "on"
    }
    const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
    const log = openSync(this.log, "a")
    const data = join(this.#directory, "data")
    const main = spawn(join(this.#bin, "postgres"), ["-D", data, ...args], {
      ...this.#user,
      cwd: this.#directory,
      stdio: ["ignore", log, log]
    })
    main.unref()
    this.#process = main
  }

  async #answers(): Promise<boolean> {
    while (this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null)
      try {
        await query(this.url, "SELECT 1")
        return true
      } catch {
        await sleep(20)
      }
    return false
  }
}

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => {
        child.ref()
        child.once("exit", () => resolve())
      })
