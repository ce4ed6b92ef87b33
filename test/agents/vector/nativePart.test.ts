// What a library wrote into an index file is read after the vectors: what holds until then, and where it is of no use.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as usearch from "usearch"
import type { Request } from "../../../src/agents/vector/Engine.ts"
import { type IndexedEngine, make } from "../../../src/agents/vector/indexed/engine.ts"
import type { NativeKind } from "../../../src/agents/vector/indexed/NativeIndex.ts"
import { kindOf as usearchKind } from "../../../src/agents/vector/usearch/engine.ts"
import { random, tempDirectory } from "./engineConformance.ts"
import { sizesOf } from "./indexedFiles.ts"
import { kindOf } from "./plain.ts"

const shape = { dimension: 8, metric: "cosine" } as const
const all: Request = { k: Number.POSITIVE_INFINITY, minScore: Number.NEGATIVE_INFINITY }
const few: Request = { k: 5, minScore: Number.NEGATIVE_INFINITY }

const vectors = (seed: number) => {
  const next = random(seed)
  return () => Float32Array.from({ length: shape.dimension }, () => next() - 0.5)
}

/** An engine that notes how often its library was asked for a new index, and for one in a file. */
const opened = (kind: NativeKind) => {
  const calls = { make: 0, load: 0 }
  const engine = make({
    ...shape,
    kind: {
      ...kind,
      make: (sample) => {
        calls.make++
        return kind.make(sample)
      },
      load: (path) => {
        calls.load++
        return kind.load(path)
      }
    },
    mostCandidates: () => Number.POSITIVE_INFINITY
  })
  return { engine, calls }
}

const search = (engine: IndexedEngine, query: Float32Array, request: Request) =>
  engine.search(query, request, (matches) => matches)

/** Some vectors, of which some were replaced and some removed, and a file of them. */
const saved = (kind: NativeKind) =>
  Effect.gen(function* () {
    const path = join(yield* tempDirectory, "index")
    const { engine } = opened(kind)
    const fresh = vectors(1)
    yield* engine.setMany(Array.from({ length: 400 }, (_, i) => [`n${i}`, fresh()] as const))
    yield* engine.settled
    for (let i = 0; i < 50; i++) engine.set(`n${3 * i}`, fresh())
    for (let i = 0; i < 50; i++) engine.delete(`n${5 * i}`)
    yield* engine.settled
    yield* engine.index.save(path, "mark")
    return { path, engine, file: readFileSync(path) }
  })

/** Two engines answer alike, by all their vectors and by what their libraries propose. */
const same = (one: IndexedEngine, other: IndexedEngine) =>
  Effect.gen(function* () {
    const query = vectors(2)
    for (let i = 0; i < 8; i++) {
      const asked = query()
      for (const request of [all, few])
        expect(yield* search(one, asked, request)).toEqual(yield* search(other, asked, request))
    }
  })

/** Loads a file, and then does something before the library has read its part; what was said of why that is of no use. */
const loaded = (engine: IndexedEngine, path: string, then: () => void = () => {}) => {
  const unread: Array<string> = []
  const load = engine.index.load(
    path,
    () => {},
    ({ kind, message }) => {
      expect(message).toContain(path)
      unread.push(kind)
    }
  )
  return Effect.map(
    Effect.tap(load, () => Effect.sync(then)),
    () => unread
  )
}

/** How many of the vectors in a file the library does not have, each under a label of its own, or has though they are gone. */
const amiss = (path: string): number => {
  const file = readFileSync(path)
  const { count, gone, labels, native } = sizesOf(file)
  const from = native + 4 * shape.dimension * count
  const known = Array.from({ length: labels }, (_, i) => file.readInt32LE(from + 4 * i)).filter((label) => label >= 0)
  return count - new Set(known).size + gone
}

const change = (engine: IndexedEngine) => {
  const fresh = vectors(3)
  for (let i = 0; i < 40; i++) engine.delete(`n${4 * i}`)
  for (let i = 0; i < 40; i++) engine.set(`n${4 * i + 1}`, fresh())
  for (let i = 0; i < 40; i++) engine.set(`late${i}`, fresh())
  for (let i = 0; i < 10; i++) engine.delete(`late${i}`)
}

const kinds = { "a library that is never wrong": kindOf(shape), usearch: usearchKind(usearch, {}, 8, "cosine") }

for (const [name, kind] of Object.entries(kinds)) {
  it.effect(`${name}: what is written before it has read its part of a file counts, and is in the next file`, () =>
    Effect.gen(function* () {
      const { engine: before, path } = yield* saved(kind)
      const { calls, engine } = opened(kind)
      const unread = yield* loaded(engine, path, () => change(engine))
      change(before)
      yield* same(engine, before)
      yield* engine.settled
      yield* before.settled
      yield* same(engine, before)
      expect([unread, calls]).toEqual([[], { make: 0, load: 1 }])
      yield* engine.index.save(path, "")
      expect(amiss(path)).toBe(0)
      const after = opened(kind)
      yield* loaded(after.engine, path)
      yield* after.engine.settled
      yield* same(after.engine, before)
      expect(after.calls).toEqual({ make: 0, load: 1 })
    })
  )

  it.effect(`${name}: a save before it has read its part of a file loses nothing of it`, () =>
    Effect.gen(function* () {
      const { engine: before, path } = yield* saved(kind)
      const { calls, engine } = opened(kind)
      yield* loaded(engine, path)
      change(engine)
      yield* engine.index.save(path, "")
      change(before)
      const after = opened(kind)
      const unread = yield* loaded(after.engine, path)
      yield* after.engine.settled
      yield* before.settled
      yield* same(after.engine, before)
      yield* engine.settled
      yield* same(engine, before)
      for (const one of [engine, after.engine]) {
        yield* one.index.save(path, "")
        expect(amiss(path)).toBe(0)
      }
      expect([unread, calls, after.calls]).toEqual([[], { make: 0, load: 1 }, { make: 0, load: 1 }])
    })
  )

  it.effect(
    `${name}: where what it wrote is changed, it is made anew from the vectors, and the next file is whole`,
    () =>
      Effect.gen(function* () {
        const { engine: before, file, path } = yield* saved(kind)
        const next = random(5)
        for (let i = 0; i < 10; i++) {
          const changed = Buffer.from(file)
          const at = Math.floor(next() * sizesOf(file).native)
          changed.writeUInt8(changed.readUInt8(at) ^ (1 << (i % 8)), at)
          writeFileSync(path, changed)
          const { calls, engine } = opened(kind)
          // A save that cannot wait finds it as well.
          const unread = yield* loaded(engine, path)
          if (i % 2 === 0) yield* engine.index.save(path, "")
          yield* same(engine, before)
          yield* engine.settled
          yield* same(engine, before)
          expect([unread, calls]).toEqual([["damaged"], { make: 1, load: 0 }])
          yield* engine.index.save(path, "")
          expect(amiss(path)).toBe(0)
          const after = opened(kind)
          yield* loaded(after.engine, path)
          yield* after.engine.settled
          expect(after.calls).toEqual({ make: 0, load: 1 })
        }
      })
  )

  it.effect(`${name}: a file that is replaced or removed before it has read its part is not taken for the same`, () =>
    Effect.gen(function* () {
      const { engine: before, path } = yield* saved(kind)
      const another = opened(kind).engine
      const fresh = vectors(7)
      yield* another.setMany(Array.from({ length: 400 }, (_, i) => [`n${i}`, fresh()] as const))
      yield* another.settled
      yield* another.index.save(`${path}.other`, "")
      const happenings = [
        [() => renameSync(`${path}.other`, path), "other"],
        [() => rmSync(path), "unreadable"]
      ] as const
      for (const [then, why] of happenings) {
        const { calls, engine } = opened(kind)
        yield* before.index.save(path, "")
        const unread = yield* loaded(engine, path, then)
        yield* same(engine, before)
        yield* engine.settled
        yield* same(engine, before)
        expect([unread, calls]).toEqual([[why], { make: 1, load: 0 }])
      }
    })
  )

  it.effect(`${name}: what is cleared before it has read its part of a file stays empty, and takes vectors then`, () =>
    Effect.gen(function* () {
      const { path } = yield* saved(kind)
      const { calls, engine } = opened(kind)
      const unread = yield* loaded(engine, path, () => engine.clear())
      yield* engine.settled
      // The file may go, as at the end of a scope.
      rmSync(path)
      expect(engine.size()).toBe(0)
      engine.set("a", vectors(1)())
      yield* engine.settled
      expect((yield* search(engine, vectors(2)(), few)).map(({ id }) => id)).toEqual(["a"])
      expect([unread, calls]).toEqual([[], { make: 1, load: 0 }])
    })
  )
}

it.effect("a library that does not read what it wrote makes it anew", () =>
  Effect.gen(function* () {
    const { engine: before, path } = yield* saved(kindOf(shape))
    const broken = kindOf(shape, {
      load: () => {
        throw new Error("of another version")
      }
    })
    const { calls, engine } = opened(broken)
    const unread = yield* loaded(engine, path)
    yield* engine.settled
    yield* same(engine, before)
    expect([unread, calls]).toEqual([["unreadable"], { make: 1, load: 1 }])
  })
)
