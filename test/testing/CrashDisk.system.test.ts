/** The running system over a simulated disk, beyond what can be compared with the real one. */
import { expect, it } from "@effect/vitest"
import { CrashDisk, SeededScheduler } from "dgents/testing"
import { Effect, Fiber, FileSystem, type PlatformError, Stream } from "effect"

const bytes = (text: string) => new TextEncoder().encode(text)

const codeOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => [
    reason._tag,
    reason._tag === "BadArgument" || !(reason.cause instanceof Error) || !("code" in reason.cause)
      ? undefined
      : reason.cause.code
  ])

it.effect("what is written is a copy, and so is what is read", () =>
  Effect.gen(function* () {
    const { fileSystem: fs } = CrashDisk.make()
    const mine = Buffer.from("abc")
    yield* fs.writeFile("/a", mine)
    mine.fill(0)
    const read = yield* fs.readFile("/a")
    read.fill(1)
    expect(yield* fs.readFileString("/a")).toBe("abc")
  })
)

it.effect("an open file outlives its name, and open files are counted", () =>
  Effect.gen(function* () {
    const disk = CrashDisk.make()
    const { fileSystem: fs } = disk
    yield* fs.writeFile("/a", bytes("old"))
    yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* fs.open("/a", { flag: "r+" })
        expect(disk.openHandles).toBe(1)
        yield* fs.writeFile("/b", bytes("new"))
        yield* fs.rename("/b", "/a")
        yield* file.writeAll(bytes("OLD"))
        expect(Buffer.from(yield* fs.readFile("/a")).toString()).toBe("new")
      })
    )
    expect(disk.openHandles).toBe(0)
  })
)

it.effect("a full disk takes what fits, then fails with ENOSPC, and works again when there is room", () =>
  Effect.gen(function* () {
    const { fileSystem: fs } = CrashDisk.make({ capacity: 10 })
    yield* fs.writeFile("/a", bytes("0123456"))
    expect(yield* codeOf(fs.writeFile("/b", bytes("0123456")))).toEqual(["Unknown", "ENOSPC"])
    expect(yield* fs.readFileString("/b")).toBe("012")
    yield* fs.remove("/a")
    yield* fs.writeFile("/b", bytes("0123456"))
  })
)

it.effect("modes are enforced, unless they are not to be", () =>
  Effect.gen(function* () {
    const { fileSystem: fs } = CrashDisk.make({ directories: ["/d"] })
    yield* fs.writeFile("/d/a", bytes("x"))
    yield* fs.chmod("/d/a", 0o444)
    expect(yield* codeOf(fs.writeFile("/d/a", bytes("y")))).toEqual(["PermissionDenied", "EACCES"])
    yield* fs.chmod("/d", 0o555)
    expect(yield* codeOf(fs.writeFile("/d/b", bytes("y")))).toEqual(["PermissionDenied", "EACCES"])
    expect(yield* codeOf(fs.remove("/d/a"))).toEqual(["PermissionDenied", "EACCES"])
    expect(yield* fs.readFileString("/d/a")).toBe("x")
    yield* fs.chmod("/d", 0o666)
    expect(yield* codeOf(fs.readFile("/d/a"))).toEqual(["PermissionDenied", "EACCES"])

    const root = CrashDisk.make({ directories: ["/d"], permissions: false }).fileSystem
    yield* root.chmod("/d", 0)
    yield* root.writeFile("/d/a", bytes("x"))
  })
)

it.effect("arguments that Node refuses are refused", () =>
  Effect.gen(function* () {
    const { fileSystem: fs } = CrashDisk.make()
    expect(yield* codeOf(fs.readFile("/a\0b"))).toEqual(["BadArgument", undefined])
    expect(yield* codeOf(fs.stat(""))).toEqual(["NotFound", "ENOENT"])
    expect(yield* codeOf(fs.stat(`/${"x".repeat(256)}`))).toEqual(["Unknown", "ENAMETOOLONG"])
    yield* fs.symlink("nowhere", "/link")
    const opened = Effect.scoped(fs.open("/link", { flag: "w", noFollow: true }))
    expect(yield* codeOf(opened)).toEqual(["BadResource", "ELOOP"])
  })
)

it.effect("another process shares the disk and no function with the first one", () =>
  Effect.gen(function* () {
    const disk = CrashDisk.make()
    const other = disk.process()
    expect(other.open).not.toBe(disk.fileSystem.open)
    yield* disk.fileSystem.writeFile("/a", bytes("x"))
    yield* other.writeFile("/a", bytes("y"), { flag: "a" })
    expect(yield* disk.fileSystem.readFileString("/a")).toBe("xy")
    expect(disk.journal.map(({ _tag, process }) => `${_tag} ${process}`)).toEqual(["Create 0", "Write 0", "Write 1"])
  })
)

it.effect("watchers hear what any process does to a directory", () =>
  Effect.gen(function* () {
    const disk = CrashDisk.make({ directories: ["/d"] })
    let ready = false
    const events = yield* Effect.forkChild(
      Stream.runCollect(Stream.take(disk.fileSystem.watch("/d", { onReady: () => (ready = true) }), 5))
    )
    while (!ready) yield* Effect.yieldNow
    const other = disk.process()
    yield* other.writeFile("/d/t", bytes("x"))
    yield* other.rename("/d/t", "/d/a")
    yield* other.writeFile("/unseen", bytes("x"))
    yield* other.remove("/d/a")
    expect((yield* Fiber.join(events)).map(({ _tag, path }) => `${_tag} ${path}`)).toEqual([
      "Create t",
      "Update t",
      "Remove t",
      "Create a",
      "Remove a"
    ])
  })
)

it.effect("operations of several fibers interleave as the schedule says, and the same way again", () =>
  Effect.gen(function* () {
    const run = (seed: number) => {
      const disk = CrashDisk.make()
      const { fileSystem: fs } = disk
      return Effect.forEach(["/a", "/b", "/c"], (path) => fs.writeFile(path, bytes(path)), {
        concurrency: "unbounded"
      }).pipe(
        SeededScheduler.provide(seed),
        Effect.map(() => disk.journal.map(CrashDisk.describe).join("; "))
      )
    }
    const orders = new Set<string>()
    for (let seed = 1; seed <= 20; seed++) {
      const order = yield* run(seed)
      expect(yield* run(seed)).toBe(order)
      orders.add(order)
    }
    expect(orders.size).toBeGreaterThan(5)
  })
)

it.effect("each operation lets other fibers run before it takes effect, unless it is not to", () =>
  Effect.gen(function* () {
    const order = (yields: boolean) => {
      const disk = CrashDisk.make({ yields })
      const write = (path: string) => disk.fileSystem.writeFile(path, bytes("x"))
      return Effect.map(Effect.all([write("/a"), write("/b")], { concurrency: 2 }), () =>
        disk.journal.map(({ _tag, path }) => `${_tag} ${path}`)
      )
    }
    expect(yield* order(true)).toEqual(["Create /a", "Create /b", "Write /a", "Write /b"])
    expect(yield* order(false)).toEqual(["Create /a", "Write /a", "Create /b", "Write /b"])
  })
)

it.effect("temporary files are made in /tmp, each with a name of its own, and go with their scope", () =>
  Effect.gen(function* () {
    const disk = CrashDisk.make()
    const { fileSystem: fs } = disk
    yield* Effect.scoped(
      Effect.gen(function* () {
        const one = yield* fs.makeTempFileScoped({ suffix: ".txt" })
        const two = yield* fs.makeTempDirectoryScoped({ prefix: "x-" })
        expect(one).toMatch(/^\/tmp\/.*\.txt$/)
        expect(two).toMatch(/^\/tmp\/x-/)
        expect(yield* fs.exists(one)).toBe(true)
      })
    )
    expect([...disk.tree.keys()]).toEqual(["/", "/tmp/"])
  })
)

it.effect("streams and sinks go through open files", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    yield* Stream.run(Stream.make(bytes("ab"), bytes("cd")), fs.sink("/a"))
    const read = yield* Stream.runCollect(fs.stream("/a", { chunkSize: 3, offset: 1 }))
    expect(read.map((part) => Buffer.from(part).toString())).toEqual(["bcd"])
  }).pipe(Effect.provideService(FileSystem.FileSystem, CrashDisk.make().fileSystem))
)
