import { expect, it } from "@effect/vitest"
import { DataAgent, Observed, Revision, VolatileAgent } from "dgents"
import { Faults } from "dgents/testing"
import { Effect, Fiber, Logger, Metric, References, Stream, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { Counter } from "./support.ts"

const counters = VolatileAgent.make({ name: "counter", schema: Counter, history: "full" })

/** Runs with a tracer, metrics and a log of its own, and answers what they were given. */
const watched = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const spans: Array<Tracer.NativeSpan> = []
  const lines: Array<string> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const logger = Logger.make(({ logLevel, message }) => {
    lines.push(`${logLevel}: ${String(message)}`)
  })
  const observing = Effect.gen(function* () {
    const answer = yield* effect
    const metrics = yield* Metric.snapshot
    return { answer, metrics, spans, lines }
  })
  return observing.pipe(
    Effect.provideService(Tracer.Tracer, tracer),
    Effect.provideService(Metric.MetricRegistry, new Map()),
    Effect.provideService(References.MinimumLogLevel, "All"),
    Effect.provide(Logger.layer([logger]))
  )
}

it.effect("operations are spans of kind client, under the names of the conventions", () =>
  Effect.gen(function* () {
    const agent = Observed.make(yield* counters, { system: "sqlite" })
    const { spans } = yield* watched(
      Effect.withSpan(
        Effect.gen(function* () {
          yield* agent.save({ n: 1 })
          yield* agent.update(({ n }) => ({ n: n + 1 }))
          yield* agent.at(Revision.make(1))
          yield* Stream.runCollect(agent.history())
          yield* agent.delete
        }),
        "program"
      )
    )
    const names = ["program", "write", "read", "write", "read", "history", "remove"]
    expect(spans.map(({ name }) => name.replace(" counter", ""))).toEqual(names)
    for (const span of spans.slice(1)) {
      expect(span.kind).toBe("client")
      expect(span.status._tag).toBe("Ended")
      expect(span.parent._tag === "Some" && span.parent.value.spanId).toBe(spans[0]?.spanId)
      expect(Object.fromEntries(span.attributes)).toEqual({
        "db.system.name": "sqlite",
        "db.collection.name": "counter",
        "db.operation.name": span.name.split(" ")[0]
      })
    }
  })
)

it.effect("durations are counted in seconds, a series for each operation and for each way to fail", () =>
  Effect.gen(function* () {
    const below = yield* counters
    const faults = Faults.make(Faults.plan(1, Faults.slow({ millis: 20 })))
    const agent = Observed.make(Faults.agent(below, faults))
    const { metrics } = yield* watched(
      Effect.gen(function* () {
        const work = Effect.gen(function* () {
          yield* agent.save({ n: 1 })
          yield* agent.save({ n: 2 })
          yield* agent.load
        })
        const fiber = yield* Effect.forkChild(work)
        for (let i = 0; i < 3; i++) yield* TestClock.adjust("20 millis")
        yield* Fiber.join(fiber)
        faults.arm(Faults.plan(1, Faults.flaky(1, "refuse")))
        yield* Effect.flip(agent.load)
        faults.lift()
        yield* Effect.flip(agent.compareAndSave({ n: 3 }, Revision.absent))
      })
    )
    const series = metrics.flatMap((metric) =>
      metric.type === "Histogram"
        ? [[metric.id, metric.attributes?.["db.operation.name"], metric.attributes?.["error.type"], metric.state.count]]
        : []
    )
    const id = "db.client.operation.duration"
    expect(series.toSorted()).toEqual(
      [
        [id, "write", undefined, 2],
        [id, "read", undefined, 1],
        [id, "read", "StorageUnavailable", 1],
        [id, "write", "RevisionConflict", 1]
      ].toSorted()
    )
    const saved = metrics.find(
      (metric) => metric.attributes?.["db.operation.name"] === "write" && metric.attributes["error.type"] === undefined
    )
    expect(saved?.type === "Histogram" && saved.state.sum).toBeCloseTo(0.04)
  })
)

it.effect("a failure is a line in the log and an attribute of its span; a conflict is a line at level debug", () =>
  Effect.gen(function* () {
    const below = yield* counters
    const agent = Observed.make(Faults.agent(below, Faults.plan(1, Faults.flaky(1, "refuse", { only: ["read"] }))))
    const { lines, spans } = yield* watched(
      Effect.gen(function* () {
        yield* Effect.flip(agent.load)
        yield* agent.save({ n: 1 })
        yield* Effect.flip(agent.compareAndSave({ n: 2 }, Revision.absent))
      })
    )
    expect(lines).toEqual([
      'Warn: read of "counter" failed: StorageUnavailable',
      'Debug: write of "counter" failed: RevisionConflict'
    ])
    const types = spans.map(({ attributes }) => attributes.get("error.type"))
    expect(types).toEqual(["StorageUnavailable", undefined, "RevisionConflict"])
  })
)

it.effect("neither states nor keys are shown, unless keys are asked for", () =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "counters", schema: Counter })
    const shown = (options: Observed.Options) =>
      Effect.gen(function* () {
        const agent = Observed.family(family, options).at("alice@example.org")
        const { lines, metrics, spans } = yield* watched(
          Effect.gen(function* () {
            yield* agent.save({ n: 31_415_926 })
            yield* agent.load
            // Not a state according to the types: JavaScript callers exist.
            yield* Effect.flip(agent.save({ n: "27182818" } as unknown as Counter))
          })
        )
        const attributes = spans.map(({ attributes, name }) => [name, ...attributes])
        return JSON.stringify([lines, metrics.map(({ attributes }) => attributes), attributes])
      })
    const text = yield* shown({})
    expect(text).not.toMatch(/alice|31415926|27182818/)
    expect(text).toContain("StateInvalid")
    const withKeys = yield* shown({ keys: true })
    expect(withKeys).toContain('"dgents.key","alice@example.org"')
    expect(withKeys).not.toMatch(/31415926|27182818/)
  })
)

it.effect("turned off it is the agent below, and each part can be turned off", () =>
  Effect.gen(function* () {
    const below = yield* counters
    const off = { spans: false, metrics: false, logs: false }
    expect(Observed.make(below, off)).toBe(below)
    const family = yield* VolatileAgent.family({ name: "counters", schema: Counter })
    expect(Observed.family(family, off)).toBe(family)
    for (const on of ["spans", "metrics", "logs"] as const) {
      const agent = below.pipe(Observed.make({ ...off, [on]: true }))
      const { lines, metrics, spans } = yield* watched(
        Effect.andThen(agent.save({ n: 1 }), Effect.flip(agent.compareAndSave({ n: 2 }, Revision.absent)))
      )
      expect([spans.length, metrics.length, lines.length]).toEqual([
        on === "spans" ? 2 : 0,
        on === "metrics" ? 2 : 0,
        on === "logs" ? 1 : 0
      ])
    }
  })
)

it.effect("a batch of a family is one operation", () =>
  Effect.gen(function* () {
    const family = Observed.family(yield* VolatileAgent.family({ name: "counters", schema: Counter }))
    const { spans } = yield* watched(
      Effect.gen(function* () {
        yield* family.saveMany([
          ["a", { n: 1 }],
          ["b", { n: 2 }]
        ])
        yield* family.loadMany(["a", "b"])
        yield* family.has("a")
        yield* Stream.runDrain(family.keys())
        yield* family.deleteMany(["a"])
      })
    )
    expect(spans.map(({ name }) => name)).toEqual([
      "writeMany counters",
      "readMany counters",
      "read counters",
      "list counters",
      "removeMany counters"
    ])
  })
)

it.effect("the two handles share lock and state", () =>
  Effect.gen(function* () {
    const below = yield* VolatileAgent.make({ name: "counter", schema: Counter, initial: { n: 0 } })
    const agent = Observed.make(below)
    yield* Effect.forEach(
      Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? below : agent)),
      (one) => one.modify(({ n }) => Effect.as(Effect.yieldNow, [0, { n: n + 1 }] as const), { retries: 0 }),
      { concurrency: "unbounded" }
    )
    expect(yield* agent.load).toEqual({ n: 40 })
    expect(DataAgent.isDataAgent(agent)).toBe(true)
  })
)
