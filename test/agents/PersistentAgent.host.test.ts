import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { PersistentAgent, Revision } from "dgents"
import { Effect, Exit, Fiber, FileSystem, Schema, type Scope, Stream } from "effect"
import { start } from "./file/process.ts"

const Counter = Schema.Struct({ n: Schema.Number })

const live = <A, E>(
  name: string,
  test: (directory: string) => Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>
) =>
  it.live(name, () =>
    Effect.provide(
      Effect.flatMap(
        Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "dgents-" })),
        test
      ),
      NodeServices.layer
    )
  )

const host = { sharing: "host" } as const

const counter = (path: string, options?: Partial<PersistentAgent.Options<typeof Counter.Type>>) =>
  PersistentAgent.make({ path, schema: Counter, ...host, ...options })

const starting = (path: string, options: object = host) =>
  Effect.tap(start(path, options), ({ line }) => Effect.map(line, (said) => expect(said).toBe("open")))

live("four processes times 100 increments of one file give 400, whichever of them one asks", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "n.json")
    const processes = yield* Effect.forEach([1, 2, 3, 4], () => starting(path), { concurrency: 4 })
    const answers = yield* Effect.forEach(processes, ({ tell }) => tell("increment 100"), { concurrency: 4 })
    expect(answers).toEqual(Array.from({ length: 4 }, () => "incremented 100"))
    for (const { tell } of processes) expect(yield* tell("load")).toBe("loaded 400")
    expect(yield* (yield* counter(path)).current).toMatchObject({ value: { revision: 400, state: { n: 400 } } })
  })
)

live("processes that increment keys of one family, with a history, lose nothing, and the history is whole", (dir) =>
  Effect.gen(function* () {
    const options = (key: string) => ({ ...host, key, history: "full" })
    const processes = yield* Effect.forEach(["a", "b", "a", "b"], (key) => starting(dir, options(key)), {
      concurrency: 4
    })
    yield* Effect.forEach(processes, ({ tell }) => tell("increment 60"), { concurrency: 4 })
    const family = yield* PersistentAgent.family({ directory: dir, schema: Counter, ...host, history: "full" })
    for (const key of ["a", "b"]) {
      const history = yield* Stream.runCollect(family.at(key).history())
      expect(history.map(({ revision, state }) => [revision, state.n])).toEqual(
        Array.from({ length: 120 }, (_, i) => [120 - i, 120 - i])
      )
    }
  })
)

live(
  "of compare-and-sets of two processes from one revision one wins, and a read sees the other's save at once",
  (dir) =>
    Effect.gen(function* () {
      const path = join(dir, "n.json")
      const { tell } = yield* starting(path)
      const agent = yield* counter(path)
      yield* agent.save({ n: 1 })
      expect(yield* tell("load")).toBe("loaded 1")
      yield* tell("save 2")
      expect(yield* Effect.flip(agent.compareAndSave({ n: 9 }, Revision.make(1)))).toMatchObject({
        _tag: "RevisionConflict",
        actual: 2
      })
      expect(yield* agent.load).toEqual({ n: 2 })
      yield* tell("delete")
      expect((yield* Effect.flip(agent.load))._tag).toBe("StateNotFound")
      expect(yield* agent.compareAndSave({ n: 3 }, Revision.absent)).toBe(3)
    })
)

live("a process killed between its commands hinders nobody, and what it left is swept", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "n.json")
    const fs = yield* FileSystem.FileSystem
    for (let round = 0; round < 3; round++) {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { kill, tell } = yield* starting(path)
          yield* Effect.forkChild(tell("increment 100000"))
          const agent = yield* counter(path, { initial: { n: 0 } })
          yield* Effect.repeat(
            agent.update(({ n }) => ({ n: n + 1 })),
            { times: 20 }
          )
          yield* kill
          yield* agent.update(({ n }) => ({ n: n + 1 }))
        })
      )
    }
    yield* Effect.scoped(counter(path))
    expect((yield* fs.readDirectory(dir)).sort()).toEqual([".n.json.lock", "n.json"])
  })
)

live(
  "a file that a process has for itself is refused to others, who are told whose it is, until that one is dead",
  (dir) =>
    Effect.gen(function* () {
      for (const key of [undefined, "k"]) {
        const path = key === undefined ? join(dir, "n.json") : join(dir, "family")
        const open =
          key === undefined
            ? Effect.asVoid(counter(path, { sharing: "process" }))
            : Effect.asVoid(PersistentAgent.family({ directory: path, schema: Counter }))
        const other = yield* starting(path, { key })
        yield* other.tell("save 1")
        const error = yield* Effect.flip(Effect.scoped(open))
        expect(error).toMatchObject({ _tag: "StorageUnavailable", operation: "open", retryable: true })
        expect(error.message).toContain(`process ${other.pid}`)
        expect(error.message).toContain('sharing: "host"')
        yield* other.kill
        yield* Effect.scoped(open)
      }
    })
)

live("a file that is shared is refused to who wants it alone, by process and within one", (dir) =>
  Effect.gen(function* () {
    for (const key of [undefined, "k"]) {
      const path = key === undefined ? join(dir, "n.json") : join(dir, "family")
      const open = (sharing: "process" | "host") =>
        key === undefined
          ? Effect.asVoid(counter(path, { sharing }))
          : Effect.asVoid(PersistentAgent.family({ directory: path, schema: Counter, sharing }))
      const other = yield* starting(path, { ...host, key })
      expect((yield* Effect.flip(Effect.scoped(open("process")))).message).toContain(`process ${other.pid} has it open`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* open("host")
          expect((yield* Effect.flip(Effect.scoped(open("process")))).message).toContain("this process has it open")
        })
      )
      yield* other.kill
      yield* Effect.scoped(open("process"))
    }
  })
)

/** Follows an agent; `next` waits for so many changes. */
const following = <E>(changes: Stream.Stream<{ readonly _tag: string; readonly revision: number }, E>) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const waiting = new Set<() => void>()
    yield* Effect.forkScoped(
      Stream.runForEach(changes, ({ _tag, revision }) =>
        Effect.sync(() => {
          seen.push(`${_tag} ${revision}`)
          for (const wake of waiting) wake()
        })
      )
    )
    const until = (last: string) =>
      Effect.callback<ReadonlyArray<string>>((resume) => {
        const look = () => {
          if (seen.at(-1) !== last) return
          waiting.delete(look)
          resume(Effect.succeed([...seen]))
        }
        waiting.add(look)
        look()
        return Effect.sync(() => waiting.delete(look))
      })
    return { seen, until }
  })

/** A file with a full history that another process has saved once, followed from there. */
const followingFile = (dir: string) =>
  Effect.gen(function* () {
    const path = join(dir, "n.json")
    const options = { ...host, history: "full" } as const
    const { tell } = yield* starting(path, options)
    yield* tell("save 1")
    const agent = yield* counter(path, options)
    const { until } = yield* following(agent.changes)
    yield* until("Saved 1")
    return { agent, tell, until }
  })

live("changes tell what another process commits: with a history each commit once and in order, deletions too", (dir) =>
  Effect.gen(function* () {
    const { tell, until } = yield* followingFile(dir)
    yield* tell("increment 40")
    const numbers = Array.from({ length: 41 }, (_, i) => `Saved ${i + 1}`)
    expect(yield* until("Saved 41")).toEqual(numbers)
    yield* tell("delete")
    yield* until("Deleted 41")
    yield* tell("save 5")
    expect(yield* until("Saved 42")).toEqual([...numbers, "Deleted 41", "Saved 42"])
  })
)

live("a commit of one's own is told after those of others before it", (dir) =>
  Effect.gen(function* () {
    const { agent, tell, until } = yield* followingFile(dir)
    for (let round = 0; round < 10; round++) {
      yield* tell("increment 3")
      yield* agent.update(({ n }) => ({ n: n + 1 }))
    }
    expect(yield* until("Saved 41")).toEqual(Array.from({ length: 41 }, (_, i) => `Saved ${i + 1}`))
  })
)

live(
  "without a history, changes tell what is current when they look: in order, each once, the last for certain",
  (dir) =>
    Effect.gen(function* () {
      const { tell } = yield* starting(dir, { ...host, key: "a" })
      const family = yield* PersistentAgent.family({ directory: dir, schema: Counter, ...host })
      const { until } = yield* following(family.at("a").changes)
      const other = yield* following(family.at("b").changes)
      yield* tell("increment 40")
      const seen = (yield* until("Saved 40")).map((line) => Number(line.split(" ")[1]))
      expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
      expect(other.seen).toEqual([])
    })
)

live("a directory is watched while somebody follows a key, and not before or after", (dir) =>
  Effect.gen(function* () {
    const real = yield* FileSystem.FileSystem
    let watchers = 0
    const fs: FileSystem.FileSystem = {
      ...real,
      watch: (path, options) =>
        Stream.unwrap(
          Effect.as(
            Effect.acquireRelease(
              Effect.sync(() => watchers++),
              () => Effect.sync(() => watchers--)
            ),
            real.watch(path, options)
          )
        )
    }
    const family = yield* Effect.provideService(
      PersistentAgent.family({ directory: dir, schema: Counter, ...host }),
      FileSystem.FileSystem,
      fs
    )
    yield* family.at("a").save({ n: 1 })
    expect(watchers).toBe(0)
    const first = yield* Effect.forkChild(Stream.runHead(Stream.drop(family.at("a").changes, 1)))
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { until } = yield* following(family.at("b").changes)
        yield* family.at("b").save({ n: 1 })
        yield* until("Saved 1")
        expect(watchers).toBe(1)
      })
    )
    expect(watchers).toBe(1)
    yield* family.at("a").save({ n: 2 })
    expect(Exit.isSuccess(yield* Fiber.await(first))).toBe(true)
    expect(watchers).toBe(0)
  })
)

live("where the system does not tell of changes, they are looked for", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "n.json")
    const real = yield* FileSystem.FileSystem
    const deaf = { ...real, watch: () => Stream.never }
    const agent = yield* Effect.provideService(counter(path), FileSystem.FileSystem, deaf)
    const { until } = yield* following(agent.changes)
    const { tell } = yield* starting(path)
    yield* tell("save 1")
    expect(yield* until("Saved 1")).toEqual(["Saved 1"])
  })
)

live("a file that cannot be read for a while is told of when it can be read again", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "n.json")
    const { tell } = yield* starting(path)
    yield* tell("save 1")
    const agent = yield* counter(path)
    const { until } = yield* following(agent.changes)
    yield* until("Saved 1")
    const fs = yield* FileSystem.FileSystem
    const good = yield* fs.readFile(path)
    writeFileSync(path, "garbage")
    expect((yield* Effect.flip(agent.load))._tag).toBe("StateCorrupt")
    yield* fs.writeFile(path, good)
    yield* tell("save 2")
    expect(yield* until("Saved 2")).toEqual(["Saved 1", "Saved 2"])
  })
)
