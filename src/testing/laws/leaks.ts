import { existsSync, readdirSync } from "node:fs"
import { Effect, FileSystem } from "effect"
import { survives } from "../../agents/Claims.ts"
import { broken, type Case } from "../internal/case.ts"
import { faultyFileSystem } from "../internal/faults/fileSystem.ts"
import { countFiles } from "../internal/faults/files.ts"
import { Injector } from "../internal/faults/injector.ts"
import { none } from "../internal/faults/plan.ts"
import { show } from "../internal/same.ts"
import { type Law, property } from "../internal/world.ts"

const rounds = { quick: 8, ci: 50, soak: 50 }

/**
 * Closing the scope frees everything: files, locks, timers and fibers; and however often an agent is opened and closed,
 * the same number of files is left.
 */
export const leaks: Law = {
  name: "closing frees everything",
  rule: "closing the scope gives back files, locks, timers and fibers, and however often the agent is opened, no more files are left. Acquire with Effect.acquireRelease, and remove temp files when a write fails.",
  plan: (world) => {
    const times = rounds[world.settings.budget]
    const outlives = survives(world.claims.durability, "process")
    return property(world, {
      cases: world.pooled,
      atMost: { quick: 2, ci: 4, soak: 100 }[world.settings.budget],
      show: (state) => [
        `${times} times: open, save ${show(state)}, ${outlives ? "close, open, load, " : ""}delete, save, close`
      ],
      holds: (state, run) =>
        Effect.gen(function* () {
          const watch = watched(run)
          const opened = <A>(what: string, use: (agent: Agent<typeof state>) => Effect.Effect<A, unknown>) =>
            run.must(what, Effect.scoped(Effect.flatMap(watch.open, use)))
          const saves = (agent: Agent<typeof state>) => agent.save(state)
          const round = Effect.gen(function* () {
            // A lock that was left would keep the next opening from writing.
            yield* opened("open, save, close", saves)
            if (outlives) yield* opened("open, load, close", (agent) => agent.load)
            yield* opened("open, delete, save, close", (agent) => Effect.andThen(agent.delete, agent.save(state)))
            run.count("openings", outlives ? 3 : 2)
          })
          // What is made once (a module loaded, a directory) is not a leak.
          yield* round
          yield* settle
          const before = yield* watch.left
          for (let i = 1; i <= times; i++) yield* round
          yield* settle
          const after = yield* watch.left
          for (const [what, n] of Object.entries(after)) {
            const was = before[what] ?? 0
            // One a round is a leak. What is exact is counted exactly; the process may have others at work in it.
            if (watch.exact.has(what) ? n > was : n >= was + times)
              yield* broken(`${n} ${what} are left after ${times} rounds, and ${was} after the first one`)
          }
          for (const what of watch.none)
            if (after[what] !== 0) yield* broken(`${after[what]} ${what} are left after closing`)
          const count = watch.operations()
          yield* settle
          if (watch.operations() > count)
            yield* broken(`${watch.operations() - count} I/O operations went on after closing`)
        })
    })
  }
}

type Agent<S> = Effect.Success<ReturnType<Case<S>["world"]["subject"]["open"]>>

/** Opens the agent of a case, and counts what is left of it. */
const watched = <S>(run: Case<S>) => {
  const { site, world } = run
  const process = { timers, "file descriptors": descriptors }
  if (!world.onFiles)
    return {
      open: run.onDisk(world.subject.open(site)),
      exact: new Set(["files"]),
      none: [] as ReadonlyArray<string>,
      operations: () => 0,
      left: Effect.sync(
        (): Readonly<Record<string, number>> => ({
          timers: process.timers(),
          "file descriptors": process["file descriptors"](),
          files: world.claims.durability === "volatile" ? 0 : filesBelow(site.path(""))
        })
      )
    }
  const faults = new Injector(none)
  const fs = faultyFileSystem(site.disk.fileSystem, faults, { closes: false })
  return {
    open: Effect.provideService(world.subject.open(site), FileSystem.FileSystem, fs),
    exact: new Set(["files", "open files"]),
    none: ["open files"],
    operations: () => faults.count,
    left: Effect.gen(function* () {
      const files = yield* run.must("count the files", countFiles(site.disk.fileSystem, site.path("")))
      const left: Readonly<Record<string, number>> = { timers: timers(), "open files": faults.handles, files }
      return left
    })
  }
}

/** The timers of this process that keep it alive. */
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length

// A directory of this process's own descriptors, on systems that have one.
const descriptors = (): number => (existsSync("/dev/fd") ? readdirSync("/dev/fd").length : 0)

const filesBelow = (directory: string): number =>
  existsSync(directory) ? readdirSync(directory, { recursive: true }).length : 0

/** Lets what was forked, and what waits for the event loop, come to its end. */
const settle = Effect.repeat(
  Effect.andThen(
    Effect.yieldNow,
    Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
  ),
  { times: 20 }
)
