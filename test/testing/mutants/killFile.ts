/** One state in one file, for several processes; and what becomes of it when a step is left out. */
import * as Fs from "node:fs"
import { dirname, join } from "node:path"
import Database from "better-sqlite3"
import { type Claims, DataAgent, Register, Revision, type StateError } from "dgents"
import type { Subject } from "dgents/testing"
import { Effect, Option, Schema, type Scope } from "effect"

export type Fault =
  | "acknowledged before it is stored"
  | "a lock file that nobody frees when its holder is killed"
  | "read-modify-write without a lock"
  | "a fixed temp name"
  | "temp files that nobody removes"

export const State = Schema.Struct({ n: Schema.Int, text: Schema.String })
export type State = typeof State.Type

const claims: Claims.Claims = { durability: "process", consistency: "linearizable", sharing: "host", history: "none" }

interface Stored {
  readonly last: number
  readonly entry?: Register.Entry | undefined
}

type Locked = <A, E>(critical: Effect.Effect<A, E>) => Effect.Effect<A, E>

/** A lock of the operating system: free as soon as its holder is dead. */
const systemLock = (path: string): Effect.Effect<Locked, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Database(path, { timeout: 60_000 })),
      (database) => Effect.sync(() => database.close())
    ),
    (database) => (critical) =>
      Effect.acquireUseRelease(
        Effect.sync(() => database.exec("BEGIN IMMEDIATE")),
        () => critical,
        () => Effect.sync(() => database.exec("COMMIT"))
      )
  )

/** A lock that is a file: there for ever when its holder dies. */
const fileLock = (path: string): Locked => {
  const take: Effect.Effect<void> = Effect.suspend(() => {
    try {
      return Effect.succeed(Fs.closeSync(Fs.openSync(path, "wx")))
    } catch {
      return Effect.andThen(Effect.sleep(1), take)
    }
  })
  const free = Effect.sync(() => Fs.unlinkSync(path))
  return (critical) =>
    Effect.acquireUseRelease(
      take,
      () => critical,
      () => free
    )
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Under the lock, if nobody was faster, a write makes a new file beside the old one and renames it. */
const register = (path: string, fault: Fault | undefined): Effect.Effect<Register.Register, never, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = dirname(path)
    const unlocked: Locked = (critical) => critical
    const locked =
      fault === "read-modify-write without a lock"
        ? unlocked
        : fault === "a lock file that nobody frees when its holder is killed"
          ? fileLock(join(directory, "lock"))
          : yield* systemLock(join(directory, "lock.db"))

    if (fault !== "temp files that nobody removes")
      for (const name of Fs.readdirSync(directory)) {
        const owner = /^temp\.(\d+)\./.exec(name)?.[1]
        if (owner !== undefined && !isAlive(Number(owner))) Fs.unlinkSync(join(directory, name))
      }

    let buffered: Stored | undefined
    const read = (): Stored => {
      if (buffered !== undefined) return buffered
      // Only `prepare` makes such files.
      return Fs.existsSync(path) ? (JSON.parse(Fs.readFileSync(path, "utf8")) as Stored) : { last: 0 }
    }
    let temps = 0
    const prepare = (next: Stored): string => {
      const temp = join(directory, fault === "a fixed temp name" ? "temp" : `temp.${process.pid}.${temps++}`)
      Fs.writeFileSync(temp, JSON.stringify(next), { flush: true })
      return temp
    }
    const commit = (next: Stored, temp: string): void => {
      if (fault === "acknowledged before it is stored") {
        buffered = next
        // The directory may be gone by then, with the case.
        setTimeout(() => Fs.existsSync(temp) && Fs.renameSync(temp, path), 3)
      } else Fs.renameSync(temp, path)
    }

    /** Whether nobody was faster. */
    const replace = (seen: Stored, next: Stored): Effect.Effect<boolean> =>
      Effect.suspend(() => {
        const early = fault === "a fixed temp name" ? prepare(next) : undefined
        return locked(
          Effect.gen(function* () {
            yield* Effect.yieldNow
            const isFirst = fault === "read-modify-write without a lock" || read().last === seen.last
            if (isFirst) commit(next, early ?? prepare(next))
            return isFirst
          })
        )
      })

    const write = (entry: Register.NewEntry, expected: Revision.Expected) =>
      Effect.gen(function* (): Effect.gen.Return<Revision.Revision, StateError.CompareError> {
        while (true) {
          const seen = read()
          yield* Register.check({ agent: "file" }, expected, seen.entry?.revision ?? Revision.absent)
          const revision = Revision.make(seen.last + 1)
          if (yield* replace(seen, { last: revision, entry: { ...entry, revision } })) return revision
        }
      })
    const remove = Effect.gen(function* () {
      while (true) {
        const seen = read()
        // The number is counted up, so that a writer who is late notices.
        if (seen.entry === undefined || (yield* replace(seen, { last: seen.last + 1 })))
          return Option.fromUndefinedOr(seen.entry?.revision)
      }
    })
    return { read: Effect.sync(() => Option.fromUndefinedOr(read().entry)), write, remove }
  })

/** A subject over a file that several processes may share; right without a fault. */
export const subject = (fault?: Fault): Subject<State> => ({
  name: fault ?? "right in a shared file",
  schema: State,
  open: (site) =>
    Effect.flatMap(register(site.path("state"), fault), (register) =>
      DataAgent.fromRegister({ name: "file", schema: State, claims, register })
    ),
  module: { url: import.meta.url, args: fault === undefined ? [] : [fault] }
})
