import { readFileSync } from "node:fs"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Faults } from "dgents/testing"
import { Effect, FileSystem, type PlatformError } from "effect"

const setUp = Effect.gen(function* () {
  const real = yield* FileSystem.FileSystem
  const directory = yield* real.makeTempDirectoryScoped({ prefix: "dgents-" })
  const faults = Faults.make()
  return { faults, fs: Faults.fileSystem(real, faults), file: (name: string) => join(directory, name) }
}).pipe(Effect.provide(NodeFileSystem.layer))

const codeOf = <A>(effect: Effect.Effect<A, PlatformError.PlatformError>) =>
  Effect.match(effect, {
    onSuccess: () => "done",
    onFailure: ({ reason }) => {
      const cause = "cause" in reason ? reason.cause : undefined
      return cause instanceof Error && "code" in cause ? cause.code : reason._tag
    }
  })

const bytes = (text: string) => new TextEncoder().encode(text)

it.effect("an operation fails with the system's error, before it happened or after", () =>
  Effect.gen(function* () {
    const { faults, file, fs } = yield* setUp
    yield* fs.writeFileString(file("a"), "a")
    faults.arm(Faults.plan(1, Faults.failNth(0, "refuse", { code: "EACCES" })))
    const refused = yield* Effect.flip(fs.rename(file("a"), file("b")))
    expect(refused.reason._tag).toBe("PermissionDenied")
    expect(yield* fs.exists(file("b"))).toBe(false)
    faults.arm(Faults.plan(1, Faults.failNth(0, "loseReply")))
    expect(yield* codeOf(fs.rename(file("a"), file("b")))).toBe("EIO")
    expect(yield* fs.exists(file("b"))).toBe(true)
  })
)

it.effect("operations are named as the system calls that they stand for", () =>
  Effect.gen(function* () {
    const { faults, file, fs } = yield* setUp
    const work = Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* fs.open(file("a"), { flag: "w" })
        yield* handle.write(bytes("text"))
        yield* handle.sync
        yield* fs.rename(file("a"), file("b"))
      })
    )
    for (const name of ["create", "write", "fsync", "rename"]) {
      faults.arm(Faults.plan(1, Faults.failNth(0, "refuse", { only: [name] })))
      yield* Effect.exit(work)
      expect(faults.last).toContain(`(${name} `)
    }
    faults.arm(Faults.plan(1, Faults.failNth(0, "refuse", { only: ["close"] })))
    const closed = yield* Effect.exit(work)
    expect(closed._tag).toBe("Failure")
  })
)

it.effect("a short write takes the first half: one that says so, and one that must fail", () =>
  Effect.gen(function* () {
    const { faults, file, fs } = yield* setUp
    faults.arm(Faults.plan(1, Faults.shortWrite()))
    yield* Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* fs.open(file("a"), { flag: "w" })
        expect(yield* handle.write(bytes("12345678"))).toBe(4)
      })
    )
    expect(readFileSync(file("a"), "utf8")).toBe("1234")
    expect(yield* codeOf(fs.writeFileString(file("b"), "12345678"))).toBe("ENOSPC")
    expect(readFileSync(file("b"), "utf8")).toBe("1234")
  })
)

it.effect(
  "a full disk takes half of one more write, then nothing that needs room, and removes what it is told to",
  () =>
    Effect.gen(function* () {
      const { faults, file, fs } = yield* setUp
      yield* fs.writeFileString(file("old"), "old")
      faults.arm(Faults.plan(1, Faults.diskFull()))
      expect(yield* codeOf(fs.writeFileString(file("a"), "12345678"))).toBe("ENOSPC")
      expect(readFileSync(file("a"), "utf8")).toBe("1234")
      expect(yield* codeOf(fs.makeDirectory(file("d")))).toBe("ENOSPC")
      expect(yield* codeOf(fs.link(file("old"), file("new")))).toBe("ENOSPC")
      expect(yield* codeOf(fs.remove(file("old")))).toBe("done")
    })
)

it.effect("an fsync that fails loses what was not yet durable, and the next one succeeds all the same", () =>
  Effect.gen(function* () {
    const { faults, file, fs } = yield* setUp
    yield* Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* fs.open(file("log"), { flag: "a" })
        yield* handle.write(bytes("kept;"))
        yield* handle.sync
        yield* handle.write(bytes("lost;"))
        faults.arm(Faults.plan(1, Faults.failNth(0, "refuse", { only: ["fsync"] })))
        expect(yield* codeOf(handle.sync)).toBe("EIO")
        expect(yield* codeOf(handle.sync)).toBe("done")
      })
    )
    expect(readFileSync(file("log"), "latin1")).toBe("kept;\0\0\0\0\0")
  })
)

it.effect("what is read is damaged on the way, and not on the disk", () =>
  Effect.gen(function* () {
    const { faults, file, fs } = yield* setUp
    const text = "0123456789".repeat(10)
    yield* fs.writeFileString(file("a"), text)
    faults.arm(Faults.plan(5, Faults.corrupt("flip")))
    expect(yield* fs.readFileString(file("a"))).not.toBe(text)
    faults.arm(Faults.plan(5, Faults.corrupt("cut")))
    const cut = yield* fs.readFileString(file("a"))
    expect(text.startsWith(cut) && cut.length < text.length).toBe(true)
    faults.lift()
    expect(yield* fs.readFileString(file("a"))).toBe(text)
  })
)

it.effect("open files are counted, also when what is done with them fails", () =>
  Effect.gen(function* () {
    const { faults, file, fs } = yield* setUp
    yield* fs.writeFileString(file("a"), "a")
    faults.arm(Faults.plan(1, Faults.failNth(0, "refuse", { only: ["fsync"] })))
    const work = Effect.flatMap(fs.open(file("a")), (handle) => {
      expect(faults.handles).toBe(1)
      return handle.sync
    })
    yield* Effect.exit(Effect.scoped(work))
    expect(faults.handles).toBe(0)
  })
)
