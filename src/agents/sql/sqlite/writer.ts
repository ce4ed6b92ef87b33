import type Database from "better-sqlite3"
import { Effect, Exit, Fiber } from "effect"
import { Grouping, type Waiting } from "../../internal/grouping.ts"
import { Turn } from "../../internal/turn.ts"
import type { Conflict, Failure, Written } from "../Engine.ts"
import { Answers } from "./answers.ts"
import { commit, commitOne, isWritten, type Outcome } from "./commit.ts"
import { Company } from "./company.ts"
import type { Connection, Log } from "./connection.ts"
import { busyFailure } from "./errors.ts"
import type { Counts } from "./figures.ts"
import { rowsOf as rowsOfWork, sizeOf, type Work } from "./logSteps.ts"
import { Pace } from "./pace.ts"
import type { Answer, Request, WorkerOptions } from "./protocol.ts"
import { Room } from "./room.ts"
import { isAvailable, Thread, WorkerGone } from "./thread.ts"
import { pauseMillis } from "./waiting.ts"

// What takes longer than this goes to the worker: it would block the event loop.
const longestHere = 2
// What takes less than this does not wait for a worker that is still starting.
const longestWhileStarting = 10
// In pages of 4 KB: a log of 4 MB is copied into the database file.
const checkpointPages = 1000
// What may have been written to the log, at most, before it is looked at again: a page of each of its tables a row, and more.
const unseenBytes = 4_000_000
const unseenBytesOfRow = 16_384
const groupWrites = 512
const groupBytes = 4_000_000
// What a larger commit takes is the writing, so that it has no use for room in the log.
const smallRows = 8
const smallBytes = 16_384
// So much goes to the worker at once: it writes while more of what comes together is encoded here.
const earlyBytes = 1_000_000

type Group = ReadonlyArray<Waiting<Work, Written, Failure | Conflict>>

/**
 * Commits what is asked for at one time in one transaction: here while that is fast, and otherwise in a worker thread. It
 * is one of the two at any time, and one group after the other.
 */
export class Writer {
  readonly #connection: Connection
  readonly #options: WorkerOptions
  /** Whether there may be a worker: not for what is in the memory of this thread, nor where none can be started. */
  #mayThread: boolean
  #thread: Thread | undefined
  readonly #grouping: Grouping<Work, Written, Failure | Conflict>
  readonly #answers = new Answers<Group[number]>()
  readonly #pace = new Pace()
  readonly #turn = new Turn()
  readonly #company = new Company(this.#turn)
  readonly #room: Room | undefined
  #unanswered = 0
  #whenIdle: (() => void) | undefined
  #isClosing = false
  #unseen = 0
  #lastPages = 0
  #nextCheckpoint = 0
  #counts = { writes: 0, commitsHere: 0, commitsInWorker: 0, largestCommit: 0, busy: 0, checkpoints: 0 }

  /** `again` opens the same database once more. */
  constructor(connection: Connection, options: WorkerOptions, again: () => Database.Database) {
    this.#connection = connection
    this.#options = options
    this.#mayThread = isAvailable && options.file !== ":memory:"
    const isSynced = options.file !== ":memory:" && options.synchronous === "full"
    this.#room = isSynced ? new Room(options.file, again) : undefined
    this.#grouping = new Grouping({
      run: (group) => this.#run(group),
      lanes: 1,
      most: groupWrites,
      mostBytes: groupBytes,
      isEnough: (bytes) => bytes >= earlyBytes && this.#mayAskMore,
      turn: this.#turn
    })
  }

  get isClosing(): boolean {
    return this.#isClosing
  }

  get counts(): Counts {
    return { ...this.#counts, syncMillis: this.#pace.sync }
  }

  write(write: Work): Effect.Effect<Written, Failure | Conflict> {
    return Effect.uninterruptible(
      Effect.callback((resume) => {
        if (!this.begin(write, resume)) resume(Exit.fail({ _tag: "Closed" }))
      })
    )
  }

  /** The same, begun at once by the fiber that writes; `false` when it is too late for that. */
  begin(write: Work, answer: (written: Effect.Effect<Written, Failure | Conflict>) => void): boolean {
    if (this.#isClosing) return false
    const size = sizeOf(write)
    const now = performance.now()
    const alone = this.#company.isAlone(Fiber.getCurrent(), now) ? this.#alone(write, size, now) : undefined
    if (alone === undefined) this.#grouping.begin(write, size, answer)
    else answer(alone)
    return true
  }

  /** Commits at once what nothing else is waiting for; `undefined` where it is to go the common way. */
  #alone(write: Work, size: number, now: number): Exit.Exit<Written, Failure | Conflict> | undefined {
    if (!this.#isIdle || !this.#connection.isOpen) return undefined
    const rows = rowsOfWork(write)
    const unseen = this.#unseen + size + rows * unseenBytesOfRow
    if (unseen >= unseenBytes || this.#pace.predict(rows, size) > longestHere) return undefined
    const outcome = commitOne(this.#connection, write)
    if (outcome === "busy") {
      this.#counts.busy++
      return undefined
    }
    this.#pace.observe(rows, size, performance.now() - now)
    this.#unseen = unseen
    this.#counts.commitsHere++
    if (this.#counts.largestCommit === 0) this.#counts.largestCommit = 1
    if (isWritten(outcome)) this.#counts.writes++
    this.#makeRoom(rows, size)
    return exitOf(outcome)
  }

  /** Asks the worker for what is not a write; `undefined` where there is none. */
  ask(request: Request): Promise<Answer> | undefined {
    return this.#threadOrNone()?.ask(request)
  }

  /** Answers what was asked, and closes both connections. The worker, if there is one, is the last: it checkpoints. */
  async close(): Promise<void> {
    this.#isClosing = true
    if (!this.#isIdle)
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve
      })
    this.#connection.close()
    const thread = this.#thread
    if (thread?.isGone === false) await thread.ask({ _tag: "Close" }).catch(() => undefined)
  }

  get #isIdle(): boolean {
    return this.#unanswered === 0 && this.#grouping.length === 0
  }

  /** Whether the worker can take what comes now: it has what came before, if there is any. */
  get #mayAskMore(): boolean {
    return this.#thread?.takesMore === true && (this.#thread.commits > 0 || this.#unanswered === 0)
  }

  #run(group: Group): void | Promise<void> {
    this.#unanswered += group.length
    this.#company.observe(group.length)
    if (!this.#connection.isOpen) return this.#answer(group, () => ({ _tag: "Closed" }))
    const predicted = this.#pace.predict(rowsOf(group), bytesOf(group))
    const isNext = this.#thread !== undefined && this.#thread.commits > 0
    if (predicted > longestHere || isNext) {
      const thread = this.#threadOrNone()
      // How long a sync takes is a guess, and under load a worker may start more slowly still: there is no waiting for that.
      const isLarge = predicted - this.#pace.sync > longestWhileStarting
      if (thread !== undefined && (thread.isReady || isLarge || isNext)) return this.#commitThere(thread, group)
    }
    return this.#commitHere(group)
  }

  #commitHere(group: Group): void | Promise<void> {
    return this.#tryHere(group) ? this.#tendLog(group) : this.#commitLater(group)
  }

  /** Not while another connection has the lock: answers whether it was committed. */
  #tryHere(group: Group): boolean {
    const begun = performance.now()
    const outcomes = commit(
      this.#connection,
      group.map(({ request }) => request)
    )
    if (outcomes === "busy") {
      this.#counts.busy++
      return false
    }
    this.#pace.observe(rowsOf(group), bytesOf(group), performance.now() - begun)
    this.#counts.commitsHere++
    this.#answer(group, (i) => outcomes[i])
    return true
  }

  async #commitLater(group: Group): Promise<void> {
    const deadline = performance.now() + this.#options.busyTimeout
    while (performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, pauseMillis()))
      if (this.#tryHere(group)) return this.#tendLog(group)
    }
    this.#answer(group, () => busyFailure(this.#options.file))
  }

  async #commitThere(thread: Thread, group: Group): Promise<void> {
    try {
      const answer = await thread.commit(group.map(({ request }) => request))
      if (answer._tag === "Committed") {
        this.#pace.observe(rowsOf(group), bytesOf(group), answer.millis)
        this.#counts.commitsInWorker++
        this.#answer(group, (i) => answer.outcomes[i])
      } else this.#answer(group, () => (answer._tag === "Failed" ? answer.failure : undefined))
    } catch (error) {
      if (isMissing(error)) {
        this.#mayThread = false
        return this.#commitHere(group)
      }
      const reason = `${this.#options.file}: the thread that writes it ended`
      this.#answer(group, () => ({
        _tag: "Indeterminate",
        reason,
        cause: error instanceof WorkerGone ? error.cause : error
      }))
    }
    return this.#tendLog(group)
  }

  #answer(group: Group, outcomeOf: (i: number) => Outcome | undefined): void {
    this.#counts.largestCommit = Math.max(this.#counts.largestCommit, group.length)
    this.#answers.add(group, ({ resume }, i) => {
      const outcome = outcomeOf(i)
      if (outcome !== undefined && isWritten(outcome)) this.#counts.writes++
      this.#unanswered--
      resume(exitOf(outcome))
      if (this.#isIdle) this.#whenIdle?.()
    })
  }

  #makeRoom(rows: number, bytes: number): void {
    if (this.#room === undefined || rows > smallRows || bytes > smallBytes) return
    if (this.#room.isWanted()) this.#room.make(this.#log.pages)
  }

  /**
   * Looks after the log behind a commit: makes room, and copies it into the database file when it has grown long. Groups wait
   * meanwhile, and who writes alone does at the end of its turn: by then there is little left to copy, and the log begins anew
   * once it is copied whole.
   */
  #tendLog(group: Group): void | Promise<void> {
    const [rows, bytes] = [rowsOf(group), bytesOf(group)]
    this.#makeRoom(rows, bytes)
    this.#unseen += bytes + rows * unseenBytesOfRow
    if (this.#unseen < unseenBytes || !this.#isLogLong()) return
    this.#counts.checkpoints++
    const asked = this.ask({ _tag: "Checkpoint" })
    if (asked === undefined) return this.#checkpointHere()
    return asked.then(
      () => this.#noteCheckpoint(),
      (error) => {
        if (isMissing(error)) this.#mayThread = false
        if (!this.#mayThread) this.#checkpointHere()
      }
    )
  }

  #checkpointHere(): void {
    try {
      this.#connection.checkpoint()
    } catch {
      // The log is longer than it should be, and nothing worse; the next write tells of a disk that fails.
    }
    this.#noteCheckpoint()
  }

  #isLogLong(): boolean {
    if (this.#options.isReadonly || this.#options.file === ":memory:") return false
    this.#unseen = 0
    const { copied, pages } = this.#log
    if (pages < this.#lastPages) this.#nextCheckpoint = 0
    this.#lastPages = pages
    return pages - copied >= checkpointPages && pages >= this.#nextCheckpoint
  }

  // What a reader still needs stays in the log. It is tried again when there is more to be copied.
  #noteCheckpoint(): void {
    const { copied, pages } = this.#log
    this.#nextCheckpoint = copied === pages ? 0 : pages + checkpointPages
  }

  get #log(): Log {
    try {
      return this.#connection.log
    } catch {
      return { pages: 0, copied: 0 }
    }
  }

  #threadOrNone(): Thread | undefined {
    if (!this.#mayThread) return undefined
    if (this.#thread === undefined || this.#thread.isGone) this.#thread = new Thread(this.#options)
    return this.#thread
  }
}

/** Whether there never was a worker, as in some bundles: nothing was done, and this thread has to do it all. */
const isMissing = (error: unknown): boolean => !(error instanceof WorkerGone) || !error.hadStarted

const bytesOf = (group: Group): number => {
  let bytes = 0
  for (const { size } of group) bytes += size
  return bytes
}

const rowsOf = (group: Group): number => {
  let rows = 0
  for (const { request } of group) rows += rowsOfWork(request)
  return rows
}

const exitOf = (outcome: Outcome | undefined): Exit.Exit<Written, Failure | Conflict> => {
  if (outcome === undefined) return Exit.die(new Error("a write was not answered"))
  if (isWritten(outcome)) return Exit.succeed(outcome)
  return outcome._tag === "Defect" ? Exit.die(outcome.error) : Exit.fail(outcome)
}
