import { expect, it } from "@effect/vitest"
import { type DataAgent, Embedder, Family, VectorAgent } from "dgents"
import { Deferred, Effect, Fiber, Option, Schema } from "effect"
import { Disk } from "./vector/mapStore.ts"

const Fact = Schema.Struct({ text: Schema.String })
type Fact = typeof Fact.Type
const fact = (i: number, word = "fact"): Fact => ({ text: `${word}${i} number ${i}` })

const open = (disk: Disk, beforeAnswer?: Effect.Effect<void>) =>
  VectorAgent.make({
    name: "facts",
    schema: Fact,
    text: (item) => item.text,
    items: (schema) => {
      const family = disk.family(schema)
      return beforeAnswer === undefined ? family : Effect.map(family, Family.mapAgents(answeringLate(beforeAnswer)))
    }
  })

/** An agent that has an effect run between a save and its answer, as a network does. */
const answeringLate =
  (before: Effect.Effect<void>) =>
  <S>(agent: DataAgent.DataAgent<S>): DataAgent.DataAgent<S> =>
    new Proxy(agent, {
      get: (target, property) =>
        property === "save"
          ? (state: S) => Effect.andThen(agent.save(state), before)
          : Reflect.get(target, property, target)
    })

const lexical = Effect.provide(Embedder.layerLexical({ dimension: 64 }))
const everything = { text: "number", k: Number.POSITIVE_INFINITY }

const found = (facts: VectorAgent.VectorAgent<Fact>) =>
  Effect.map(facts.search(everything), (hits) => new Map(hits.map(({ id, item }) => [id, item] as const)))

/** What a process that starts after the crash finds. */
const afterCrash = (disk: Disk) => Effect.scoped(Effect.flatMap(open(disk), found))

it.effect("every acknowledged add is found after a crash, and a failed one is neither visible nor counted", () =>
  Effect.gen(function* () {
    // The first write is that of the settings.
    for (let failAt = 2; failAt <= 11; failAt++) {
      const disk = new Disk()
      disk.failAt = failAt
      const acknowledged = yield* Effect.scoped(
        Effect.gen(function* () {
          const facts = yield* open(disk)
          const acknowledged = new Map<string, Fact>()
          for (let i = 0; i < 10; i++) {
            const exit = yield* Effect.exit(facts.add(`f${i}`, fact(i)))
            if (exit._tag === "Success") acknowledged.set(`f${i}`, fact(i))
            else expect(String(exit)).toContain("StorageUnavailable")
          }
          expect(acknowledged.size).toBe(9)
          expect(yield* facts.size).toBe(9)
          expect(yield* found(facts)).toEqual(acknowledged)
          return acknowledged
        })
      )
      expect(yield* afterCrash(disk)).toEqual(acknowledged)
    }
  }).pipe(lexical)
)

it.effect("after any failed or indeterminate write the index and the family agree, batches and updates included", () =>
  Effect.gen(function* () {
    for (const failAfter of [false, true]) {
      for (let failAt = 2; failAt <= 12; failAt++) {
        const disk = new Disk()
        disk.failAt = failAt
        disk.failAfter = failAfter
        const before = yield* Effect.scoped(
          Effect.gen(function* () {
            const facts = yield* open(disk)
            const writes = [
              facts.addMany(Array.from({ length: 5 }, (_, i) => [`f${i}`, fact(i)] as const)),
              facts.update("f1", (old) => ({ text: `${old.text} again` })),
              facts.add("f2", fact(2, "other")),
              facts.addMany([
                ["f3", fact(3, "third")],
                ["f9", fact(9)],
                ["f4", fact(4, "fourth")]
              ])
            ]
            for (const write of writes) yield* Effect.exit<unknown, unknown, never>(write)
            expect((yield* found(facts)).size).toBe(yield* facts.size)
            return yield* found(facts)
          })
        )
        expect(yield* afterCrash(disk)).toEqual(before)
      }
    }
  }).pipe(lexical)
)

it.effect("a removal that happened and was reported as lost is hidden", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    const facts = yield* open(disk)
    yield* facts.add("a", fact(1))
    disk.loseRemovals = true
    expect((yield* Effect.flip(facts.remove("a")))._tag).toBe("WriteIndeterminate")
    expect(yield* facts.search(everything)).toEqual([])
    expect((yield* afterCrash(disk)).size).toBe(0)
  }).pipe(lexical)
)

it.effect("a removed item never comes back", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    yield* Effect.scoped(
      Effect.gen(function* () {
        const facts = yield* open(disk)
        yield* facts.addMany(Array.from({ length: 6 }, (_, i) => [`f${i}`, fact(i)] as const))
        yield* facts.remove("f0")
        yield* facts.removeMany(["f1", "f5", "f5"])
        expect([...(yield* found(facts)).keys()].sort()).toEqual(["f2", "f3", "f4"])
        expect(yield* facts.get("f1")).toEqual(Option.none())
      })
    )
    expect([...(yield* afterCrash(disk)).keys()].sort()).toEqual(["f2", "f3", "f4"])
  }).pipe(lexical)
)

it.effect("an interrupted add was not begun, or is durable and visible", () =>
  Effect.gen(function* () {
    let stored = 0
    for (let steps = 0; steps < 40; steps++) {
      const disk = new Disk()
      const before = yield* Effect.scoped(
        Effect.gen(function* () {
          const facts = yield* open(disk)
          const fiber = yield* Effect.forkChild(Effect.andThen(Effect.yieldNow, facts.add("a", fact(1))))
          for (let i = 0; i < steps; i++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
          return yield* found(facts)
        })
      )
      stored += before.size
      expect(yield* afterCrash(disk)).toEqual(before)
      expect(before.size).toBe(disk.entries.size - 1)
    }
    expect(stored).toBeGreaterThan(0)
  }).pipe(lexical)
)

it.effect("an interrupt while the family writes waits for it, and the item shows", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    const facts = yield* open(disk)
    const begun = yield* Deferred.make<void>()
    const slow = yield* Deferred.make<void>()
    const put = disk.put.bind(disk)
    disk.put = (key, next) =>
      Effect.andThen(Deferred.succeed(begun, undefined), Effect.andThen(Deferred.await(slow), put(key, next)))
    const fiber = yield* Effect.forkChild(facts.add("a", fact(1)))
    yield* Deferred.await(begun)
    const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber))
    yield* Effect.yieldNow
    expect(yield* facts.size).toBe(0)
    yield* Deferred.succeed(slow, undefined)
    yield* Fiber.join(interrupting)
    expect(yield* facts.size).toBe(1)
    expect((yield* afterCrash(disk)).size).toBe(1)
  }).pipe(lexical)
)

it.effect("adds, updates, removals and searches at once: index and family end up the same", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    const before = yield* Effect.scoped(
      Effect.gen(function* () {
        const facts = yield* open(disk, Effect.yieldNow)
        disk.pause = Effect.yieldNow
        const client = (c: number) =>
          Effect.gen(function* () {
            for (let i = 0; i < 40; i++) {
              const id = `f${(c * 7 + i * 3) % 11}`
              const kind = (c + i) % 5
              if (kind === 0) yield* facts.remove(id)
              else if (kind === 1) yield* Effect.exit(facts.update(id, () => fact(i, `up${c}`)))
              else if (kind === 2)
                yield* facts.addMany([
                  [id, fact(i, `many${c}`)],
                  [`f${i % 11}`, fact(c)]
                ])
              else yield* facts.add(id, fact(i, `client${c}`))
              // What was acknowledged and is nobody else's is there at once.
              yield* facts.add(`own${c}`, fact(i, "own"))
              const hits = yield* facts.search(everything)
              expect(hits.find((hit) => hit.id === `own${c}`)?.item).toEqual(fact(i, "own"))
              expect(new Set(hits.map((hit) => hit.id)).size).toBe(hits.length)
            }
          })
        yield* Effect.forEach([0, 1, 2, 3, 4, 5], client, { concurrency: "unbounded", discard: true })
        return yield* found(facts)
      })
    )
    expect(before.size).toBeGreaterThan(6)
    expect(yield* afterCrash(disk)).toEqual(before)
  }).pipe(lexical)
)

it.effect("an add and a removal of one id take turns", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    const answer = yield* Deferred.make<void>()
    const facts = yield* open(disk, Deferred.await(answer))
    const adding = yield* Effect.forkChild(facts.add("a", fact(1)))
    while (!disk.entries.has("i/a")) yield* Effect.yieldNow
    const removing = yield* Effect.forkChild(facts.remove("a"))
    for (let i = 0; i < 20; i++) yield* Effect.yieldNow
    yield* Deferred.succeed(answer, undefined)
    yield* Fiber.join(adding)
    yield* Fiber.join(removing)
    expect(yield* facts.size).toBe(0)
    expect((yield* afterCrash(disk)).size).toBe(0)
  }).pipe(lexical)
)

it.effect("a corrupt entry is reported at open with its id, and left as it is", () =>
  Effect.gen(function* () {
    const disk = new Disk()
    yield* Effect.scoped(
      Effect.flatMap(open(disk), (facts) =>
        facts.addMany([
          ["good", fact(1)],
          ["bad", fact(2)]
        ])
      )
    )
    const good = disk.entries.get("i/bad")
    if (good === undefined) return expect.fail("the item is stored under its key")
    const text = String(good.state)
    for (const state of [
      text.slice(0, -9),
      text.replace("fact2 number 2", "\u0000").replace(`"text"`, `"words"`),
      text.replace(/"vector":"..../, `"vector":"****`),
      text.replace(/"vector":"/, `"vector":"AAAA`),
      text.replace(/"vector":"[^"]{8}/, `"vector":"AADAfwAA`),
      text.replace(/"vector":"[^"]*/, `"vector":"AAAAAA==`),
      JSON.stringify({ _tag: "Settings", embedder: "x", dimension: 64, metric: "cosine" })
    ]) {
      expect(state).not.toBe(text)
      disk.entries.set("i/bad", { ...good, state })
      const error = yield* Effect.flip(afterCrash(disk))
      expect(error._tag).toBe("StateCorrupt")
      expect(error.message).toMatch(/"(i\/)?bad"/)
      expect(disk.entries.get("i/bad")?.state).toBe(state)
    }
    disk.entries.set("i/bad", good)
    const settings = disk.entries.get("settings")
    if (settings === undefined) return expect.fail("the settings are stored under their key")
    for (const state of ["{}", text]) {
      disk.entries.set("settings", { ...settings, state })
      expect((yield* Effect.flip(afterCrash(disk)))._tag).toBe("StateCorrupt")
    }
  }).pipe(lexical)
)
