/**
 * Who holds a lock, as text that fits into a file name, and whether that one still lives. Nothing is guessed by age.
 *
 * - Promises: an owner called dead can do no more I/O; the threads of one process are owners of their own, and so is each
 *   run of a machine. A reused pid is told from the one before by the start time of its thread (Linux; elsewhere the pid
 *   alone is compared, and a reused one counts as alive).
 * - Costs: nothing for owners in this thread, one or two reads of `/proc`, which no disk is behind, for others.
 * - Fails: towards "alive". A process of another pid namespace (a container) cannot be looked up, so it counts as alive, and
 *   `certain` says that this is not known.
 *
 * The owners of a machine that was restarted are told by the boot id. So all must be on one host: over a network file
 * system another host's owners would look like those of an earlier run.
 */
import { randomBytes } from "node:crypto"
import { readFileSync, readlinkSync } from "node:fs"

/** One claim on a lock: a thread, and the count that makes it unique. */
export interface Owner {
  /** This run of the machine. */
  readonly boot: string
  /** The pid namespace (and the time namespace, in which start times are told). */
  readonly space: string
  readonly pid: number
  readonly thread: number
  /** When the thread started, in clock ticks since boot. */
  readonly start: string
  /** Random for each thread, so that a name is never used twice. */
  readonly session: string
  readonly count: number
}

/** What is known of an owner. */
export type Life = "dead" | "alive" | "unknown"

// What the system does not tell.
const unknown = "x"

const tryRead = (read: () => string): string => {
  try {
    return read() || unknown
  } catch {
    return unknown
  }
}

const onLinux = process.platform === "linux"

const namespace = (kind: string) => tryRead(() => /[0-9]+/.exec(readlinkSync(`/proc/self/ns/${kind}`))?.[0] ?? unknown)

/** A line of `/proc/<pid>/task/<tid>/stat`, after the name, which may hold anything: state, start time and threads. */
const parseStat = (line: string) => {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ")
  return { state: fields[0] ?? unknown, threads: Number(fields[17]), start: fields[19] ?? unknown }
}

const statOf = (pid: number, thread: number) => {
  const line = tryRead(() => readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1"))
  return line === unknown ? undefined : parseStat(line)
}

const here = (() => {
  const session = randomBytes(8).toString("hex")
  const nowhere = { boot: unknown, space: unknown, pid: process.pid, thread: process.pid, start: unknown, session }
  if (!onLinux) return nowhere
  const [pid, , thread] = tryRead(() => readlinkSync("/proc/thread-self"))
    .split("/")
    .map(Number)
  // A /proc of another pid namespace would tell about strangers.
  if (pid !== process.pid || thread === undefined) return nowhere
  return {
    boot: tryRead(() =>
      readFileSync("/proc/sys/kernel/random/boot_id", "latin1")
        .replace(/[^0-9a-f]/g, "")
        .slice(0, 16)
    ),
    space: `${namespace("pid")}_${namespace("time")}`,
    pid,
    thread,
    start: statOf(pid, thread)?.start ?? unknown,
    session
  }
})()

let count = 0

/** A new owner in this thread; no two are the same. */
export const make = (): Owner => ({ ...here, count: count++ })

/** An owner as text of `0-9`, `a-z`, `_` and `.`. */
export const format = ({ boot, count, pid, session, space, start, thread }: Owner): string =>
  [boot, space, pid, thread, start, session, count.toString(36)].join(".")

const pattern = /^([0-9a-f]+|x)\.([0-9x_]+)\.([0-9]+)\.([0-9]+)\.([0-9]+|x)\.([0-9a-f]+)\.([0-9a-z]+)$/

/** What `format` wrote. */
export const parse = (text: string): Owner | undefined => {
  const [, boot, space, pid, thread, start, session, count] = pattern.exec(text) ?? []
  if (boot === undefined || space === undefined || start === undefined || session === undefined) return undefined
  return {
    boot,
    space,
    pid: Number(pid),
    thread: Number(thread),
    start,
    session,
    count: Number.parseInt(count ?? "", 36)
  }
}

/** Whether an owner is of this thread: then its memory knows better than the system whether it still holds. */
export const isHere = (owner: Owner): boolean => owner.session === here.session

/** Whether an owner of another thread or process lives. */
export const lifeOf = (owner: Owner): Life => {
  const differs = (a: string, b: string) => a !== unknown && b !== unknown && a !== b
  if (differs(owner.boot, here.boot)) return "dead"
  if (owner.space !== here.space) return "unknown"
  if (!exists(owner.pid)) return "dead"
  if (owner.start === unknown || here.start === unknown) return "alive"
  const main = statOf(owner.pid, owner.pid)
  // Not even that of the process: hidden from us, as other users' are under hidepid, or gone since we asked.
  if (main === undefined) return exists(owner.pid) ? "alive" : "dead"
  const stat = owner.thread === owner.pid ? main : statOf(owner.pid, owner.thread)
  if (stat === undefined || stat.start !== owner.start) return "dead"
  if (stat.state !== "Z" && stat.state !== "X") return "alive"
  // A killed process is a zombie already while its other threads may still be in a write.
  return owner.thread === owner.pid && stat.threads > 1 ? "alive" : "dead"
}

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is somebody else's, and lives.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH")
  }
}
