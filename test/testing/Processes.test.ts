import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { type LawViolation, Processes } from "dgents/testing"
import { Effect, Fiber } from "effect"
import * as Client from "./children/client.ts"
import { persistent, sqlite, telling, withoutLayer } from "./children/subjects.ts"
import * as KillFile from "./mutants/killFile.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "dgents-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const evidence = <A>(checked: Effect.Effect<A, LawViolation.LawViolation>) =>
  Effect.map(Effect.flip(checked), (violation) => violation.evidence)

for (const subject of [KillFile.subject(), sqlite({ bounded: 3 })])
  it.live(`${subject.name} keeps what it acknowledged through kills`, () =>
    Effect.gen(function* () {
      const counts = yield* Processes.killRounds(subject, { rounds: 6 })
      expect(counts).toMatchObject({ kills: 6, operations: expect.any(Number) })
    })
  )

for (const subject of [KillFile.subject(), sqlite("none"), persistent("none")]) {
  it.live(`${subject.name}: what three processes do fits one order, also when one of them is killed`, () =>
    Effect.gen(function* () {
      expect(yield* Processes.sharedHistory(subject, { fibers: 2 })).toMatchObject({ histories: 1 })
      expect(yield* Processes.sharedHistory(subject, { fibers: 2, kill: true })).toMatchObject({
        histories: 1,
        kills: 1
      })
    })
  )

  it.live(`${subject.name}: four processes that increment 250 times each count to 1 000`, () =>
    Effect.gen(function* () {
      expect(yield* Processes.sharedCounter(subject)).toEqual({ increments: 1_000 })
      expect(yield* Processes.sharedCounter(subject, { by: "modify", times: 25 })).toEqual({ increments: 100 })
    })
  )
}

it.live("a server is killed as well, and what it acknowledged is there when it is back", () =>
  Effect.gen(function* () {
    const socket = join(yield* temporary, "socket")
    const server = yield* Client.server(socket, false)
    const counts = yield* Processes.killRounds(Client.subject(socket), { rounds: 6, server })
    expect(counts["kills of the server"]).toBeGreaterThan(0)
  })
)

it.live("a server that answers before it has stored is found out by its own death, and by no other", () =>
  Effect.gen(function* () {
    const socket = join(yield* temporary, "socket")
    const server = yield* Client.server(socket, true)
    const subject = Client.subject(socket)
    yield* Processes.killRounds(subject, { rounds: 6 })
    expect(yield* evidence(Processes.killRounds(subject, { rounds: 20, server }))).toContain(
      "nothing is stored, in place of"
    )
  })
)

it.live("a module that does not fit is told in words", () =>
  Effect.gen(function* () {
    const right = KillFile.subject()
    const of = (module: Processes.Module | undefined) => evidence(Processes.killRounds({ ...right, module }))
    expect(yield* of(undefined)).toContain("the subject has no `module`")
    expect(yield* of({ url: import.meta.resolve("./mutants/nowhere.ts") })).toContain("Cannot find module")
    expect(yield* of({ url: import.meta.resolve("./mutants/killFile.ts"), export: "State" })).toContain(
      'exports no subject, and no function that makes one, as "State"'
    )
    expect(yield* evidence(Processes.killRounds(withoutLayer()))).toContain("give its subject's module a layer")
  })
)

/** The processes that have opened a telling subject so far. */
const told = (file: string): ReadonlyArray<number> =>
  existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n").map(Number) : []

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep(5), until(condition))))

it.live("no child outlives its scope", () =>
  Effect.gen(function* () {
    const file = join(yield* temporary, "pids")
    const fiber = yield* Effect.forkChild(Processes.killRounds(telling(file), { rounds: 1_000 }))
    yield* until(() => told(file).length >= 3)
    yield* Fiber.interrupt(fiber)
    expect(told(file).filter(isAlive)).toEqual([])
  })
)

it.live("no child outlives a parent that is killed", () =>
  Effect.gen(function* () {
    const directory = yield* temporary
    const file = join(directory, "pids")
    const script = join(import.meta.dirname, "children", "parent.ts")
    const parent = spawn(process.execPath, ["--conditions=@dgents/source", script, file], {
      // What a killed parent leaves behind goes with the test.
      env: { ...process.env, TMPDIR: directory },
      stdio: "inherit"
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => parent.kill("SIGKILL")))
    yield* until(() => told(file).length >= 3)
    parent.kill("SIGKILL")
    yield* until(() => !told(file).some(isAlive))
  })
)
