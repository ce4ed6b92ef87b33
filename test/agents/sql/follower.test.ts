import { expect, it } from "@effect/vitest"
import { DataAgent, type Revision, SqlAgent, SqlDriver, type SqlEngine } from "dgents"
import { SeededScheduler } from "dgents/testing"
import { Effect, Fiber, Schema, Stream } from "effect"
import * as MapEngine from "./MapEngine.ts"

const State = Schema.Struct({ by: Schema.String, n: Schema.Number })

/** The same engine, whose reads answer what was there a while ago. */
const late = (engine: SqlEngine.Engine): SqlEngine.Engine => {
  const lagging = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.tap(effect, () => Effect.repeat(Effect.yieldNow, { times: 4 }))
  return {
    ...engine,
    readMany: (collection, keys) => lagging(engine.readMany(collection, keys)),
    history: (id, before, limit) => lagging(engine.history(id, before, limit)),
    write: (write) => lagging(engine.write(write))
  }
}

const opened = (rows: MapEngine.Rows, history: "full" | "none") =>
  Effect.provideService(
    SqlAgent.make({ name: "shared", schema: State, history }),
    SqlDriver,
    SqlDriver.fromEngine(late(MapEngine.make(rows)))
  )

const names = (changes: ReadonlyArray<{ readonly _tag: string; readonly revision: number }>) =>
  changes.map(({ _tag, revision }) => `${_tag} ${revision}`)

/** A turn of the event loop: notices come from outside. */
const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const race = (seed: number, history: "full" | "none") =>
  Effect.gen(function* () {
    const rows = new MapEngine.Rows()
    const agents = [yield* opened(rows, history), yield* opened(rows, history)]
    const got = agents.map(() => [] as Array<Revision.Change<typeof State.Type>>)
    for (const [i, agent] of agents.entries())
      yield* Effect.forkChild(Stream.runForEach(agent.changes, (change) => Effect.sync(() => got[i]?.push(change))))
    yield* Effect.repeat(turn, { times: 50 })
    const writers = yield* Effect.forEach(agents, (agent, i) =>
      Effect.forkChild(
        Effect.forEach(Array.from({ length: 12 }), (_, n) =>
          Effect.andThen(agent.save({ by: `${i}`, n }), n % 5 === 4 ? turn : Effect.void)
        )
      )
    )
    for (const writer of writers) yield* Fiber.join(writer)
    const { revision } = yield* Effect.flatMap(DataAgent.current(agents[0] as (typeof agents)[0]), Effect.fromOption)
    for (let i = 0; i < 2_000 && got.some((list) => list.at(-1)?.revision !== revision); i++) yield* turn
    return { got, revision }
  }).pipe(Effect.scoped, SeededScheduler.provide(seed))

it.effect("two drivers that write at once: each hears every commit once and in order, where the history is kept", () =>
  Effect.gen(function* () {
    for (let seed = 0; seed < 60; seed++) {
      const { got, revision } = yield* race(seed, "full")
      expect(revision).toBe(24)
      const all = Array.from({ length: 24 }, (_, i) => `Saved ${i + 1}`)
      for (const list of got) expect([seed, names(list)]).toEqual([seed, all])
    }
  })
)

it.effect("without a history each still hears what it wrote itself, in order, and the last state", () =>
  Effect.gen(function* () {
    for (let seed = 0; seed < 60; seed++) {
      const { got, revision } = yield* race(seed, "none")
      for (const [i, list] of got.entries()) {
        const revisions = list.map((change) => change.revision)
        expect([seed, revisions]).toEqual([seed, [...new Set(revisions)].sort((a, b) => a - b)])
        expect(revisions.at(-1)).toBe(revision)
        const mine = list.flatMap((change) =>
          change._tag === "Saved" && change.state.by === `${i}` ? change.state.n : []
        )
        expect([seed, mine]).toEqual([seed, Array.from({ length: 12 }, (_, n) => n)])
      }
    }
  })
)

it.live("what others commit while the database does not answer is told when it does again", () =>
  Effect.gen(function* () {
    const rows = new MapEngine.Rows()
    let isDown = false
    const engine = MapEngine.make(rows)
    const failing: SqlEngine.Engine = {
      ...engine,
      readMany: (collection, keys) =>
        Effect.suspend(
          (): ReturnType<SqlEngine.Engine["readMany"]> =>
            isDown
              ? Effect.fail({ _tag: "Unavailable", reason: "down", retryable: true })
              : engine.readMany(collection, keys)
        )
    }
    const on = (engine: SqlEngine.Engine) =>
      Effect.provideService(
        SqlAgent.make({ name: "shared", schema: State, history: "full" }),
        SqlDriver,
        SqlDriver.fromEngine(engine)
      )
    const [here, there] = [yield* on(failing), yield* on(engine)]
    const got: Array<number> = []
    yield* Effect.forkChild(Stream.runForEach(here.changes, ({ revision }) => Effect.sync(() => got.push(revision))))
    yield* there.save({ by: "there", n: 1 })
    yield* until(() => got.length === 1)
    isDown = true
    yield* there.save({ by: "there", n: 2 })
    // What is written here meanwhile is told at once, whatever cannot be read.
    yield* here.save({ by: "here", n: 3 })
    yield* until(() => got.length === 2)
    yield* there.save({ by: "there", n: 4 })
    yield* Effect.sleep(20)
    isDown = false
    yield* until(() => got.at(-1) === 4)
    expect(got).toEqual([1, 3, 4])
  })
)

const until = (done: () => boolean) =>
  Effect.gen(function* () {
    for (let i = 0; i < 1_000 && !done(); i++) yield* Effect.sleep(5)
  })
