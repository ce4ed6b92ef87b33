/**
 * A real Redis for tests: its own data and port in a temporary directory, on the loopback interface alone. It ends with the
 * process that started it, however that one ends.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Effect, type Scope } from "effect"
import { Redis } from "ioredis"

/** A server that can be killed without warning and started again on the same data. */
export interface Server {
  /** Of the default user, who may do everything. */
  readonly url: string
  readonly port: number
  /** The file that the server logs to. */
  readonly log: string
  /** Kills it at once; what it gave to the system stays. */
  readonly kill: Effect.Effect<void, Error>
  /** Starts it on the same data, and waits until it answers. */
  readonly restart: Effect.Effect<void, Error>
  /** Stops it from doing anything, connections stay. */
  readonly pause: Effect.Effect<void, Error>
  /** Lets it go on after `pause`. */
  readonly resume: Effect.Effect<void, Error>
  /** Waits until the server has noticed the end of dead clients: what they had sent is done, or never will be. */
  readonly settled: Effect.Effect<void, Error>
}

/** What a server is started with. */
export interface Options {
  /** The append-only file: none, synced every second, or before each answer. Default: `"always"`. */
  readonly persistence?: "none" | "everysec" | "always" | undefined
  /** More lines of `redis.conf`. */
  readonly config?: Readonly<Record<string, string>> | undefined
  /** Whether it is a Sentinel: then `config` is all that it is told. */
  readonly isSentinel?: boolean | undefined
}

/** Hands a server of this process's own down to the processes that it starts. */
const inherited = "DGENTS_TEST_REDIS"

/** A server of one's own, until the scope closes. */
export const start = (options: Options = {}): Effect.Effect<Server, Error, Scope.Scope> =>
  Effect.acquireRelease(
    attempt(() => Process.start(options)),
    (server) => Effect.promise(() => server.stop())
  )

let own: Promise<Server> | undefined

/**
 * The server of this process, started at the first call, which syncs before each answer: the one of the process that started
 * this one, or the one of `REDIS_URL`, or a new one.
 */
export const shared = (): Promise<Server> => {
  const url = process.env[inherited] ?? process.env["REDIS_URL"]
  own ??= url !== undefined ? elsewhere(url) : Process.start({})
  return own.then((server) => {
    process.env[inherited] ??= urlOfChildren(server.url)
    return server
  })
}

/** Whether `shared` gives a server that this process may kill. */
export const isOurs = (): boolean => process.env["REDIS_URL"] === undefined

/** One command on a connection of its own. */
export const command = async (url: string, name: string, ...args: ReadonlyArray<string | number>): Promise<unknown> => {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 5_000, protocol: 2 })
  // What is wrong is told by `connect` as well.
  client.on("error", () => {})
  try {
    await client.connect()
    return await client.call(name, ...args)
  } finally {
    client.disconnect()
  }
}

// Clients in the processes that this one starts are told from all others by their user.
const children = `children-of-${process.pid}`

const allowChildren = (url: string): Promise<unknown> =>
  command(url, "ACL", "SETUSER", children, "on", ">children", "~*", "&*", "+@all")

const urlOfChildren = (url: string): string => {
  const named = new URL(url)
  named.username = children
  named.password = "children"
  return named.href
}

const notOurs = Effect.fail(new Error("the server of REDIS_URL is not ours to kill"))

const elsewhere = async (url: string): Promise<Server> => {
  // Not where this process is a child itself.
  if (process.env[inherited] === undefined) await allowChildren(url)
  const port = Number(new URL(url).port || 6379)
  const server = { url, port, log: "", kill: notOurs, restart: notOurs, pause: notOurs, resume: notOurs }
  return { ...server, settled: settled(url) }
}

const settled = (url: string): Effect.Effect<void, Error> =>
  attempt(async () => {
    // A server reads what was sent before it reads the end: a client that is gone has done it all.
    for (let i = 0; i < 1_000; i++) {
      if (!String(await command(url, "CLIENT", "LIST")).includes(`user=${children} `)) return
      await sleep(5)
    }
    throw new Error("clients that are dead are still connected after some seconds")
  })

const attempt = <A>(body: () => Promise<A>): Effect.Effect<A, Error> =>
  // Sound: what Node and ioredis throw are errors.
  Effect.tryPromise({ try: body, catch: (cause) => cause as Error })

const binary = (): string => {
  const found = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/bin", "/usr/local/bin"]
    .filter((path) => path !== "")
    .map((path) => join(path, "redis-server"))
    .find((path) => existsSync(path))
  if (found === undefined) throw new Error("install Redis 7 (Debian: apt-get install redis-server) or set REDIS_URL")
  return found
}

/** A port of the loopback interface that nobody listens at. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

// Reads until the pipe from its parent closes, then ends the server and its files.
const watchdog = `cat > /dev/null
pid=$(cat "$0/pid" 2> /dev/null) && kill -KILL "$pid" 2> /dev/null
for i in 1 2 3 4 5 6 7 8 9 10; do [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null && sleep 0.1; done
rm -rf "$0"`

const configOf = ({ config = {}, isSentinel = false, persistence = "always" }: Options): Record<string, string> =>
  isSentinel
    ? { ...config }
    : {
        save: '""',
        appendonly: persistence === "none" ? "no" : "yes",
        appendfsync: persistence === "none" ? "everysec" : persistence,
        ...config
      }

class Process implements Server {
  readonly url: string
  readonly port: number
  readonly log: string
  readonly #directory: string
  readonly #args: ReadonlyArray<string>
  readonly #isSentinel: boolean
  readonly #watchdog: ChildProcess
  #process: ChildProcess | undefined

  private constructor(directory: string, port: number, options: Options) {
    const password = options.config?.["requirepass"]
    this.url = `redis://${password === undefined ? "" : `:${password}@`}127.0.0.1:${port}`
    this.port = port
    this.log = join(directory, "log")
    this.#directory = directory
    this.#isSentinel = options.isSentinel ?? false
    // Sentinels and nodes of a Cluster write down what they find, so it is a file.
    const config = join(directory, "redis.conf")
    const lines = Object.entries({
      bind: "127.0.0.1",
      port: String(port),
      dir: directory,
      pidfile: join(directory, "pid"),
      ...configOf(options)
    }).map(([name, value]) => `${name} ${value}\n`)
    writeFileSync(config, lines.join(""))
    this.#args = options.isSentinel === true ? [config, "--sentinel"] : [config]
    this.#watchdog = spawn("sh", ["-c", watchdog, directory], { stdio: ["pipe", "ignore", "ignore"], detached: true })
    this.#watchdog.unref()
    const { stdin } = this.#watchdog
    if (stdin !== null && "unref" in stdin && typeof stdin.unref === "function") stdin.unref()
  }

  static async start(options: Options): Promise<Process> {
    const path = binary()
    const directory = mkdtempSync(join(tmpdir(), "dgents-redis-"))
    const server = new Process(directory, await freePort(), options)
    await server.#start(path)
    return server
  }

  get kill(): Effect.Effect<void, Error> {
    return attempt(() => this.#kill())
  }

  get restart(): Effect.Effect<void, Error> {
    return attempt(() => this.#start(binary()))
  }

  get pause(): Effect.Effect<void, Error> {
    return Effect.sync(() => this.#process?.kill("SIGSTOP"))
  }

  get resume(): Effect.Effect<void, Error> {
    return Effect.sync(() => this.#process?.kill("SIGCONT"))
  }

  get settled(): Effect.Effect<void, Error> {
    return settled(this.url)
  }

  async stop(): Promise<void> {
    await this.#kill()
    const isCleared = ended(this.#watchdog)
    this.#watchdog.stdin?.end()
    await isCleared
  }

  async #kill(): Promise<void> {
    const main = this.#process
    if (main === undefined) return
    main.kill("SIGKILL")
    await ended(main)
    this.#process = undefined
    // By then the id may be another one's.
    rmSync(join(this.#directory, "pid"), { force: true })
  }

  async #start(path: string): Promise<void> {
    const log = openSync(this.log, "a")
    const main = spawn(path, this.#args, { stdio: ["ignore", log, log] })
    main.unref()
    this.#process = main
    while (main.exitCode === null && main.signalCode === null)
      try {
        await command(this.url, "PING")
        if (!this.#isSentinel) await allowChildren(this.url)
        return
      } catch {
        await sleep(10)
      }
    throw new Error(`Redis does not start:\n${readFileSync(this.log, "utf8").slice(-2_000)}`)
  }
}

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => {
        child.ref()
        child.once("exit", () => resolve())
      })
