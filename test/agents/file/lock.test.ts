import { expect, it } from "@effect/vitest"
import { SeededScheduler } from "dgents/testing"
import { Cause, Effect, Exit, Fiber } from "effect"
import * as Claim from "../../../src/agents/file/claim.ts"
import { Disk } from "../../../src/agents/file/disk.ts"
import { IoError } from "../../../src/agents/file/ioError.ts"
import { HostLock, LockTimeout, lockOf } from "../../../src/agents/file/lock.ts"
import * as CrashDisk from "../../../src/testing/CrashDisk.ts"
import { FaultyFs } from "./faultyFs.ts"

const directory = "/data/.state.json.lock"

const makeDisk = () => CrashDisk.make({ directories: ["/data"] })

/** Locks of so many simulated processes. */
const locks = (disk: CrashDisk.CrashDisk, count: number, name?: string) =>
  Array.from({ length: count }, () => new HostLock(new Disk(disk.process()), directory, { name }))

/** What is in the lock directory. */
const rest = (disk: CrashDisk.CrashDisk) =>
  [...disk.tree.keys()]
    .filter((path) => path.startsWith(`${directory}/`))
    .map((path) => path.slice(directory.length + 1))

const now = { waitLimit: 0 }

it.effect("under every schedule one process at a time is inside, and all get in", () =>
  Effect.forEach(
    Array.from({ length: 150 }, (_, i) => i + 1),
    (seed) =>
      Effect.gen(function* () {
        const disk = makeDisk()
        let inside = 0
        let entered = 0
        const work = Effect.gen(function* () {
          expect(++inside).toBe(1)
          for (let i = 0; i < 3; i++) yield* Effect.yieldNow
          inside--
          entered++
        })
        yield* Effect.forEach(
          locks(disk, 4),
          (lock) => Effect.all([lock.withLock(work), Effect.andThen(lock.withLock(work), lock.withLock(work))]),
          { concurrency: "unbounded" }
        )
        expect(entered).toBe(12)
        expect(rest(disk)).toEqual(["", "free"])
      }).pipe(SeededScheduler.provide(seed))
  )
)

it.effect("whoever is interrupted, wherever it is, leaves no claim behind", () =>
  Effect.gen(function* () {
    let ended = 0
    for (let steps = 0; ended < 20; steps++) {
      const disk = makeDisk()
      const [held, interrupted, next] = locks(disk, 3)
      if (held === undefined || interrupted === undefined || next === undefined) return
      const pause = Effect.forEach(Array.from({ length: 12 }), () => Effect.yieldNow, { discard: true })
      const holder = yield* Effect.forkChild(held.withLock(pause))
      const fiber = yield* Effect.forkChild(interrupted.withLock(pause))
      for (let i = 0; i < steps; i++) yield* Effect.yieldNow
      if (fiber.pollUnsafe() !== undefined) ended++
      yield* Fiber.interrupt(fiber)
      yield* Fiber.join(holder)
      expect(rest(disk)).toEqual(["", "free"])
      yield* new HostLock(new Disk(disk.process()), directory, now).withLock(Effect.void)
    }
  })
)

it.effect("under every schedule fibers that share a lock can be interrupted, and the others still get it", () =>
  Effect.forEach(
    Array.from({ length: 300 }, (_, i) => i + 1),
    (seed) =>
      Effect.gen(function* () {
        const disk = makeDisk()
        for (const lock of locks(disk, 1)) {
          const uses = [Effect.scoped(lock.acquire), lock.withLock(Effect.yieldNow)]
          yield* Effect.forEach(
            [...uses, ...uses, ...uses],
            (use, i) => (i < 4 ? Effect.race(use, Effect.yieldNow) : use),
            { concurrency: "unbounded" }
          )
          yield* lock.withLock(Effect.void)
        }
        expect(rest(disk)).toEqual(["", "free"])
      }).pipe(SeededScheduler.provide(seed))
  )
)

it.effect("whatever operation fails, the effect runs alone or not at all, and the lock can be had again", () =>
  Effect.gen(function* () {
    let operations = 1
    for (const when of ["before", "after"] as const) {
      for (const fresh of [true, false]) {
        for (let at = 0; at < operations; at++) {
          const disk = makeDisk()
          const faulty = new FaultyFs(disk.fileSystem)
          const lock = new HostLock(new Disk(faulty.fs), directory, now)
          if (!fresh) yield* lock.withLock(Effect.void)
          faulty.arm({ at, code: "EIO", when })
          let ran = 0
          const exit = yield* Effect.exit(lock.withLock(Effect.sync(() => ran++)))
          operations = Math.max(operations, faulty.count)
          faulty.arm(undefined)
          if (Exit.isFailure(exit)) expect(Cause.squash(exit.cause)).toBeInstanceOf(IoError)
          expect(ran).toBe(Exit.isSuccess(exit) ? 1 : 0)
          // Other processes do not know which of our claims are void.
          expect(rest(disk).filter((name) => name !== "" && name !== "free")).toEqual([])
          for (const other of [lock, ...locks(disk, 1)]) yield* other.withLock(Effect.sync(() => ran++))
          expect(rest(disk)).toEqual(["", "free"])
        }
      }
    }
    expect(operations).toBeGreaterThan(4)
  })
)

it.effect("a claim that could not be removed is void in this process, and removed by whoever comes next", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const faulty = new FaultyFs(disk.fileSystem)
    const lock = new HostLock(new Disk(faulty.fs), directory)
    yield* lock.withLock(Effect.sync(() => faulty.arm({ at: 0, code: "EROFS", when: "before", forever: true })))
    expect(rest(disk)).toHaveLength(2)
    expect(rest(disk)).not.toContain("free")
    yield* new HostLock(new Disk(disk.process()), directory, now).withLock(Effect.void)
    expect(rest(disk)).toEqual(["", "free"])
  })
)

it.effect("who does not want to wait is told at once by whom the lock is held", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const lock = new HostLock(new Disk(disk.process()), directory, now)
    yield* Effect.scoped(
      Effect.gen(function* () {
        for (const held of locks(disk, 1)) yield* held.acquire
        const error = yield* Effect.flip(lock.withLock(Effect.void))
        expect(error).toBeInstanceOf(LockTimeout)
        expect(error.message).toMatch(/^it is in use by this process since 20\d\d-.*Z \(\/data\/\.state\.json\.lock\)$/)
        expect(error).toMatchObject({ waited: 0, holder: { pid: process.pid, here: true, certain: true } })
      })
    )
    yield* lock.withLock(Effect.void)
  })
)

it.effect("of two that come at once and do not want to wait, one gets the lock", () =>
  Effect.forEach(
    Array.from({ length: 60 }, (_, i) => i + 1),
    (seed) =>
      Effect.gen(function* () {
        const disk = makeDisk()
        const exits = yield* Effect.forEach(
          [1, 2],
          () => Effect.exit(Effect.scoped(new HostLock(new Disk(disk.process()), directory, now).acquire)),
          { concurrency: "unbounded" }
        )
        expect(exits.filter(Exit.isSuccess).length).toBeGreaterThan(0)
      }).pipe(SeededScheduler.provide(seed))
  )
)

it.effect("locks of different names in one directory do not wait for each other", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    const fs = () => new Disk(disk.process())
    const other = new HostLock(fs(), directory, { name: "b", ...now })
    yield* new HostLock(fs(), directory, { name: "a" }).withLock(other.withLock(Effect.void))
    const same = new HostLock(fs(), directory, { name: "a", ...now })
    const error = yield* Effect.flip(new HostLock(fs(), directory, { name: "a" }).withLock(same.withLock(Effect.void)))
    expect(error).toBeInstanceOf(LockTimeout)
  })
)

it.effect("a disk that a crash has left is not locked, wherever the crash came", () =>
  Effect.gen(function* () {
    const disk = makeDisk()
    for (const lock of locks(disk, 2)) yield* lock.withLock(lock.path === "" ? Effect.void : Effect.yieldNow)
    let images = 0
    for (const point of disk.crashPoints()) {
      for (const image of point.images("posix")) {
        images++
        const left = CrashDisk.fromImage(image)
        yield* new HostLock(new Disk(left.fileSystem), directory, now).withLock(Effect.void)
        expect(rest(left)).toEqual(["", "free"])
      }
    }
    expect(images).toBeGreaterThan(5)
  })
)

it("other files in the directory are no claims", () => {
  const prefix = Claim.prefixOf("")
  const { name } = Claim.make(prefix, Claim.now())
  expect(Claim.parse(prefix, name)?.name).toBe(name)
  for (const other of ["free", ".DS_Store", name.slice(1), `${name}.bak`, name.slice(0, -1).replace(/\.[^.]*$/, "")])
    expect(Claim.parse(prefix, other)).toBeUndefined()
})

it("a name of any length has a lock directory that a file system takes", () => {
  expect(lockOf("/data", "state.json")).toBe("/data/.state.json.lock")
  expect(lockOf("/data")).toBe("/data/.lock")
  expect(lockOf("/data", "é".repeat(120)).length).toBeLessThan(100)
})
