/** Agents over files, right ones and ones with a mistake that people make when they write files. */
import { randomBytes } from "node:crypto"
import { crc32 } from "node:zlib"
import { type Claims, DataAgent, Register, Revision, StateError } from "dgents"
import type { Subject } from "dgents/testing"
import { Effect, FileSystem, Option, type PlatformError } from "effect"
import { State } from "./memory.ts"

/** What is left out, or done otherwise. */
export interface Fault {
  readonly noFileSync?: boolean
  readonly noDirectorySync?: boolean
  readonly noSyncOnOpen?: boolean
  readonly inPlace?: boolean
  readonly beforeStored?: boolean
  readonly fixedTemp?: boolean
  readonly noSweep?: boolean
  readonly noChecksum?: boolean
  readonly noLogSync?: boolean
  readonly noCreationSync?: boolean
}

/** All that is stored: the state, if there is one, and the last revision that any had. */
interface Cell {
  readonly last: number
  readonly entry: Register.Entry | undefined
}

const nothing: Cell = { last: 0, entry: undefined }

const directory = "/site"

const encode = (cell: Cell, checksum: boolean): Uint8Array => {
  const body = JSON.stringify(cell)
  return Buffer.from(checksum ? `${crc32(body).toString(16).padStart(8, "0")} ${body}\n` : `${body}\n`)
}

const decode = (line: string, checksum: boolean): Cell | undefined => {
  const body = checksum ? line.slice(9) : line
  if (checksum && line.slice(0, 8) !== crc32(body).toString(16).padStart(8, "0")) return undefined
  try {
    // Only `encode` writes such lines, or the fault under test says not to check that.
    return JSON.parse(body) as Cell
  } catch {
    return undefined
  }
}

const unavailable = (cause: PlatformError.PlatformError) =>
  new StateError.StorageUnavailable({
    agent: "disk",
    operation: "use the file",
    reason: cause.message,
    retryable: false,
    cause
  })

/** How one kind of file keeps a cell. */
interface Keeper {
  readonly read: Effect.Effect<Cell, StateError.ReadError>
  readonly write: (cell: Cell) => Effect.Effect<void, StateError.ReadError>
}

type IO<A> = Effect.Effect<A, PlatformError.PlatformError>

const syncOf = (fs: FileSystem.FileSystem, path: string): IO<void> =>
  Effect.scoped(Effect.flatMap(fs.open(path, { flag: "r" }), (file) => file.sync))

const absent = <A>(effect: IO<A>, or: A): IO<A> =>
  Effect.catchIf(
    effect,
    ({ reason }) => reason._tag === "NotFound",
    () => Effect.succeed(or)
  )

const io = <A>(effect: IO<A>): Effect.Effect<A, StateError.StorageUnavailable> => Effect.mapError(effect, unavailable)

const corrupt = (path: string) =>
  new StateError.StateCorrupt({ agent: "disk", location: path, reason: "its checksum does not fit" })

/** The snapshot protocol: temporary file, fsync, rename, fsync of the directory. */
const snapshot = (fs: FileSystem.FileSystem, path: string, fault: Fault): Effect.Effect<Keeper, StateError.ReadError> =>
  Effect.gen(function* () {
    const name = path.slice(directory.length + 1)
    if (fault.noSweep !== true && fault.fixedTemp !== true)
      for (const each of yield* io(fs.readDirectory(directory)))
        if (each.startsWith(`.${name}.`)) yield* io(absent(fs.remove(`${directory}/${each}`), undefined))
    if (fault.noSyncOnOpen !== true)
      yield* io(Effect.andThen(absent(syncOf(fs, path), undefined), syncOf(fs, directory)))
    const replace = (bytes: Uint8Array): IO<void> => {
      const temp = `${directory}/.${name}.${fault.fixedTemp === true ? "tmp" : randomBytes(6).toString("hex")}`
      const flag = fault.inPlace === true || fault.fixedTemp === true ? "w" : "wx"
      const target = fault.inPlace === true ? path : temp
      const written = Effect.scoped(
        Effect.gen(function* () {
          const file = yield* fs.open(target, { flag })
          yield* file.writeAll(bytes)
          if (fault.noFileSync !== true) yield* file.sync
        })
      )
      return Effect.gen(function* () {
        yield* written
        if (fault.inPlace !== true) yield* fs.rename(temp, path)
        if (fault.noDirectorySync !== true) yield* syncOf(fs, directory)
      })
    }
    return {
      read: Effect.flatMap(io(absent(Effect.map(fs.readFile(path), Option.some), Option.none())), (bytes) => {
        if (Option.isNone(bytes)) return Effect.succeed(nothing)
        const cell = decode(Buffer.from(bytes.value).toString("utf8").slice(0, -1), true)
        return cell === undefined ? Effect.fail(corrupt(path)) : Effect.succeed(cell)
      }),
      write: (cell) => {
        const stored = io(replace(encode(cell, true)))
        return fault.beforeStored === true ? Effect.asVoid(Effect.forkDetach(stored)) : stored
      }
    }
  })

/** An append log: the last record that is whole is the state; a torn tail is cut off when the log is opened. */
const log = (fs: FileSystem.FileSystem, path: string, fault: Fault): Effect.Effect<Keeper, StateError.ReadError> =>
  Effect.gen(function* () {
    const checksum = fault.noChecksum !== true
    let cell = nothing
    const open = Effect.gen(function* () {
      const made = yield* Effect.scoped(fs.open(path, { flag: "a" }))
      void made
      if (fault.noCreationSync !== true) yield* syncOf(fs, directory)
      const text = Buffer.from(yield* fs.readFile(path))
      let good = 0
      for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, good)) {
        const found = decode(text.toString("utf8", good, end), checksum)
        if (found === undefined) break
        cell = found
        good = end + 1
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const file = yield* fs.open(path, { flag: "r+" })
          if (good < text.length) yield* file.truncate(good)
          if (fault.noSyncOnOpen !== true) yield* file.sync
        })
      )
    })
    yield* io(open)
    return {
      read: Effect.sync(() => cell),
      write: (next) =>
        Effect.map(
          io(
            Effect.scoped(
              Effect.gen(function* () {
                const file = yield* fs.open(path, { flag: "a" })
                yield* file.writeAll(encode(next, checksum))
                if (fault.noLogSync !== true) yield* file.sync
              })
            )
          ),
          () => {
            cell = next
          }
        )
    }
  })

const registerOf = ({ read, write }: Keeper): Register.Register => ({
  read: Effect.map(read, ({ entry }) => Option.fromUndefinedOr(entry)),
  write: (next, expected) =>
    Effect.gen(function* () {
      const { entry, last } = yield* read
      yield* Register.check({ agent: "disk" }, expected, entry?.revision ?? Revision.absent)
      const revision = Revision.make(last + 1)
      yield* write({ last: revision, entry: { ...next, revision } })
      return revision
    }),
  remove: Effect.gen(function* () {
    const { entry, last } = yield* read
    if (entry === undefined) return Option.none()
    yield* write({ last, entry: undefined })
    return Option.some(entry.revision)
  })
})

const claims: Claims.Claims = { durability: "power", consistency: "linearizable", sharing: "process", history: "none" }

/** A subject over one file; right without a fault. */
export const diskSubject = (
  name: string,
  kind: "snapshot" | "log",
  fault: Fault = {},
  claimed: Partial<Claims.Claims> = {}
): Subject<State> => ({
  name,
  schema: State,
  open: (site) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const keeper = yield* (kind === "snapshot" ? snapshot : log)(fs, site.path("state"), fault)
      return yield* DataAgent.fromRegister({
        name,
        schema: State,
        claims: { ...claims, ...claimed },
        register: registerOf(keeper)
      })
    })
})

/** Each keeps every law of a file agent. */
export const rightOnDisk: ReadonlyArray<Subject<State>> = [
  diskSubject("right by snapshots", "snapshot"),
  diskSubject("right by a log", "log"),
  diskSubject("right up to a kill without any fsync", "snapshot", unsynced(), { durability: "process" })
]

function unsynced(): Fault {
  return { noFileSync: true, noDirectorySync: true, noSyncOnOpen: true }
}

const law = "a crash at any point leaves an acknowledged state"

/** Each breaks the law of crashes. */
export const diskMutants: ReadonlyArray<{ readonly subject: Subject<State>; readonly law: string }> = [
  diskSubject("no fsync", "snapshot", unsynced()),
  diskSubject("no file fsync", "snapshot", { noFileSync: true }),
  diskSubject("no directory fsync", "snapshot", { noDirectorySync: true }),
  diskSubject("no fsync on open", "snapshot", { noSyncOnOpen: true }),
  diskSubject("write in place", "snapshot", { inPlace: true }),
  diskSubject(
    "write in place, though only a kill is to be survived",
    "snapshot",
    { inPlace: true },
    { durability: "process" }
  ),
  diskSubject("acknowledged before stored in a file", "snapshot", { beforeStored: true }),
  diskSubject("temporary files never swept", "snapshot", { noSweep: true }),
  diskSubject(
    "one temporary name for two processes",
    "snapshot",
    { fixedTemp: true },
    { sharing: "host", consistency: "lastWriteWins" }
  ),
  diskSubject("log without checksum", "log", { noChecksum: true }),
  diskSubject("log without fsync", "log", { noLogSync: true }),
  diskSubject("log without directory fsync at creation", "log", { noCreationSync: true }),
  diskSubject("log without fsync on open", "log", { noSyncOnOpen: true })
].map((subject) => ({ subject, law }))
