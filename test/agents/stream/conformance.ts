/**
 * What every log has to do, whatever it is kept in: `conformance("file", open)` registers the tests. Each test opens the log once
 * and works on collections of its own, so that `open` may come to the same storage each time.
 */
import { expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Queue, type Scope } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { type Append, type Log, type NewEvent, pageBytes, type Stored } from "../../../src/agents/stream/Log.ts"
import * as Gen from "../../../src/testing/internal/gen.ts"
import { Model } from "./model.ts"

/** Keys and collections that a path, a pattern, a cluster or a collation would not leave alone. */
export const hostileNames: readonly [string, ...ReadonlyArray<string>] = [
  "a",
  "",
  "A",
  "..",
  "../a",
  "/",
  "a/b",
  "a\\b",
  "%",
  "_",
  "a_",
  "a%",
  "*",
  "?",
  ":",
  "a:b",
  "{a}",
  "'; --",
  '"',
  "\u0000",
  "a\u0000",
  "\n",
  "é",
  "e\u0301",
  "ﬀ",
  "😀",
  "\uffff",
  "__proto__",
  "constructor",
  "CON",
  " a",
  "a ",
  "a.",
  "x".repeat(1024)
]

/** How much is tried. */
export interface ConformanceOptions {
  /** Cases of the comparison with the model. Default: 60. */
  readonly runs?: number | undefined
}

type Open = Effect.Effect<Log, unknown, Scope.Scope>

let collections = 0
// Storage that outlives the process is met again by the next run.
const run = `${process.pid}-${Date.now()}`
const newCollection = (): string => `agent:${run}-${++collections}`

const event = (data: unknown, type = "Added"): NewEvent => ({ type, data: JSON.stringify(data) })

const plain = (append: Partial<Append> & Pick<Append, "collection" | "events">): Append => ({
  key: "",
  expected: "any",
  at: 0,
  id: undefined,
  ...append
})

const positions = (events: ReadonlyArray<Stored>): ReadonlyArray<number> => events.map(({ position }) => position)

const upTo = (last: number, from = 1): ReadonlyArray<number> =>
  Array.from({ length: last - from + 1 }, (_, i) => from + i)

type Command =
  | {
      readonly _tag: "Append"
      readonly key: number
      readonly count: number
      readonly expected: Expected
      readonly at: number
      readonly id: number
    }
  | { readonly _tag: "Read"; readonly key: number; readonly after: number; readonly limit: number }
  | { readonly _tag: "PositionAt"; readonly key: number; readonly time: number }
  | { readonly _tag: "Compact"; readonly key: number; readonly upTo: number }

type Expected = "any" | "last" | "wrong"

const key = Gen.int(0, 2)

const commands: Gen.Gen<Array<Command>> = Gen.script(
  Gen.oneOf<Command>([
    Gen.record({
      _tag: Gen.always("Append" as const),
      key,
      count: Gen.int(1, 4),
      expected: Gen.pick(["any", "last", "wrong"] as const),
      at: Gen.int(0, 20),
      // 0: without an id, as every other one is.
      id: Gen.pick([0, 0, 0, 1, 2, 3] as const)
    }),
    Gen.record({ _tag: Gen.always("Read" as const), key, after: Gen.int(0, 12), limit: Gen.int(1, 5) }),
    Gen.record({ _tag: Gen.always("PositionAt" as const), key, time: Gen.int(-1, 21) }),
    Gen.record({ _tag: Gen.always("Compact" as const), key, upTo: Gen.int(0, 12) })
  ])
)

/** Registers the tests of a log. */
export const conformance = (name: string, open: Open, options: ConformanceOptions = {}): void => {
  const test = (promise: string, body: (log: Log, collection: string) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(`${name}: ${promise}`, () => Effect.scoped(Effect.flatMap(open, (log) => body(log, newCollection()))))

  test("does what the model does, command by command", (log) =>
    Effect.gen(function* () {
      const result = yield* Arbitrary.checkEffect(commands, (script) => follows(log, script), {
        runs: options.runs ?? 60,
        size: 10
      })
      expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
    }))

  test("no event is older than the one in front of it, though clocks go back", (log, collection) =>
    Effect.gen(function* () {
      const id = { collection, key: "" }
      yield* log.append(plain({ ...id, events: [event(1)], at: 10 }))
      yield* log.append(plain({ ...id, events: [event(2), event(3)], at: 5 }))
      yield* log.append(plain({ ...id, events: [event(4)], at: 7, id: "named" }))
      const times = (yield* log.read(id, { after: 0, limit: 10 })).map(({ at }) => at)
      expect(times).toEqual([10, 10, 10, 10])
      expect(yield* log.positionAt(id, 9)).toBe(0)
      expect(yield* log.positionAt(id, 10)).toBe(4)
    }))

  test("appends that come at once get each position once, and each has its events together", (log, collection) =>
    Effect.gen(function* () {
      const appended = yield* Effect.forEach(
        upTo(64),
        (n) => log.append(plain({ collection, events: [event([n, 0]), event([n, 1])] })),
        { concurrency: "unbounded" }
      )
      const events = yield* log.read({ collection, key: "" }, { after: 0, limit: 1000 })
      expect(positions(events)).toEqual(upTo(128))
      for (const [i, { first, last, wasKnown }] of appended.entries()) {
        expect(wasKnown).toBe(false)
        expect(last).toBe(first + 1)
        const data = events.slice(first - 1, last).map(({ data }) => data)
        expect(data).toEqual([JSON.stringify([i + 1, 0]), JSON.stringify([i + 1, 1])])
      }
    }))

  test("of appends that come at once and expect one position, one succeeds", (log, collection) =>
    Effect.gen(function* () {
      const exits = yield* Effect.forEach(
        upTo(16),
        (n) => Effect.exit(log.append(plain({ collection, events: [event(n)], expected: 0 }))),
        { concurrency: "unbounded" }
      )
      expect(exits.filter(Exit.isSuccess)).toHaveLength(1)
      const failures = yield* Effect.forEach(exits.filter(Exit.isFailure), (exit) => Effect.flip(exit))
      expect(failures).toEqual(failures.map(() => ({ _tag: "Conflict", actual: 1 })))
      expect(yield* log.bounds({ collection, key: "" })).toEqual({ compacted: 0, last: 1 })
    }))

  test("of appends that come at once under one id, one is done and all are answered alike", (log, collection) =>
    Effect.gen(function* () {
      const same = plain({ collection, events: [event(1), event(2)], id: "once" })
      const answers = yield* Effect.forEach(upTo(16), () => log.append(same), { concurrency: "unbounded" })
      expect(answers.filter(({ wasKnown }) => !wasKnown)).toHaveLength(1)
      expect(answers.map(({ first, last }) => [first, last])).toEqual(answers.map(() => [1, 2]))
      expect(yield* log.bounds({ collection, key: "" })).toEqual({ compacted: 0, last: 2 })
    }))

  test("an id belongs to one stream", (log, collection) =>
    Effect.gen(function* () {
      yield* log.append(plain({ collection, key: "a", events: [event(1)], id: "x" }))
      expect((yield* log.append(plain({ collection, key: "b", events: [event(1)], id: "x" }))).wasKnown).toBe(false)
      const other = newCollection()
      expect((yield* log.append(plain({ collection: other, key: "a", events: [event(1)], id: "x" }))).wasKnown).toBe(
        false
      )
    }))

  test("streams of hostile names stay apart, and are listed in the order of their bytes", (log, collection) =>
    Effect.gen(function* () {
      const names = hostileNames
      for (const [i, key] of names.entries())
        yield* log.append(plain({ collection, key, events: upTo(1 + (i % 3)).map((n) => event([i, n], key)), id: key }))
      for (const [i, key] of names.entries()) {
        const events = yield* log.read({ collection, key }, { after: 0, limit: 100 })
        expect(events.map(({ data, type }) => [type, data])).toEqual(
          upTo(1 + (i % 3)).map((n) => [key, JSON.stringify([i, n])])
        )
      }
      const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      const all = (prefix: string) => ({ prefix, after: undefined, limit: 1000 })
      expect(yield* log.keys(collection, all(""))).toEqual(sorted)
      for (const prefix of ["a", "_", "%", "A", "{", "\u0000", "é", "none of them"])
        expect(yield* log.keys(collection, all(prefix))).toEqual(sorted.filter((key) => key.startsWith(prefix)))
      for (let i = 0; i < sorted.length; i += 3)
        expect(yield* log.keys(collection, { prefix: "", after: sorted[i], limit: 3 })).toEqual(
          sorted.slice(i + 1, i + 4)
        )
      const withoutEvents = { collection: newCollection(), key: "a" }
      yield* log.read(withoutEvents, { after: 0, limit: 1 })
      yield* log.bounds(withoutEvents)
      expect(yield* log.keys(withoutEvents.collection, all(""))).toEqual([])
    }))

  test("collections of hostile names stay apart", (log, collection) =>
    Effect.gen(function* () {
      const names = hostileNames.map((name) => `${collection}${name}`)
      for (const [i, name] of names.entries())
        yield* log.append(plain({ collection: name, key: "a", events: [event(i)] }))
      for (const [i, name] of names.entries()) {
        const events = yield* log.read({ collection: name, key: "a" }, { after: 0, limit: 10 })
        expect(events.map(({ data }) => data)).toEqual([JSON.stringify(i)])
      }
    }))

  test("data and types come back as they were, whatever is in them", (log, collection) =>
    Effect.gen(function* () {
      const texts = [
        ...hostileNames,
        "\u2028\u2029",
        "\r\n",
        "\t",
        "\\",
        "x".repeat(200_000),
        "\u{1f600}".repeat(5_000)
      ]
      const events = texts.map((text) => event(text, text.slice(0, 200)))
      yield* log.append(plain({ collection, events }))
      const read: Array<Stored> = []
      for (;;) {
        const page = yield* log.read({ collection, key: "" }, { after: read.length, limit: 1000 })
        if (page.length === 0) break
        read.push(...page)
      }
      expect(read.map(({ data, type }) => ({ type, data }))).toEqual(events)
    }))

  test("a page ends before its limit only when it is large", (log, collection) =>
    Effect.gen(function* () {
      for (let i = 0; i < 8; i++)
        yield* log.append(plain({ collection, events: upTo(10).map(() => event("x".repeat(30_000))) }))
      let last = 0
      while (last < 80) {
        const page = yield* log.read({ collection, key: "" }, { after: last, limit: 70 })
        expect(positions(page)).toEqual(upTo(last + page.length, last + 1))
        const bytes = page.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0)
        if (page.length < Math.min(70, 80 - last)) expect(bytes).toBeGreaterThanOrEqual(pageBytes)
        expect(bytes).toBeLessThan(8 * pageBytes)
        last += page.length
      }
    }))

  test("a compacted stream goes on at the next position, and never gives out one again", (log, collection) =>
    Effect.gen(function* () {
      const id = { collection, key: "" }
      yield* log.append(plain({ collection, events: [event(1), event(2)], at: 50 }))
      yield* log.compact(id, 2)
      expect(yield* log.read(id, { after: 0, limit: 10 })).toEqual([])
      expect(yield* log.bounds(id)).toEqual({ compacted: 2, last: 2 })
      yield* log.compact(id, 9)
      expect(yield* log.bounds(id)).toEqual({ compacted: 2, last: 2 })
      expect(yield* Effect.flip(log.append(plain({ collection, events: [event(3)], expected: 0 })))).toEqual({
        _tag: "Conflict",
        actual: 2
      })
      expect(yield* log.append(plain({ collection, events: [event(3)], expected: 2, at: 60 }))).toEqual({
        first: 3,
        last: 3,
        wasKnown: false
      })
      expect(positions(yield* log.read(id, { after: 0, limit: 10 }))).toEqual([3])
      expect(yield* log.keys(collection, { prefix: "", after: undefined, limit: 10 })).toEqual([""])
    }))

  test("who watches and reads on misses nothing, while others append", (log, collection) =>
    Effect.gen(function* () {
      const total = 200
      const seen = yield* follow(log, collection)
      const append = (n: number) => log.append(plain({ collection, events: [event(n)] }))
      yield* Effect.forEach(upTo(4), () => Effect.forEach(upTo(total / 4), append), { concurrency: "unbounded" })
      yield* seen.await(total)
      expect(seen.positions).toEqual(upTo(total))
    }))

  test("who has read all is told of the next append, each time", (log, collection) =>
    Effect.gen(function* () {
      const seen = yield* follow(log, collection)
      for (const n of upTo(10)) {
        yield* log.append(plain({ collection, events: [event(n)] }))
        yield* seen.await(n)
      }
      expect(seen.positions).toEqual(upTo(10))
    }))

  it.live(`${name}: use after the scope fails as closed`, () =>
    Effect.gen(function* () {
      const collection = newCollection()
      const id = { collection, key: "" }
      const log = yield* Effect.scoped(open)
      const closed = { _tag: "Closed" }
      expect(yield* Effect.flip(log.append(plain({ collection, events: [event(1)] })))).toEqual(closed)
      expect(yield* Effect.flip(log.read(id, { after: 0, limit: 1 }))).toEqual(closed)
      expect(yield* Effect.flip(log.bounds(id))).toEqual(closed)
      expect(yield* Effect.flip(log.positionAt(id, 0))).toEqual(closed)
      expect(yield* Effect.flip(log.compact(id, 1))).toEqual(closed)
      expect(yield* Effect.flip(log.keys(collection, { prefix: "", after: undefined, limit: 1 }))).toEqual(closed)
      expect(yield* Effect.flip(Effect.scoped(log.watch(id, () => {})))).toEqual(closed)
      expect(yield* Effect.flip(log.ping)).toEqual(closed)
    })
  )
}

/** Reads a stream to its end whenever the log gives notice. */
const follow = (log: Log, collection: string) =>
  Effect.gen(function* () {
    const id = { collection, key: "" }
    const positions: Array<number> = []
    const notices = yield* Queue.sliding<void>(1)
    const news = yield* Queue.unbounded<number>()
    yield* log.watch(id, () => Queue.offerUnsafe(notices, undefined))
    const readOn = Effect.gen(function* () {
      for (;;) {
        const page = yield* log.read(id, { after: positions.length, limit: 7 })
        if (page.length === 0) break
        positions.push(...page.map(({ position }) => position))
        yield* Queue.offer(news, positions.length)
      }
    })
    const following = yield* Effect.forkScoped(
      Effect.andThen(readOn, Effect.forever(Effect.andThen(Queue.take(notices), readOn)))
    )
    const until = (total: number): Effect.Effect<void> =>
      Effect.suspend(() => (positions.length >= total ? Effect.void : Effect.andThen(Queue.take(news), until(total))))
    return {
      positions,
      /** Fails when nothing is told for so long that it never will be. */
      await: (total: number) => Effect.timeout(Effect.raceFirst(until(total), Fiber.join(following)), "30 seconds")
    }
  })

/** Runs a script on a log and on the model, and compares every answer. */
const follows = (log: Log, script: ReadonlyArray<Command>): Effect.Effect<boolean, unknown> =>
  Effect.gen(function* () {
    const collection = newCollection()
    const models = ["", "a", "a_"].map((key) => ({ key, model: new Model() }))
    for (const [i, command] of script.entries()) {
      const { key, model } = Gen.nth([models[0] ?? never(), ...models.slice(1)], command.key)
      const id = { collection, key }
      switch (command._tag) {
        case "Append": {
          const expected =
            command.expected === "any" ? "any" : model.last + (command.expected === "last" ? 0 : 1 + (i % 2))
          const append: Append = {
            ...id,
            events: upTo(command.count).map((n) => event([i, n], `Type${n}`)),
            expected,
            at: command.at,
            id: command.id === 0 ? undefined : `id ${command.id}`
          }
          const answer = yield* Effect.match(log.append(append), { onFailure: (e) => e, onSuccess: (a) => a })
          model.append(append, answer)
          break
        }
        case "Read":
          expect(yield* log.read(id, command)).toEqual(model.read(command))
          break
        case "PositionAt":
          model.checkPositionAt(command.time, yield* log.positionAt(id, command.time))
          break
        case "Compact":
          yield* log.compact(id, command.upTo)
          model.compact(command.upTo)
          break
      }
      expect(yield* log.bounds(id)).toEqual({ compacted: model.compacted, last: model.last })
    }
    for (const { key, model } of models)
      expect(yield* log.read({ collection, key }, { after: 0, limit: 1000 })).toEqual(
        model.read({ after: 0, limit: 1000 })
      )
    return true
  })

const never = (): never => {
  throw new Error("unreachable")
}
