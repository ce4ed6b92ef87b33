import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem } from "effect"
import * as Claim from "../../../src/agents/file/claim.ts"
import { Disk } from "../../../src/agents/file/disk.ts"
import { HostLock, LockTimeout, lockOf } from "../../../src/agents/file/lock.ts"
import * as Owner from "../../../src/agents/file/owner.ts"
import { spawnChild } from "./children/spawn.ts"
import { tempDirectory } from "./faultyFs.ts"

const onDisk = Effect.map(FileSystem.FileSystem, (fs) => new Disk(fs)).pipe(Effect.provide(NodeFileSystem.layer))

const make = Effect.gen(function* () {
  const directory = yield* tempDirectory
  const disk = yield* onDisk
  const path = lockOf(directory, "counter")
  const lock = (waitLimit?: number) => new HostLock(disk, path, { waitLimit })
  return { directory, path, lock }
})

it.effect("four processes that increment 250 times each make 1000", () =>
  Effect.gen(function* () {
    const { directory, path } = yield* make
    writeFileSync(join(directory, "counter"), "0")
    const children = yield* Effect.all([1, 2, 3, 4].map(() => spawnChild("lock.ts", directory, "count", "250")))
    for (const child of children) expect(yield* child.end).toEqual({ code: 0, signal: null })
    expect(readFileSync(join(directory, "counter"), "utf8")).toBe("1000")
    expect(readdirSync(path)).toEqual(["free"])
  })
)

it.effect("a lock is free as soon as its holder has been killed", () =>
  Effect.gen(function* () {
    const { directory, lock, path } = yield* make
    for (let i = 0; i < 3; i++) {
      const child = yield* spawnChild("lock.ts", directory, "hold")
      yield* child.says("held")
      const waiting = yield* Effect.forkChild(lock(60_000).withLock(Effect.void))
      const { pid } = child.process
      const error = yield* Effect.flip(lock(0).withLock(Effect.void))
      expect(error).toMatchObject({ _tag: "LockTimeout", holder: { pid, here: false, certain: true } })
      expect(error.message).toContain(`in use by process ${pid} since 20`)
      yield* child.kill("SIGKILL")
      yield* Fiber.join(waiting)
      expect(readdirSync(path)).toEqual(["free"])
    }
  })
)

it.effect("a holder that is stopped is waited for, as long as one likes", () =>
  Effect.gen(function* () {
    const { directory, lock } = yield* make
    const child = yield* spawnChild("lock.ts", directory, "hold")
    yield* child.says("held")
    yield* child.kill("SIGSTOP")
    const error = yield* Effect.flip(lock(30).withLock(Effect.void))
    expect(error).toBeInstanceOf(LockTimeout)
    expect(error.message).toContain("ms of waiting were not enough")
    yield* child.kill("SIGKILL")
    yield* child.end
    yield* lock(0).withLock(Effect.void)
  })
)

/** Puts the claim of somebody else into the directory. */
const plant = (path: string, owner: Owner.Owner, age = Claim.now(), since = age) => {
  const claim = join(path, `${Claim.prefixOf("")}${age}-${since}-${Owner.format(owner)}`)
  mkdirSync(path, { recursive: true })
  writeFileSync(claim, "")
  return claim
}

const stranger = (): Owner.Owner => ({ ...Owner.make(), session: "0123456789abcdef" })

it.effect.runIf(process.platform === "linux")("the claims of the dead are void, of whatever they died", () =>
  Effect.gen(function* () {
    const { lock, path } = yield* make
    const dead: ReadonlyArray<Owner.Owner> = [
      { ...stranger(), boot: "00000000" },
      // Its pid is now that of another process, and its thread that of another thread.
      { ...stranger(), start: "1" },
      { ...stranger(), thread: 2 ** 22 + 1 },
      { ...stranger(), pid: 2 ** 22 + 1, thread: 2 ** 22 + 1 },
      // A thread of this process that no longer knows of it.
      Owner.make()
    ]
    for (const owner of dead) {
      plant(path, owner)
      yield* lock(0).withLock(Effect.void)
      expect(readdirSync(path)).toEqual(["free"])
    }
  })
)

it.effect.runIf(process.platform === "linux")(
  "who may live is waited for, and a process of another container is said to be one",
  () =>
    Effect.gen(function* () {
      const { lock, path } = yield* make
      plant(path, stranger())
      const error = yield* Effect.flip(lock(0).withLock(Effect.void))
      expect(error).toMatchObject({ holder: { pid: process.pid, here: false, certain: true } })
      const elsewhere = yield* make
      plant(elsewhere.path, { ...stranger(), space: "1_2", pid: 2 ** 22 + 1 })
      const uncertain = yield* Effect.flip(elsewhere.lock(0).withLock(Effect.void))
      expect(uncertain).toMatchObject({ holder: { certain: false } })
      expect(uncertain.message).toMatch(
        /process 4194305 of another container .* if it does not, remove \/.*counter\.lock\//
      )
    })
)

it.effect.runIf(process.platform === "linux")("of several that are in the way, the one is named that came first", () =>
  Effect.gen(function* () {
    const { lock, path } = yield* make
    // Who waits may have begun before the one who holds, and has claimed after it.
    const [early, late] = ["00000000000001", "00000000000002"]
    plant(path, stranger(), early, late)
    const claim = plant(path, stranger(), late, early)
    const error = yield* Effect.flip(lock(0).withLock(Effect.void))
    expect(error).toMatchObject({ holder: { claim } })
  })
)
