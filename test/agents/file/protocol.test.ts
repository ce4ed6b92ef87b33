import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { DataAgent, PersistentAgent, StateError } from "dgents"
import { Effect, Exit, Option, Schema, Stream } from "effect"
import { type Fault, FaultyFs, tempDirectory } from "./faultyFs.ts"

const Note = Schema.Struct({ text: Schema.String })
const note = (n: number) => ({ text: `note ${n} ${"x".repeat(300)}` })

const setUp = Effect.gen(function* () {
  const disk = yield* FaultyFs.make
  const directory = yield* tempDirectory
  const path = join(directory, "note.json")
  const open = (options?: Partial<PersistentAgent.Options<typeof Note.Type>>) =>
    disk.run(PersistentAgent.make({ path, schema: Note, ...options }))
  const openFamily = (options?: Partial<PersistentAgent.FamilyOptions<typeof Note.Type>>) =>
    disk.run(PersistentAgent.family({ directory, schema: Note, ...options }))
  const base = directory.slice(directory.lastIndexOf("/") + 1)
  const take = () => disk.take().map((line) => line.replace(base, "DIR"))
  return { disk, directory, path, open, openFamily, take }
})

// The directory is opened while the temp file is made durable; what is open is closed at the end, when it decides nothing.
const written = ["open wx TEMP", "write TEMP", "fsync TEMP", "open r DIR"]
const replaced = (file: string) => [`rename ${file}`, "fsync DIR", "close DIR", "close TEMP"]
const syncDirectory = ["open r DIR", "fsync DIR", "close DIR"]

it.effect("a save is: temp file, all bytes, fsync, rename, fsync of the directory, and only then visible", () =>
  Effect.gen(function* () {
    const { open, take } = yield* setUp
    const agent = yield* open()
    yield* agent.save(note(1))
    take()
    yield* agent.save(note(2))
    expect(take()).toEqual([...written, ...replaced("note.json")])
    yield* agent.load
    expect(take()).toEqual([])
  })
)

it.effect("a file is claimed by one rename and one list at opening, and given back by one rename at closing", () =>
  Effect.gen(function* () {
    const { open, take } = yield* setUp
    yield* Effect.scoped(open())
    take()
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* open()
        const opening = take()
        expect(opening.slice(opening.indexOf("rename CLAIM"), opening.indexOf("list DIR"))).toEqual([
          "rename CLAIM",
          "list .note.json.lock"
        ])
      })
    )
    expect(take()).toEqual(["rename free"])
  })
)

it.effect("opening makes the directory and the file durable before the first read", () =>
  Effect.gen(function* () {
    const { open, take } = yield* setUp
    yield* Effect.scoped(Effect.flatMap(open(), (agent) => agent.save(note(1))))
    take()
    const agent = yield* open()
    const opening = take()
    expect(opening.slice(opening.indexOf("list DIR"))).toEqual([
      "list DIR",
      ...syncDirectory,
      "read .note.json.floor",
      "stat note.json.history",
      "read note.json",
      "open r note.json",
      "fsync note.json",
      "fstat note.json",
      "close note.json"
    ])
    expect(yield* agent.load).toEqual(note(1))
    expect(take()).toEqual([])
  })
)

it.effect("a family makes a key's file durable before its first read, once", () =>
  Effect.gen(function* () {
    const { openFamily, take } = yield* setUp
    yield* Effect.scoped(Effect.flatMap(openFamily(), (family) => family.at("a").save(note(1))))
    const family = yield* openFamily()
    take()
    yield* family.at("a").load
    expect(take()).toEqual(["read a.json", "open r a.json", "fsync a.json", "fstat a.json", "close a.json"])
    yield* family.at("a").load
    expect(take()).toEqual([])
  })
)

it.effect("directories are made level by level, each with an fsync of its parent", () =>
  Effect.gen(function* () {
    const { directory, disk, take } = yield* setUp
    yield* disk.run(PersistentAgent.make({ path: join(directory, "a", "b", "n.json"), schema: Note }))
    const made = take()
    expect(made.slice(made.indexOf("mkdir a"), made.indexOf("rename CLAIM"))).toEqual([
      "mkdir a",
      ...syncDirectory,
      "mkdir b",
      "open r a",
      "fsync a",
      "close a"
    ])
  })
)

/** The lines about one file, without repetitions, and the others. */
const split = (lines: ReadonlyArray<string>, file: string) => ({
  of: lines.filter((line) => line.endsWith(` ${file}`)).filter((line, i, all) => line !== all[i - 1]),
  others: lines.filter((line) => !line.endsWith(` ${file}`)).filter((line, i, all) => line !== all[i - 1])
})

it.effect("history: the previous frame is appended and durable before the rename, while the new one is written", () =>
  Effect.gen(function* () {
    const { open, take } = yield* setUp
    const agent = yield* open({ history: { bounded: 2 } })
    yield* agent.save(note(1))
    yield* agent.save(note(2))
    take()
    yield* agent.save(note(3))
    const done = take()
    const { of, others } = split(done, "note.json.history")
    expect(of).toEqual(["write note.json.history", "fsync note.json.history"])
    expect(others).toEqual([...written, ...replaced("note.json")])
    expect(done.indexOf("fsync note.json.history")).toBeLessThan(done.indexOf("rename note.json"))
  })
)

it.effect("history: a new log and its name are durable before the rename that needs it", () =>
  Effect.gen(function* () {
    const { open, take } = yield* setUp
    const agent = yield* open({ history: "full" })
    yield* agent.save(note(1))
    take()
    yield* agent.save(note(2))
    const done = take()
    const made = done.indexOf("rename note.json.history")
    expect(done.slice(0, made)).toContain("fsync TEMP")
    expect(done.slice(made)).toContain("fsync DIR")
    expect(done.lastIndexOf("fsync note.json.history")).toBeLessThan(done.indexOf("rename note.json"))
    expect(done.lastIndexOf("fsync note.json.history")).toBeGreaterThan(done.lastIndexOf("write note.json.history"))
    expect(done.slice(-4)).toEqual(replaced("note.json"))
  })
)

it.effect("a delete raises the floor durably, then removes the file, then its history", () =>
  Effect.gen(function* () {
    const { open, take } = yield* setUp
    const agent = yield* open({ history: "full" })
    yield* agent.save(note(1))
    yield* agent.save(note(2))
    take()
    yield* agent.delete
    expect(take()).toEqual([
      ...written,
      ...replaced(".note.json.floor"),
      "remove note.json",
      ...syncDirectory,
      "close note.json.history",
      "remove note.json.history",
      ...syncDirectory
    ])
  })
)

it.effect("shared by a host: a load is a read; a save claims, looks, replaces, and gives the claim back", () =>
  Effect.gen(function* () {
    const { open, take } = yield* setUp
    const agent = yield* open({ sharing: "host" })
    yield* agent.save(note(1))
    take()
    yield* agent.load
    expect(take()).toEqual(["read note.json"])
    yield* agent.save(note(2))
    expect(take()).toEqual([
      "rename CLAIM",
      "list .note.json.lock",
      "read note.json",
      ...written,
      ...replaced("note.json"),
      "rename free"
    ])
  })
)

it.effect("shared by a host: what another process saved or deleted is durable before it is served, once", () =>
  Effect.gen(function* () {
    const { open, take } = yield* setUp
    const other = yield* FaultyFs.make
    const agent = yield* open({ sharing: "host" })
    const { path } = yield* Effect.succeed({ path: agent.name })
    const neighbour = yield* other.run(PersistentAgent.make({ path, schema: Note, sharing: "host" }))
    const sync = ["open r note.json", "fsync note.json", "fstat note.json", "close note.json", ...syncDirectory]
    yield* neighbour.save(note(1))
    take()
    expect(yield* agent.load).toEqual(note(1))
    expect(take()).toEqual(["read note.json", ...sync])
    yield* agent.load
    expect(take()).toEqual(["read note.json"])
    yield* neighbour.delete
    expect(Option.isNone(yield* agent.current)).toBe(true)
    expect(take()).toEqual(["read note.json", "read .note.json.floor", ...syncDirectory])
    expect(Option.isNone(yield* agent.current)).toBe(true)
    expect(take()).toEqual(["read note.json", "read .note.json.floor"])
  })
)

const codes = ["EIO", "ENOSPC", "EACCES", "EMFILE"]

type NoteAgent = DataAgent.DataAgent<typeof Note.Type>

interface Plan {
  readonly operation: (agent: NoteAgent) => Effect.Effect<unknown, StateError.StateError>
  /** The state before and after. */
  readonly outcomes: readonly [number, number | undefined]
  readonly when: Fault["when"]
  readonly forever: boolean
  readonly sharing: "process" | "host"
}

/** What holds after a fault, in this opening and in the next: the state is one of the two, and a save works. */
const goesOn = (agent: NoteAgent, now: number | undefined) =>
  Effect.gen(function* () {
    const state = Option.getOrUndefined(yield* DataAgent.loadOption(agent))
    expect(state?.text).toBe(now === undefined ? undefined : note(now).text)
    yield* agent.save(note(3))
    expect(yield* agent.load).toEqual(note(3))
    const kept = (yield* Stream.runCollect(agent.history())).map((entry) => entry.revision)
    expect(kept).toEqual([...kept].sort((a, b) => b - a))
    // After a delete nothing comes back.
    if (now === undefined) expect(kept).toEqual([3])
  })

const oneFault = ({ forever, operation, outcomes, sharing, when }: Plan, at: number, reopen: boolean) =>
  Effect.gen(function* () {
    const { directory, disk, open } = yield* setUp
    const temps = () => readdirSync(directory).filter((name) => name.endsWith(".tmp"))
    const { faulted, now } = yield* Effect.scoped(
      Effect.gen(function* () {
        const agent = yield* open({ history: "full", sharing })
        yield* agent.save(note(0))
        yield* agent.save(note(1))
        disk.arm({ at, when, forever, code: codes[at % codes.length] ?? "EIO" })
        const exit = yield* Effect.exit(operation(agent))
        const faulted = disk.count > at
        disk.arm(undefined)
        if (!forever) expect(temps()).toEqual([])
        const error = Exit.isFailure(exit) ? Option.getOrUndefined(Exit.findErrorOption(exit)) : undefined
        if (Exit.isFailure(exit)) expect(StateError.isStateError(error), String(exit)).toBe(true)
        const state = Option.getOrUndefined(yield* DataAgent.loadOption(agent))
        const now = [0, 1, 2].find((n) => state?.text === note(n).text)
        expect(outcomes).toContain(now)
        // A known failure did not happen; an acknowledgement did.
        if (Exit.isSuccess(exit)) expect(now).toBe(outcomes[1])
        else if (error?._tag !== "WriteIndeterminate") expect(now).toBe(outcomes[0])
        if (!reopen) yield* goesOn(agent, now)
        return { faulted, now }
      })
    )
    if (reopen) yield* Effect.flatMap(open({ history: "full", sharing }), (agent) => goesOn(agent, now))
    expect(temps()).toEqual([])
    return faulted
  })

/** Runs an operation once for each of its I/O operations, which is made to fail; answers how many there were. */
const everyFault = (plan: Plan) =>
  Effect.gen(function* () {
    let at = 0
    while (yield* Effect.scoped(oneFault(plan, at, at % 2 === 0))) {
      yield* Effect.scoped(oneFault(plan, at, at % 2 !== 0))
      at++
    }
    return at
  })

const everyKind = (["process", "host"] as const).flatMap((sharing) =>
  (["before", "after"] as const).flatMap((when) => [false, true].map((forever) => ({ sharing, when, forever })))
)

for (const { forever, sharing, when } of everyKind) {
  const which = `shared by a ${sharing}: ${forever ? "from any I/O operation on, all" : "any one I/O operation"} failing ${when} it happened`
  it.effect(`${which} leaves the old state or the new one of a save, and the next one works`, () =>
    Effect.gen(function* () {
      expect(
        yield* everyFault({ operation: (agent) => agent.save(note(2)), outcomes: [1, 2], when, forever, sharing })
      ).toBeGreaterThan(12)
    })
  )
  it.effect(`${which} leaves the state or none after a delete, and nothing comes back later`, () =>
    Effect.gen(function* () {
      expect(
        yield* everyFault({ operation: (agent) => agent.delete, outcomes: [1, undefined], when, forever, sharing })
      ).toBeGreaterThan(15)
    })
  )
}

for (const sharing of ["process", "host"] as const)
  it.effect(
    `shared by a ${sharing}: any one I/O operation failing while opening is typed, and the next opening works`,
    () =>
      Effect.gen(function* () {
        const { disk, open, openFamily } = yield* setUp
        yield* Effect.scoped(
          Effect.flatMap(open({ sharing }), (agent) => Effect.andThen(agent.save(note(1)), agent.delete))
        )
        yield* Effect.scoped(Effect.flatMap(open({ sharing }), (agent) => agent.save(note(2))))
        for (const opening of [
          Effect.asVoid(Effect.flatMap(open({ sharing }), (agent) => agent.load)),
          Effect.asVoid(openFamily({ sharing }))
        ]) {
          for (let at = 0; ; at++) {
            disk.arm({ at, code: codes[at % codes.length] ?? "EIO", when: "before" })
            const exit = yield* Effect.exit(Effect.scoped(opening))
            const faulted = disk.count > at
            disk.arm(undefined)
            if (Exit.isFailure(exit)) {
              expect(Option.getOrUndefined(Exit.findErrorOption(exit))?._tag).toBe("StorageUnavailable")
            }
            yield* Effect.scoped(opening)
            if (!faulted) break
            expect(at).toBeLessThan(50)
          }
        }
      })
  )

it.effect("a write whose last fsync failed is announced once it is found durable, and only then listed", () =>
  Effect.gen(function* () {
    const { disk, openFamily } = yield* setUp
    const family = yield* openFamily()
    const other = yield* openFamily({ name: "other" })
    const seen: Array<string> = []
    yield* Effect.forkChild(
      Stream.runForEach(other.at("a").changes, (change) =>
        Effect.sync(() => seen.push(`${change._tag} ${change.revision}`))
      )
    )
    yield* Effect.yieldNow
    yield* family.at("b").save(note(0))
    yield* DataAgent.loadOption(family.at("c"))
    disk.arm(undefined)
    yield* family.at("c").save(note(0))
    // Of a save, the fsync of the directory comes before the two closes.
    const last = disk.count - 3
    disk.arm({ at: last, code: "EIO", when: "before" })
    const error = yield* Effect.flip(family.at("a").save(note(0)))
    expect(error._tag).toBe("WriteIndeterminate")
    disk.arm(undefined)
    expect(seen).toEqual([])
    expect(new Set(yield* Stream.runCollect(family.keys()))).toEqual(new Set(["b", "c"]))
    expect(yield* family.at("a").load).toEqual(note(0))
    expect(yield* Stream.runCollect(family.keys())).toContain("a")
    for (let i = 0; i < 20; i++) yield* Effect.yieldNow
    expect(seen).toEqual(["Saved 1"])
  })
)

it.effect("permissions that somebody gave to the file outlive a save", () =>
  Effect.gen(function* () {
    const { disk, open, path } = yield* setUp
    yield* Effect.scoped(Effect.flatMap(open(), (agent) => agent.save(note(1))))
    yield* disk.fs.chmod(path, 0o600)
    yield* Effect.scoped(Effect.flatMap(open(), (agent) => agent.save(note(2))))
    expect((yield* disk.fs.stat(path)).mode & 0o777).toBe(0o600)
    expect(readFileSync(path, "utf8")).toContain("note 2")
  })
)
