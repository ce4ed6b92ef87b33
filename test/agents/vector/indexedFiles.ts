// What the index file of an engine promises.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { Engine, Request } from "../../../src/agents/vector/Engine.ts"
import type { Header } from "../../../src/agents/vector/file/header.ts"
import type { IndexedEngine } from "../../../src/agents/vector/indexed/engine.ts"
import type { Metric } from "../../../src/agents/vector/Stored.ts"
import { random, tempDirectory } from "./engineConformance.ts"

/** An engine with an index file. Whether it has work to do in the background is up to its kind. */
type Filed = Engine & Pick<IndexedEngine, "index" | "setMany"> & Partial<Pick<IndexedEngine, "settled">>
type Make = (options: { readonly dimension: number; readonly metric: Metric }) => Filed

/** Waits for what an engine over a library does in the background. */
export const settled = (engine: Engine): Effect.Effect<void> =>
  // Sound: it is only given engines with an index file.
  (engine as Filed).settled ?? Effect.void

const dimension = 8
const request: Request = { k: 10, minScore: Number.NEGATIVE_INFINITY }
const all: Request = { k: Number.POSITIVE_INFINITY, minScore: Number.NEGATIVE_INFINITY }
const search = (engine: Engine, query: Float32Array, wanted = request) =>
  engine.search(query, wanted, (matches) => matches)

const vectors = (seed: number) => {
  const next = random(seed)
  return () => Float32Array.from({ length: dimension }, () => next() - 0.5)
}

/** Some vectors, some of them replaced, some removed, some not in the library yet, under ids of all sorts. */
const filled = (make: Make, metric: Metric = "cosine") =>
  Effect.gen(function* () {
    const engine = make({ dimension, metric })
    const fresh = vectors(1)
    yield* engine.setMany(
      Array.from({ length: 700 }, (_, i) => [["\ud800", "", "\0", "é"][i] ?? `n${i}`, fresh()] as const)
    )
    yield* settled(engine)
    for (let i = 0; i < 100; i++) engine.set(`n${5 * i}`, fresh())
    yield* settled(engine)
    for (let i = 0; i < 60; i++) engine.delete(`n${7 * i}`)
    for (let i = 0; i < 30; i++) engine.set(`late${i}`, fresh())
    return engine
  })

/** What an index file says of its parts; what a library wrote comes first. */
export const sizesOf = (file: Buffer): Header["sizes"] => {
  const end = file.length - 16
  return JSON.parse(file.toString("utf8", end - file.readUInt32LE(end), end)).sizes
}

/** What is tried; `other` makes an engine that cannot use the files of `make`, where there is such a one. */
interface Subject {
  readonly name: string
  readonly make: Make
  readonly other?: Make
}

/** The promises of `index`, as tests. */
export const files = ({ make, name, other }: Subject) => {
  for (const metric of ["cosine", "dot", "euclidean"] as const)
    it.effect(`${name}, ${metric}: what is loaded answers as what was saved, takes more, and is saved again`, () =>
      Effect.gen(function* () {
        const path = join(yield* tempDirectory, "index")
        const engine = yield* filled(make, metric)
        yield* engine.index.save(path, "change 12 💾")
        const loaded = make({ dimension, metric })
        loaded.set("forgotten by loading", new Float32Array(dimension))
        expect(yield* loaded.index.load(path)).toBe("change 12 💾")
        const query = vectors(2)
        expect(loaded.size()).toBe(engine.size())
        for (let i = 0; i < 50; i++) {
          const asked = query()
          expect(yield* search(loaded, asked, all)).toEqual(yield* search(engine, asked, all))
          const [near, then] = [yield* search(loaded, asked), yield* search(engine, asked)]
          expect(near.filter(({ id }) => then.some((match) => match.id === id)).length).toBeGreaterThan(7)
        }
        for (const one of [engine, loaded]) {
          one.delete("n1")
          one.set(
            "n2",
            Float32Array.from({ length: dimension }, (_, i) => i)
          )
          one.set(
            "n3000",
            Float32Array.from({ length: dimension }, (_, i) => -i)
          )
          yield* settled(one)
        }
        yield* loaded.index.save(path, "again")
        const again = make({ dimension, metric })
        expect(yield* again.index.load(path)).toBe("again")
        yield* settled(again)
        const asked = query()
        expect(yield* search(again, asked, all)).toEqual(yield* search(engine, asked, all))
      })
    )

  it.effect(`${name}: an empty index is saved and loaded, and takes vectors then`, () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "index")
      yield* make({ dimension, metric: "cosine" }).index.save(path, "")
      const engine = make({ dimension, metric: "cosine" })
      expect(yield* engine.index.load(path)).toBe("")
      expect(engine.size()).toBe(0)
      engine.set("a", vectors(1)())
      yield* settled(engine)
      expect((yield* search(engine, vectors(2)())).map(({ id }) => id)).toEqual(["a"])
    })
  )

  it.effect(
    `${name}: a file that is missing, cut off, changed or something else is refused, and the engine is as it was`,
    () =>
      Effect.gen(function* () {
        const directory = yield* tempDirectory
        const path = join(directory, "index")
        yield* (yield* filled(make)).index.save(path, "whole")
        const whole = readFileSync(path)
        const engine = make({ dimension, metric: "cosine" })
        engine.set("mine", vectors(1)())
        const refused = (bytes: Uint8Array, kinds: ReadonlyArray<string>) =>
          Effect.gen(function* () {
            const bad = join(directory, "bad")
            writeFileSync(bad, bytes)
            const error = yield* Effect.flip(engine.index.load(bad))
            expect(error._tag).toBe("IndexUnusable")
            expect(kinds).toContain(error.kind)
            expect(error.message).toContain(bad)
            expect(engine.size()).toBe(1)
          })
        const missing = yield* Effect.flip(engine.index.load(join(directory, "none")))
        expect(missing.kind).toBe("absent")
        expect((yield* Effect.flip(engine.index.load(directory))).kind).toBe("unreadable")
        const next = random(4)
        // What the library wrote is read later, and has tests of its own.
        const from = sizesOf(whole).native
        for (let i = 0; i < 60; i++) {
          yield* refused(whole.subarray(0, Math.floor(next() * whole.length)), ["damaged"])
          const changed = Buffer.from(whole)
          const at = i < 20 ? whole.length - 1 - i : from + Math.floor(next() * (whole.length - from))
          changed.writeUInt8(changed.readUInt8(at) ^ (1 << (i % 8)), at)
          // A change of what says how it was made looks like another setting, until somebody looks further.
          yield* refused(changed, ["damaged", "other"])
        }
        yield* refused(new Uint8Array(0), ["damaged"])
        yield* refused(Buffer.from("SQLite format 3\0".repeat(100)), ["damaged"])
        yield* refused(Buffer.concat([whole, whole]), ["damaged"])
        expect(yield* engine.index.load(path)).toBe("whole")
      })
  )

  it.effect(`${name}: a file of another metric, dimension or setting is refused, and says which`, () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "index")
      yield* (yield* filled(make)).index.save(path, "")
      const differences = [
        [make({ dimension, metric: "dot" }), "metric"],
        [make({ dimension: dimension + 1, metric: "cosine" }), "dimension"],
        ...(other === undefined ? [] : [[other({ dimension, metric: "cosine" }), "settings"] as const])
      ] as const
      for (const [engine, what] of differences) {
        const error = yield* Effect.flip(engine.index.load(path))
        expect([error._tag, error.kind]).toEqual(["IndexUnusable", "other"])
        expect(error.message).toContain(what)
      }
    })
  )

  it.effect(`${name}: a file holds what there was at the call of save, whatever is written meanwhile`, () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "index")
      const engine = yield* filled(make)
      const query = vectors(2)()
      const before = yield* search(engine, query, all)
      const saving = yield* Effect.forkChild(engine.index.save(path, ""), { startImmediately: true })
      const fresh = vectors(3)
      for (let i = 0; i < 700; i++) {
        if (i % 3 === 0) engine.delete(`n${i}`)
        else engine.set(`n${i}`, fresh())
        if (i % 50 === 0) yield* Effect.yieldNow
      }
      yield* Fiber.join(saving)
      const loaded = make({ dimension, metric: "cosine" })
      yield* loaded.index.load(path)
      expect(yield* search(loaded, query, all)).toEqual(before)
    })
  )

  it.effect(`${name}: what each vector was made from comes back with it, as far as somebody knew`, () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "index")
      const engine = yield* filled(make)
      const stampOf = (id: string) =>
        id === "" ? undefined : { revision: id.length + 2 ** 40, savedAt: 1_763_000_000_000.125 + id.length }
      yield* engine.index.save(path, "", stampOf)
      const stamps = new Map<string, unknown>()
      const loaded = make({ dimension, metric: "cosine" })
      yield* loaded.index.load(path, (id, stamp) => void stamps.set(id, stamp))
      expect(stamps.size).toBe(engine.size())
      for (const [id, stamp] of stamps) expect(stamp).toEqual(stampOf(id) ?? { revision: 0, savedAt: 0 })
      const changed = readFileSync(path)
      const at = sizesOf(changed).native + 1000
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      writeFileSync(path, changed)
      yield* Effect.flip(loaded.index.load(path, () => expect.unreachable()))
    })
  )

  it.effect(`${name}: what is cleared while a file is read stays empty, and nobody is told of it`, () =>
    Effect.gen(function* () {
      const path = join(yield* tempDirectory, "index")
      yield* (yield* filled(make)).index.save(path, "")
      const engine = make({ dimension, metric: "cosine" })
      const loading = yield* Effect.forkChild(
        engine.index.load(path, () => expect.unreachable()),
        { startImmediately: true }
      )
      engine.clear()
      yield* Fiber.join(loading)
      expect(engine.size()).toBe(0)
    })
  )

  it.effect(`${name}: a save that fails leaves the old file, and one that was killed leaves nothing for long`, () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const path = join(directory, "index")
      const engine = yield* filled(make)
      const error = yield* Effect.flip(engine.index.save(join(directory, "none", "index"), ""))
      expect([error._tag, error.message.includes("none")]).toEqual(["IndexUnsaved", true])
      mkdirSync(join(directory, "folder"))
      expect((yield* Effect.flip(engine.index.save(join(directory, "folder"), "")))._tag).toBe("IndexUnsaved")
      expect(readdirSync(directory)).toEqual(["folder"])
      const left = `${path}.01234567-89ab-cdef-0123-456789abcdef.tmp`
      for (const file of [left, join(directory, "index.old.tmp")]) writeFileSync(file, "not mine")
      yield* engine.index.save(path, "")
      expect(readdirSync(directory).sort()).toEqual(["folder", "index", "index.old.tmp"])
    })
  )
}
