import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Codec, DataAgent, Family, PersistentAgent, Revision, type StateError } from "dgents"
import { Effect, Fiber, FileSystem, Layer, Option, Schema, type Scope, Stream } from "effect"
import * as Owner from "../../src/agents/file/owner.ts"

const User = Schema.Struct({ name: Schema.String, n: Schema.Number })
const ada = { name: "Ada", n: -0 }

const directory = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "dgents-" }))

const effect = <A, E>(
  name: string,
  test: (directory: string) => Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>
) => it.effect(name, () => Effect.provide(Effect.flatMap(directory, test), NodeServices.layer))

const user = (path: string, options?: Partial<PersistentAgent.Options<typeof User.Type>>) =>
  PersistentAgent.make({ path, schema: User, ...options })

effect("a state comes back in a later opening, with its revision and time", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "not", "yet", "user.json")
    const before = yield* Effect.scoped(
      Effect.gen(function* () {
        const agent = yield* user(path)
        expect((yield* Effect.flip(agent.load))._tag).toBe("StateNotFound")
        yield* agent.save(ada)
        return yield* agent.current
      })
    )
    const agent = yield* user(path)
    expect(yield* agent.load).toStrictEqual(ada)
    expect(yield* agent.current).toEqual(before)
    expect(JSON.parse(readFileSync(path, "utf8")).state).toStrictEqual(ada)
    expect(agent.name).toBe(path)
  })
)

effect("many fibers and two openings of one file lose no update", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "n.json")
    symlinkSync(dir, join(dir, "here"))
    const one = yield* user(path, { initial: { name: "", n: 0 } })
    // The same place by another path, and through another instance of the file system.
    const two = yield* Effect.provide(
      user(join(dir, "here", "..", "here", "n.json"), { initial: { name: "", n: 0 } }),
      Layer.fresh(NodeServices.layer)
    )
    yield* Effect.forEach(
      Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? one : two)),
      (agent) => agent.update((s) => ({ ...s, n: s.n + 1 })),
      { concurrency: "unbounded" }
    )
    expect((yield* one.load).n).toBe(40)
    expect((yield* two.load).n).toBe(40)
  })
)

effect("changes of one opening see the commits of another, and end with their own scope", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "n.json")
    const one = yield* user(path)
    const fiber = yield* Effect.scoped(
      Effect.gen(function* () {
        const two = yield* user(path)
        const fiber = yield* Effect.forkDetach(Stream.runCollect(two.changes))
        for (let i = 0; i < 5; i++) yield* Effect.yieldNow
        yield* one.save({ name: "a", n: 1 })
        yield* two.save({ name: "b", n: 2 })
        yield* one.delete
        yield* one.save({ name: "c", n: 3 })
        return fiber
      })
    )
    yield* one.save({ name: "d", n: 4 })
    const seen = yield* Fiber.join(fiber)
    expect(seen.map((c) => (c._tag === "Saved" ? [c.revision, c.state.name] : [c.revision]))).toEqual([
      [1, "a"],
      [2, "b"],
      [2],
      [3, "c"]
    ])
  })
)

effect("revisions are dense and not reused after a delete, also in a later opening", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "n.json")
    const opened = <A, E>(f: (agent: DataAgent.DataAgent<typeof User.Type>) => Effect.Effect<A, E>) =>
      Effect.scoped(Effect.flatMap(user(path, { history: "full" }), f))
    yield* opened((agent) => Effect.andThen(agent.save(ada), Effect.andThen(agent.save(ada), agent.delete)))
    yield* opened((agent) =>
      Effect.gen(function* () {
        expect(Option.isNone(yield* agent.current)).toBe(true)
        expect(yield* agent.compareAndSave(ada, Revision.absent)).toBe(3)
        expect((yield* Stream.runCollect(agent.history())).map((entry) => entry.revision)).toEqual([3])
      })
    )
  })
)

effect("history is bounded, newest first, and survives; at and restore reach into it", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "n.json")
    const make = user(path, { history: { bounded: 3 } })
    yield* Effect.scoped(
      Effect.flatMap(make, (agent) => Effect.forEach([1, 2, 3, 4, 5], (n) => agent.save({ name: "x", n })))
    )
    const agent = yield* make
    const numbers = (options?: Revision.HistoryOptions) =>
      Effect.map(Stream.runCollect(agent.history(options)), (all) => all.map(({ state }) => state.n))
    expect(yield* numbers()).toEqual([5, 4, 3])
    expect(yield* numbers({ limit: 2 })).toEqual([5, 4])
    expect(yield* numbers({ before: Revision.make(5), limit: 1 })).toEqual([4])
    expect(yield* numbers({ limit: 0 })).toEqual([])
    expect((yield* agent.at(Revision.make(3))).state.n).toBe(3)
    expect((yield* Effect.flip(agent.at(Revision.make(2))))._tag).toBe("StateNotFound")
    yield* DataAgent.restore(agent, Revision.make(3))
    expect(yield* numbers()).toEqual([3, 5, 4])
    yield* agent.delete
    expect(readdirSync(dir).sort()).toEqual([".n.json.floor", ".n.json.lock"])
    expect(yield* numbers()).toEqual([])
  })
)

effect("each one-byte flip of the file is StateCorrupt, and a save does not touch the file either", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "n.json")
    yield* Effect.scoped(Effect.flatMap(user(path), (agent) => agent.save(ada)))
    const good = readFileSync(path)
    for (let i = 0; i < good.length; i++) {
      const bad = Buffer.from(good)
      bad[i] = (bad[i] ?? 0) ^ (1 << (i % 8))
      writeFileSync(path, bad)
      const error = yield* Effect.flip(Effect.scoped(user(path)))
      expect(error).toMatchObject({ _tag: "StateCorrupt", location: path })
      expect(error.message).not.toContain("Ada")
    }
    writeFileSync(path, good)
    expect(yield* Effect.flatMap(user(path), (agent) => agent.load)).toEqual(ada)
  })
)

effect("a family leaves what is not its own as it is, also on save", (dir) =>
  Effect.gen(function* () {
    const family = yield* PersistentAgent.family({ directory: dir, schema: User })
    const foreign: ReadonlyArray<readonly [string, string | Buffer, string]> = [
      ["a", '{"name":"Ada","n":1}', "not a file of dgents"],
      ["b", "", "empty"],
      ["c", Buffer.from([0, 1, 2, 255]), "not a file of dgents"],
      ["d", '{"dgents":{"format":9},\n', "damaged"],
      ["e", '{"dgents":{"format":1},"state":{"name":"Ada","n":1}}', "edited by hand or damaged"]
    ]
    for (const [key, content, reason] of foreign) {
      writeFileSync(join(dir, `${key}.json`), content)
      const agent = family.at(key)
      for (const operation of [agent.load, agent.save(ada), agent.delete].map(
        Effect.asVoid<unknown, StateError.StateError, never>
      )) {
        expect(yield* Effect.flip(operation)).toMatchObject({
          _tag: "StateCorrupt",
          key,
          reason: expect.stringContaining(reason)
        })
      }
      expect(readFileSync(join(dir, `${key}.json`))).toEqual(Buffer.from(content))
    }
    yield* family.at("mine").save(ada)
    writeFileSync(join(dir, "copy.json"), readFileSync(join(dir, "mine.json")))
    expect((yield* Effect.flip(family.at("copy").load)).message).toContain("another key")
  })
)

const keys = [
  "",
  ".",
  "..",
  "../up",
  "/",
  "a/b",
  "A",
  "a",
  "%41",
  "_",
  "*",
  ":",
  "{}",
  "\0",
  "é",
  "con",
  "x".repeat(1024),
  `${"x".repeat(1023)}y`
]

effect("a family keeps hostile keys apart, inside its directory, over openings", (dir) =>
  Effect.gen(function* () {
    const inside = join(dir, "family")
    const open = PersistentAgent.family({ directory: inside, schema: User, history: "full" })
    yield* Effect.scoped(
      Effect.flatMap(open, (family) =>
        Effect.forEach(keys, (key, n) =>
          Effect.andThen(family.at(key).save({ name: "old", n }), family.at(key).save({ name: key, n }))
        )
      )
    )
    const family = yield* open
    const states = yield* family.loadMany(keys)
    for (const [n, key] of keys.entries()) expect(states.get(key)).toEqual({ name: key, n })
    expect((yield* Stream.runCollect(family.keys())).sort()).toEqual([...keys].sort())
    expect((yield* Stream.runCollect(family.keys({ prefix: "xx" }))).length).toBe(2)
    expect(yield* Stream.runCollect(family.keys({ prefix: "_" }))).toEqual(["_"])
    yield* family.at("a").delete
    expect((yield* Stream.runCollect(family.at("A").history())).map(({ state }) => state.name)).toEqual(["A", "old"])
    expect(readdirSync(dir)).toEqual(["family"])
    expect(yield* Family.at(family, "a").compareAndSave(ada, Revision.absent)).toBeGreaterThan(2)
  })
)

effect("stale temp files of the target go at opening, and those of its neighbours stay", (dir) =>
  Effect.gen(function* () {
    const gone = Owner.format({ ...Owner.make(), boot: "0", session: "0" })
    const stale = (target: string) => `.${target}.${gone}.tmp`
    const temps = () => readdirSync(dir).filter((name) => name.endsWith(".tmp"))
    const targets = ["user.json", "user.json.history", "user.json.bak", "user_profile.json", "user"]
    for (const sharing of ["process", "host"] as const) {
      for (const target of targets) writeFileSync(join(dir, stale(target)), "half")
      yield* Effect.scoped(user(join(dir, "user.json"), { sharing }))
      expect(temps().sort()).toEqual(targets.slice(2).map(stale).sort())
      yield* Effect.scoped(PersistentAgent.family({ directory: dir, schema: User, sharing }))
      expect(temps().sort()).toEqual(["user.json.bak", "user"].map(stale).sort())
    }
  })
)

effect("a place that cannot hold the file is StorageUnavailable with the path and a reason", (dir) =>
  Effect.gen(function* () {
    writeFileSync(join(dir, "file"), "")
    mkdirSync(join(dir, "folder"))
    const cases: ReadonlyArray<
      readonly [Effect.Effect<unknown, PersistentAgent.OpenError, FileSystem.FileSystem | Scope.Scope>, string]
    > = [
      [user(join(dir, "file", "x.json")), "directory"],
      [user(join(dir, "file", "deeper", "x.json")), "directory"],
      [user(join(dir, "folder")), "is a directory"],
      [user(join(dir, "nul\0.json")), "does not accept"],
      [user(join(dir, "x".repeat(300))), "too long"],
      [PersistentAgent.family({ directory: join(dir, "file"), schema: User }), "is not a directory"]
    ]
    for (const [open, reason] of cases) {
      const error = yield* Effect.flip(open)
      expect(error).toMatchObject({ _tag: "StorageUnavailable", retryable: false })
      expect(error.message).toContain(reason)
      expect(error.message).toContain(dir)
    }
    expect(readFileSync(join(dir, "file"), "utf8")).toBe("")
  })
)

effect("a directory that vanished is StorageUnavailable, not a missing state", (dir) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const family = yield* PersistentAgent.family({ directory: join(dir, "f"), schema: User, initial: ada })
    yield* fs.remove(join(dir, "f"), { recursive: true })
    expect((yield* Effect.flip(family.at("a").load))._tag).toBe("StorageUnavailable")
    expect((yield* Effect.flip(family.at("a").save(ada)))._tag).toBe("StorageUnavailable")
  })
)

const Bytes = Schema.Struct({ bytes: Schema.Uint8Array })
const raw: Codec.Codec<typeof Bytes.Type> = {
  ...Codec.json(Bytes),
  format: "raw",
  encode: ({ bytes }) => Effect.succeed(bytes),
  decode: (payload) => Effect.succeed({ bytes: typeof payload === "string" ? new Uint8Array(0) : payload })
}

effect("a codec of bytes is stored as base64, and nobody shares the bytes", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "bytes.json")
    const agent = yield* PersistentAgent.make({ path, schema: raw })
    const mine = { bytes: Uint8Array.from([1, 2, 255]) }
    yield* agent.save(mine)
    mine.bytes[0] = 9
    const first = yield* agent.load
    first.bytes[0] = 8
    expect(yield* agent.load).toEqual({ bytes: Uint8Array.from([1, 2, 255]) })
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ dgents: { codec: "raw" }, state64: "AQL/" })
  })
)

effect("a plain schema is indented, and a codec of one's own is used as it is", (dir) =>
  Effect.gen(function* () {
    yield* Effect.flatMap(user(join(dir, "a.json")), (agent) => agent.save(ada))
    yield* Effect.flatMap(user(join(dir, "b.json"), { schema: Codec.json(User) }), (agent) => agent.save(ada))
    expect(readFileSync(join(dir, "a.json"), "utf8")).toContain('"state":{\n  "name": "Ada",\n  "n": -0\n}}\n')
    expect(readFileSync(join(dir, "b.json"), "utf8")).toContain('"state":{"name":"Ada","n":-0}}\n')
  })
)

effect("a state of another schema, or an initial that does not fit, is typed", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "a.json")
    yield* Effect.scoped(Effect.flatMap(user(path), (agent) => agent.save(ada)))
    const other = yield* PersistentAgent.make({ path, schema: Schema.Struct({ age: Schema.Number }) })
    expect((yield* Effect.flip(other.load))._tag).toBe("StateCorrupt")
    // @ts-expect-error the type says so as well
    const misfit = PersistentAgent.make({ path, schema: User, initial: { name: 1, n: 2 } })
    expect((yield* Effect.flip(misfit))._tag).toBe("StateInvalid")
  })
)

effect("a symbolic link to the file stays one", (dir) =>
  Effect.gen(function* () {
    mkdirSync(join(dir, "real"))
    const [real, link] = [join(dir, "real", "a.json"), join(dir, "link.json")]
    yield* Effect.scoped(Effect.flatMap(user(real), (agent) => agent.save({ name: "a", n: 1 })))
    symlinkSync(real, link)
    yield* Effect.scoped(Effect.flatMap(user(link), (agent) => agent.save({ name: "b", n: 2 })))
    expect(yield* Effect.flatMap(user(real), (agent) => agent.load)).toEqual({ name: "b", n: 2 })
  })
)

effect("use after the scope has closed is typed, and the file can be opened again", (dir) =>
  Effect.gen(function* () {
    const agent = yield* Effect.scoped(user(join(dir, "a.json")))
    expect((yield* Effect.flip(agent.load))._tag).toBe("AgentClosed")
    expect((yield* Effect.flip(agent.save(ada)))._tag).toBe("AgentClosed")
    expect(existsSync(join(dir, "a.json"))).toBe(false)
  })
)

class Users extends Family.Service<Users, typeof User.Type>()("test/Users") {}
class Me extends DataAgent.Service<Me, typeof User.Type>()("test/Me") {}

effect("programs ask for a state, and a layer puts it into files", (dir) =>
  Effect.gen(function* () {
    yield* (yield* Me).save(ada)
    yield* (yield* Users).at("me").save(ada)
    expect(readdirSync(dir).filter((name) => !name.startsWith("."))).toEqual(["me.json", "users"])
  }).pipe(
    Effect.provide(
      Layer.mergeAll(
        PersistentAgent.layer(Me, { path: join(dir, "me.json"), schema: User }),
        PersistentAgent.layerFamily(Users, { directory: join(dir, "users"), schema: User })
      )
    )
  )
)

it("claims power, or process where directories cannot be made durable", () => {
  expect(PersistentAgent.claims({ history: "full" })).toEqual({
    durability: process.platform === "win32" ? "process" : "power",
    consistency: "linearizable",
    sharing: "process",
    history: "full"
  })
  expect(PersistentAgent.claims({ sharing: "host", history: { bounded: 3 } })).toMatchObject({
    sharing: "host",
    history: { bounded: 3 }
  })
  // How many states fit an age or a number of bytes is not known beforehand.
  for (const history of [{ maxAge: "1 day" }, { maxBytes: 1000 }, { bounded: 3, maxBytes: 1000 }] as const)
    expect(PersistentAgent.claims({ history }).history).toBe("some")
})
