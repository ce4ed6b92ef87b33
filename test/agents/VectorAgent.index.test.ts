// A memory that keeps its index in a file: what it reads, what it heals, what it says.
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import { Embedder, VectorAgent } from "dgents"
import { Effect, Logger, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { MakeEngine } from "../../src/agents/vector/Engine.ts"
import { exact } from "../../src/agents/vector/exact.ts"
import { usearchEngine } from "../laws/VectorAgent.subjects.ts"
import { tempDirectory } from "./sql/temp.ts"
import { settled } from "./vector/indexedFiles.ts"
import { Disk } from "./vector/mapStore.ts"

const Note = Schema.Struct({ text: Schema.String })
type Note = typeof Note.Type
const note = (text: string): Note => ({ text })

const numbers = Effect.provide(
  Embedder.layer(
    Embedder.fromFunction({
      identity: "numbers",
      dimension: 2,
      embed: (texts) => Effect.succeed(texts.map((text) => text.split(" ").map(Number)))
    })
  )
)

const kept = (name: string, engine: MakeEngine) => {
  const open = (disk: Disk, index?: VectorAgent.IndexOptions) =>
    VectorAgent.make({
      name: "notes",
      schema: Note,
      text: (item) => item.text,
      items: (schema) => disk.family(schema),
      engine,
      index
    })

  const use = <A, E, R>(
    disk: Disk,
    index: VectorAgent.IndexOptions | undefined,
    f: (notes: VectorAgent.VectorAgent<Note>) => Effect.Effect<A, E, R>
  ) => Effect.scoped(Effect.flatMap(open(disk, index), f))

  const found = (notes: VectorAgent.VectorAgent<Note>) =>
    Effect.map(notes.search({ text: "1 0", k: Number.POSITIVE_INFINITY }), (hits) =>
      hits.map(({ id, item, score }) => `${id}: ${item.text}, ${score.toFixed(2)}`)
    )

  /** Notes in two directions, and how many items each open had to read. */
  const setup = Effect.gen(function* () {
    const disk = new Disk()
    const reads: Array<string> = []
    const path = `${yield* tempDirectory}/index`
    const index = { path, progress: (done: number, total: number) => void reads.push(`${done}/${total}`) }
    yield* use(disk, index, (notes) =>
      notes.addMany([
        ["a", note("1 0")],
        ["b", note("0 1")],
        ["c", note("-1 0")]
      ])
    )
    return { disk, index, reads, path }
  })

  /** What somebody writes who knows nothing of the index. */
  const tamper = (disk: Disk, id: string, change: (state: string) => string) => {
    const entry = disk.entries.get(`i/${id}`)
    if (entry === undefined) throw new Error(`there is no ${id}`)
    return disk.put(`i/${id}`, { state: change(String(entry.state)), savedAt: entry.savedAt })
  }

  it.effect(`${name}: an open reads the items that have changed since the index was saved, and no others`, () =>
    Effect.gen(function* () {
      const { disk, index, reads } = yield* setup
      Object.assign(disk.calls, { readMany: 0 })
      expect(yield* use(disk, index, (notes) => notes.size)).toBe(3)
      expect([reads, disk.calls.readMany]).toEqual([[], 0])
      // Without its index a memory writes what the file knows nothing of.
      yield* use(disk, undefined, (notes) => Effect.andThen(notes.add("b", note("1 1")), notes.remove("c")))
      const after = ["a: 1 0, 1.00", "b: 1 1, 0.71"]
      expect(yield* use(disk, index, found)).toEqual(after)
      expect(reads).toEqual(["2/2"])
      expect(yield* use(disk, index, found)).toEqual(after)
      expect(reads).toEqual(["2/2"])
    }).pipe(numbers)
  )

  it.effect(`${name}: an item that somebody else replaced is found by what it says now`, () =>
    Effect.gen(function* () {
      const { disk, index } = yield* setup
      const vectorOf = (id: string) => /"vector":"([^"]*)/.exec(String(disk.entries.get(`i/${id}`)?.state))?.[1] ?? ""
      const [a, c] = [vectorOf("a"), vectorOf("c")]
      yield* tamper(disk, "a", (state) => state.replace("1 0", "-1 0").replace(a, c))
      expect(yield* use(disk, index, found)).toEqual(["b: 0 1, 0.00", "a: -1 0, -1.00", "c: -1 0, -1.00"])
    }).pipe(numbers)
  )

  it.effect(
    `${name}: a family that was put back from a backup is found as it is, though its commits have the same numbers`,
    () =>
      Effect.gen(function* () {
        const { disk, index } = yield* setup
        const backup = new Map(disk.entries)
        const write = (text: string) => use(disk, index, (notes) => notes.add("a", note(text)))
        yield* write("0 1")
        disk.entries.clear()
        for (const [key, entry] of backup) disk.entries.set(key, entry)
        yield* TestClock.adjust("1 second")
        yield* use(disk, undefined, (notes) => notes.add("a", note("-1 0")))
        expect(yield* use(disk, index, found)).toEqual(["b: 0 1, 0.00", "a: -1 0, -1.00", "c: -1 0, -1.00"])
      }).pipe(numbers)
  )

  it.effect(`${name}: a new memory in the same place takes nothing from the index of the old one`, () =>
    Effect.gen(function* () {
      const { index } = yield* setup
      const another = new Disk()
      yield* use(another, undefined, (notes) => notes.add("a", note("0 1")))
      expect(yield* use(another, index, found)).toEqual(["a: 0 1, 0.00"])
    }).pipe(numbers, Effect.provide(Logger.layer([])))
  )

  it.effect(`${name}: a memory of before memories had names is given one`, () =>
    Effect.gen(function* () {
      const { disk, index, reads } = yield* setup
      const settings = disk.entries.get("settings")
      if (settings === undefined) return expect.fail("the settings are stored under their key")
      const old = { embedder: "numbers", dimension: 2, metric: "cosine", _tag: "Settings" }
      disk.entries.set("settings", { ...settings, state: JSON.stringify(old) })
      for (let i = 0; i < 2; i++) expect(yield* use(disk, index, (notes) => notes.size)).toBe(3)
      expect(reads).toEqual(["3/3"])
    }).pipe(numbers, Effect.provide(Logger.layer([])))
  )

  it.effect(`${name}: a refresh shows what others wrote, with an index and without`, () =>
    Effect.gen(function* () {
      for (const isKept of [false, true]) {
        const { disk, index } = yield* setup
        const reader = yield* open(disk, isKept ? index : undefined)
        yield* use(disk, undefined, (writer) =>
          Effect.andThen(
            writer.addMany([
              ["b", note("2 0")],
              ["d", note("1 1")]
            ]),
            writer.remove("a")
          )
        )
        yield* reader.refresh
        expect(yield* found(reader)).toEqual(["b: 2 0, 1.00", "d: 1 1, 0.71", "c: -1 0, -1.00"])
        expect(yield* reader.get("a")).toEqual(Option.none())
        expect([...(yield* reader.ids)].sort()).toEqual(["b", "c", "d"])
      }
    }).pipe(numbers)
  )

  it.effect(`${name}: an index that cannot be saved is logged, and fails nothing`, () =>
    Effect.gen(function* () {
      const logged: Array<string> = []
      const logger = Logger.make(({ message }) => void logged.push(String(message)))
      const disk = new Disk()
      const path = `${yield* tempDirectory}/gone/index`
      yield* use(disk, { path, every: 1 }, (notes) =>
        Effect.andThen(notes.add("a", note("1 0")), notes.add("b", note("0 1")))
      ).pipe(Effect.provide(Logger.layer([logger])))
      expect(logged.length).toBeGreaterThan(0)
      expect(logged[0]).toContain("could not be saved")
      expect(yield* use(disk, undefined, (notes) => notes.size)).toBe(2)
    }).pipe(numbers)
  )

  it.effect(
    `${name}: a memory of thousands added at once is found, each by its own text, after the file is gone too`,
    () =>
      Effect.gen(function* () {
        const { disk, index, path } = yield* setup
        const entries = Array.from({ length: 2500 }, (_, i) => [`n${i}`, note(`${i + 1} ${2500 - i}`)] as const)
        const ask = (notes: VectorAgent.VectorAgent<Note>) =>
          Effect.forEach([3, 1200, 2400], (i) =>
            // All of them, which leaves nothing to the recall of the library.
            Effect.map(
              notes.search({ text: `${i + 1} ${2500 - i}`, k: Number.POSITIVE_INFINITY, minScore: 0.9 }),
              (hits) => hits[0]?.id
            )
          )
        const ids = ["n3", "n1200", "n2400"]
        for (const kept of [undefined, index]) {
          const memory = kept === undefined ? new Disk() : disk
          expect(yield* use(memory, kept, (notes) => Effect.andThen(notes.addMany(entries), ask(notes)))).toEqual(ids)
          expect(yield* use(memory, kept, ask)).toEqual(ids)
          rmSync(path, { force: true })
          expect(yield* use(memory, kept, ask)).toEqual(ids)
        }
      }).pipe(numbers)
  )

  it.effect(`${name}: a hit's score is that of the item it comes with, whoever writes meanwhile`, () =>
    Effect.gen(function* () {
      const { disk, index } = yield* setup
      const notes = yield* open(disk, index)
      disk.pause = Effect.yieldNow
      const write = Effect.gen(function* () {
        for (let i = 0; i < 60; i++) yield* notes.add("a", note(i % 2 === 0 ? "-1 0" : "1 0"))
      })
      const ask = Effect.gen(function* () {
        for (let i = 0; i < 60; i++) {
          for (const { item, score } of yield* notes.search({ text: "1 0" }))
            expect(score.toFixed(2)).toBe(item.text === "1 0" ? "1.00" : item.text === "0 1" ? "0.00" : "-1.00")
          yield* Effect.yieldNow
        }
      })
      yield* Effect.all([write, ask, ask], { concurrency: "unbounded" })
    }).pipe(numbers)
  )
}

kept("usearch", usearchEngine)
kept("exact", exact)

it.effect("what a library wrote and somebody changed is made anew, from the vectors in the file, and said", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => void logged.push(String(message)))
    const path = `${yield* tempDirectory}/index`
    const index = { path, progress: () => expect.unreachable() }
    const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
    const logs = (count: number): Effect.Effect<void> =>
      Effect.suspend(() => (logged.length < count ? Effect.andThen(turn, logs(count)) : Effect.void))
    const ask = (index: VectorAgent.IndexOptions, logged: number) =>
      Effect.scoped(
        Effect.gen(function* () {
          const notes = yield* VectorAgent.make({
            name: "notes",
            schema: Note,
            text: (item) => item.text,
            items: (schema) => disk.family(schema),
            engine: usearchEngine,
            index
          })
          if ((yield* notes.size) === 0)
            yield* notes.addMany([
              ["a", note("1 0")],
              ["b", note("0 1")]
            ])
          yield* logs(logged)
          return (yield* notes.search({ text: "1 1", k: 2 })).map(({ id }) => id).sort()
        })
      ).pipe(Effect.provide(Logger.layer([logger])))
    yield* ask({ path }, 0)
    const file = readFileSync(path)
    file.writeUInt8(file.readUInt8(100) ^ 1, 100)
    writeFileSync(path, file)
    expect(yield* ask(index, 1)).toEqual(["a", "b"])
    expect(logged[0]).toContain('Memory "notes"')
    expect(logged[0]).toContain("what the library wrote")
    // The file was replaced at the end of the scope, though nothing had changed.
    const unread: Array<string> = []
    const engine = usearchEngine({ dimension: 2, metric: "cosine" })
    yield* engine.index?.load(
      path,
      () => {},
      ({ message }) => void unread.push(message)
    ) ?? Effect.void
    yield* settled(engine)
    expect([engine.size(), unread]).toEqual([2, []])
  }).pipe(numbers)
)

it.effect("an index without a place to keep it, or without an engine that can, is refused at open", () =>
  Effect.gen(function* () {
    const withoutFile: MakeEngine = (options) => Object.assign(exact(options), { index: undefined })
    const options = { name: "notes", schema: Note, text: (item: Note) => item.text, engine: withoutFile }
    const items = (schema: Schema.Codec<VectorAgent.Stored<Note>, unknown>) => new Disk().family(schema)
    const wrong: ReadonlyArray<readonly [VectorAgent.IndexOptions, string]> = [
      [{ path: "/tmp/x" }, "an engine that keeps its index in a file"],
      [{ path: "/tmp/x", every: 0 }, "index.every"],
      [JSON.parse("{}"), "index.path"]
    ]
    for (const [index, text] of wrong) {
      const error = yield* Effect.flip(VectorAgent.make({ ...options, items, index }))
      expect(error).toMatchObject({ _tag: "StorageUnavailable", agent: "notes", operation: "open" })
      expect(error.message).toContain(text)
    }
  }).pipe(numbers)
)
