import { type ChildProcess, spawn } from "node:child_process"
import { type Cause, Effect, Option, Queue, type Scope } from "effect"
import { type Broken, broken } from "../case.ts"
import { command, type Module, show } from "./module.ts"
import type { News, Order } from "./protocol.ts"

/** Processes that are ready when they are wanted: one starts while another works. All end with the scope. */
export interface Children {
  /** A child that is ready. `more` says whether another one will be wanted soon. */
  readonly take: (options: { readonly more: boolean }) => Effect.Effect<Child, Broken>
  /** Takes a child back that has nothing open, for the next who wants one. */
  readonly give: (child: Child) => void
}

// A process is given this many milliseconds to start, however busy the machine.
const startPatience = 60_000

/** The processes of a module. */
export const make = (module: Module): Effect.Effect<Children, never, Scope.Scope> =>
  Effect.gen(function* () {
    const running = new Set<Child>()
    yield* Effect.addFinalizer(() =>
      Effect.forEach(running, (child) => child.kill, { concurrency: "unbounded", discard: true })
    )
    const start = Effect.gen(function* () {
      const child = new Child(module, yield* Queue.unbounded<News, Cause.Done>(), () => running.delete(child))
      running.add(child)
      return child
    })
    const waiting: Array<Child> = []
    return {
      take: ({ more }) =>
        Effect.gen(function* () {
          const child = waiting.shift() ?? (yield* start)
          if (more && waiting.length === 0) waiting.push(yield* start)
          yield* child.ready
          return child
        }),
      give: (child) => {
        waiting.unshift(child)
      }
    }
  })

/** Another process that has imported the subject. */
export class Child {
  readonly #process: ChildProcess
  readonly #module: Module
  readonly #news: Queue.Queue<News, Cause.Done>
  #isReady = false
  #errors = ""

  constructor(module: Module, news: Queue.Queue<News, Cause.Done>, onEnd: () => void) {
    const { args, env } = command(module)
    this.#module = module
    this.#news = news
    this.#process = spawn(process.execPath, args, { env, stdio: ["pipe", "ignore", "pipe", "pipe"] })
    const [stdin, , stderr, out] = this.#process.stdio
    // A child that is gone says so by closing; that it does not listen either is no news.
    stdin?.on("error", () => {})
    stderr?.on("data", (chunk) => {
      this.#errors = `${this.#errors}${chunk}`.slice(-4_000)
    })
    let text = ""
    out?.on("data", (chunk) => {
      const lines = `${text}${chunk}`.split("\n")
      text = lines.pop() ?? ""
      // Nobody but our own child writes to this pipe, and nothing but news.
      for (const line of lines) Queue.offerUnsafe(news, JSON.parse(line) as News)
    })
    this.#process.once("error", (error) => {
      this.#errors += String(error)
    })
    this.#process.once("close", () => {
      Queue.endUnsafe(news)
      onEnd()
    })
  }

  /** Waits until it has imported the subject. */
  get ready(): Effect.Effect<void, Broken> {
    if (this.#isReady) return Effect.void
    return Effect.flatMap(
      this.next(() => "its start", startPatience),
      (first) => {
        this.#isReady = Option.isSome(first) && first.value._tag === "Ready"
        if (this.#isReady) return Effect.void
        const evidence = Option.isSome(first) && first.value._tag === "Broken" ? first.value.evidence : this.lastWords
        return broken(`another process could not import the subject from ${show(this.#module)}: ${evidence}`)
      }
    )
  }

  order(order: Order): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#process.stdin?.write(`${JSON.stringify(order)}\n`)
    })
  }

  /** What it says next; none when it has ended and everything is read. One that is silent for too long is a broken case. */
  next(doing: () => string, patience: number): Effect.Effect<Option.Option<News>, Broken> {
    const next = Effect.matchEffect(Queue.take(this.#news), {
      onSuccess: (news) => Effect.succeed(Option.some(news)),
      onFailure: () => Effect.succeed(Option.none<News>())
    })
    return Effect.flatMap(Effect.timeoutOption(next, patience), (news) =>
      Option.isSome(news)
        ? Effect.succeed(news.value)
        : broken(`a process did not come to an end within ${patience} ms in: ${doing()}`)
    )
  }

  /** Sends SIGKILL at once. What it said before is still there to be read. */
  killUnsafe(): void {
    this.#process.kill("SIGKILL")
  }

  /** Sends SIGKILL and waits until it is dead. */
  get kill(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.#news.state._tag !== "Open") return resume(Effect.void)
      this.#process.once("close", () => resume(Effect.void))
      this.killUnsafe()
    })
  }

  /** Why it ended by itself, as far as it told. */
  get lastWords(): string {
    const { exitCode, signalCode } = this.#process
    return `it ended by itself (${signalCode ?? `exit code ${exitCode}`}): ${this.#errors.trim() || "without a word"}`
  }
}
