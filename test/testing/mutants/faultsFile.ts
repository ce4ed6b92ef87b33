/** A small agent of files that keeps every law of failing disks, and the means to break it in one place. */
import { createHash } from "node:crypto"
import { type Claims, DataAgent, Register, Revision, StateError } from "dgents"
import type { Site } from "dgents/testing"
import { Effect, Exit, FileSystem, Option, type PlatformError, Scope, Stream } from "effect"
import { type Cell, emptyCell } from "./memory.ts"

/** What goes wrong with it. */
export type Flaw =
  | "swallows ENOSPC"
  | "takes a short write for a whole one"
  | "tries a failed fsync again"
  | "ignores a failed fsync of the directory"
  | "leaves its temp file after an error"
  | "leaks the handle of a read that fails"
  | "says failed of what it cannot know"
  | "takes a read that fails for no state"
  | "dies of an I/O error"
  | "refuses all work after an error"
  | "keeps in memory what it could not store"
  | "leaves a file open"
  | "leaves a lock file"
  | "leaves a timer"
  | "leaves a file for each opening"
  | "goes on working after closing"
  | undefined

export const claims: Claims.Claims = {
  durability: "power",
  consistency: "linearizable",
  sharing: "process",
  history: "full"
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex")

const codeOf = ({ reason }: PlatformError.PlatformError): unknown =>
  "cause" in reason && reason.cause instanceof Error && "code" in reason.cause ? reason.cause.code : undefined

const where = { agent: "small file" }

const unavailable = (operation: string) => (error: PlatformError.PlatformError) =>
  new StateError.StorageUnavailable({ ...where, operation, reason: error.message, retryable: true })

const indeterminate = (error: PlatformError.PlatformError) =>
  new StateError.WriteIndeterminate({ ...where, reason: error.message })

type Io<A> = Effect.Effect<A, PlatformError.PlatformError>

/** A close that fails decides nothing any more, and comes as a defect. */
const withScope = <A, E>(use: (scope: Scope.Scope) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(Scope.make(), (scope) =>
    Effect.ensuring(use(scope), Effect.ignoreCause(Scope.close(scope, Exit.void)))
  )

const writeAll = (file: FileSystem.File, bytes: Uint8Array): Io<void> =>
  Effect.flatMap(file.write(bytes), (n) => (n < bytes.length ? writeAll(file, bytes.subarray(n)) : Effect.void))

const nextTurn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

class SmallFile {
  readonly #fs: FileSystem.FileSystem
  readonly #path: string
  readonly #directory: string
  readonly #flaw: Flaw
  /** Whether what the directory says is durable. */
  #settled = false
  #refuses = false
  #kept: Cell | undefined
  #temps = 0

  constructor(fs: FileSystem.FileSystem, directory: string, flaw: Flaw) {
    this.#fs = fs
    this.#directory = directory
    this.#path = `${directory}/state`
    this.#flaw = flaw
  }

  get open(): Effect.Effect<void, StateError.ReadError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const fs = this.#fs
      const say = Effect.mapError(unavailable("open"))
      yield* say(fs.makeDirectory(this.#directory, { recursive: true }))
      yield* say(this.#syncDirectory(this.#directory.slice(0, this.#directory.lastIndexOf("/"))))
      const names = yield* say(fs.readDirectory(this.#directory))
      if (this.#flaw !== "leaves its temp file after an error")
        for (const name of names.filter((name) => name.endsWith(".tmp")))
          yield* Effect.ignore(fs.remove(`${this.#directory}/${name}`))
      switch (this.#flaw) {
        case "leaves a file open":
          yield* say(Effect.provideService(fs.open(this.#directory), Scope.Scope, yield* Scope.make()))
          break
        case "leaves a lock file":
          yield* say(withScope((scope) => Scope.provide(fs.open(`${this.#directory}/lock`, { flag: "wx" }), scope)))
          break
        case "leaves a file for each opening":
          yield* say(fs.writeFile(`${this.#directory}/session-${names.length}`, new Uint8Array()))
          break
        case "leaves a timer":
          yield* Effect.sync(() => void setInterval(() => undefined, 60_000))
          break
        case "goes on working after closing":
          yield* Effect.forkDetach(
            Effect.repeat(Effect.andThen(nextTurn, Effect.ignore(fs.stat(this.#path))), { times: 100 })
          )
      }
      yield* this.#read
    })
  }

  get register(): Register.Register {
    return {
      read: Effect.map(this.#read, (cell) => Option.fromUndefinedOr(cell.entries.at(-1))),
      write: (next, expected) =>
        Effect.gen({ self: this }, function* () {
          const cell = yield* this.#read
          yield* Register.check(where, expected, cell.entries.at(-1)?.revision ?? Revision.absent)
          const revision = Revision.make(cell.last + 1)
          yield* this.#replace({ last: revision, entries: [...cell.entries, { ...next, revision }] })
          return revision
        }),
      remove: Effect.gen({ self: this }, function* () {
        const cell = yield* this.#read
        const removed = Option.fromUndefinedOr(cell.entries.at(-1)?.revision)
        if (Option.isSome(removed)) yield* this.#replace({ ...cell, entries: [] })
        return removed
      }),
      history: ({ before, limit } = {}) =>
        Stream.unwrap(
          Effect.map(this.#read, ({ entries }) =>
            Stream.fromIterable(
              [...entries]
                .reverse()
                .filter((e) => before === undefined || e.revision < before)
                .slice(0, limit)
            )
          )
        )
    }
  }

  get #read(): Effect.Effect<Cell, StateError.ReadError> {
    return Effect.gen({ self: this }, function* () {
      if (this.#kept !== undefined) return this.#kept
      if (this.#refuses)
        return yield* new StateError.StorageUnavailable({
          ...where,
          operation: "read",
          reason: "it gave up",
          retryable: false
        })
      const read = Effect.mapError(this.#readBytes, unavailable("read"))
      const bytes = yield* this.#flaw === "takes a read that fails for no state"
        ? Effect.orElseSucceed(read, () => undefined)
        : this.#flaw === "dies of an I/O error"
          ? Effect.orDie(read)
          : read
      if (!this.#settled) {
        // What is shown must not be taken back by a power cut.
        yield* Effect.mapError(this.#settle(bytes !== undefined), unavailable("read"))
        this.#settled = true
      }
      if (bytes === undefined) return emptyCell()
      const text = Buffer.from(bytes).toString("utf8")
      if (text.slice(0, 64) !== digest(text.slice(64)))
        return yield* new StateError.StateCorrupt({ ...where, location: this.#path, reason: "checksum" })
      // Sound: the checksum says that these are the bytes of `replace`.
      return JSON.parse(text.slice(64)) as Cell
    })
  }

  get #readBytes(): Io<Uint8Array | undefined> {
    const absent = (error: PlatformError.PlatformError) => error.reason._tag === "NotFound"
    if (this.#flaw !== "leaks the handle of a read that fails")
      return Effect.catchIf(this.#fs.readFile(this.#path), absent, () => Effect.succeed(undefined))
    const leaky = Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.make()
      const file = yield* Scope.provide(this.#fs.open(this.#path), scope)
      const { size } = yield* file.stat
      const bytes = new Uint8Array(Number(size))
      for (let n = 0; n < bytes.length; ) n += yield* file.read(bytes.subarray(n))
      yield* Effect.ignoreCause(Scope.close(scope, Exit.void))
      return bytes
    })
    return Effect.catchIf(leaky, absent, () => Effect.succeed(undefined))
  }

  #settle(exists: boolean): Io<void> {
    const file = withScope((scope) =>
      Effect.flatMap(Scope.provide(this.#fs.open(this.#path), scope), (file) => file.sync)
    )
    return Effect.andThen(exists ? file : Effect.void, this.#syncDirectory(this.#directory))
  }

  #syncDirectory(path: string): Io<void> {
    return withScope((scope) => Effect.flatMap(Scope.provide(this.#fs.open(path), scope), (file) => file.sync))
  }

  #replace(cell: Cell): Effect.Effect<void, StateError.WriteError> {
    const body = JSON.stringify(cell)
    const bytes = Buffer.from(`${digest(body)}${body}`)
    const temp = `${this.#path}.${this.#temps++}.tmp`
    const flaw = this.#flaw
    const tidy = flaw === "leaves its temp file after an error" ? Effect.void : Effect.ignore(this.#fs.remove(temp))
    const written = withScope((scope) =>
      Effect.flatMap(Scope.provide(this.#fs.open(temp, { flag: "wx" }), scope), (file) => {
        const write = flaw === "takes a short write for a whole one" ? file.write(bytes) : writeAll(file, bytes)
        const sync = flaw === "tries a failed fsync again" ? Effect.retry(file.sync, { times: 3 }) : file.sync
        return Effect.andThen(
          flaw === "swallows ENOSPC"
            ? Effect.catchIf(
                write,
                (error) => codeOf(error) === "ENOSPC",
                () => Effect.void
              )
            : write,
          sync
        )
      })
    )
    const visible = Effect.suspend(() => {
      this.#settled = false
      const directory = this.#syncDirectory(this.#directory)
      return Effect.andThen(
        // A rename that reports an error may have happened.
        this.#fs.rename(temp, this.#path),
        flaw === "ignores a failed fsync of the directory" ? Effect.ignore(directory) : directory
      )
    })
    const told = (error: PlatformError.PlatformError): StateError.WriteError =>
      flaw === "says failed of what it cannot know" ? unavailable("write")(error) : indeterminate(error)
    const replaced = Effect.andThen(
      Effect.mapError(
        Effect.tapError(written, () => tidy),
        unavailable("write")
      ),
      Effect.mapError(
        Effect.tapError(visible, () => tidy),
        told
      )
    )
    if (flaw === "keeps in memory what it could not store") this.#kept = cell
    return Effect.tapError(
      Effect.map(replaced, () => {
        this.#settled = true
      }),
      () =>
        Effect.sync(() => {
          this.#refuses = flaw === "refuses all work after an error"
        })
    )
  }
}

/** Opens one on the file system of the context. */
export const smallFile =
  <S>(schema: DataAgent.Options<S>["schema"], flaw?: Flaw) =>
  (site: Site.Site): Effect.Effect<DataAgent.DataAgent<S>, unknown, Scope.Scope | FileSystem.FileSystem> =>
    Effect.gen(function* () {
      const file = new SmallFile(yield* FileSystem.FileSystem, site.path("small"), flaw)
      yield* file.open
      const agent = yield* DataAgent.fromRegister({ name: "small file", schema, claims, register: file.register })
      return agent
    })
