import { expect, it } from "@effect/vitest"
import { DataAgent, SqlAgent, SqlDriver } from "dgents"
import { Effect, Schema, Stream } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import * as MapEngine from "./MapEngine.ts"

const Notes = Schema.Struct({
  title: Schema.String,
  tags: Schema.Record(Schema.String, Schema.Number),
  lines: Schema.Array(Schema.String),
  draft: Schema.optionalKey(Schema.Boolean)
})
type Notes = typeof Notes.Type

const long = "a line that takes its place ".repeat(20)

const opened = (rows: MapEngine.Rows, options: Pick<SqlAgent.Options<Notes>, "history" | "deltas">) =>
  Effect.provideService(
    SqlAgent.make({ name: "notes", schema: Notes, ...options }),
    SqlDriver,
    SqlDriver.fromEngine(MapEngine.make(rows))
  )

const past = (rows: MapEngine.Rows) => rows.of("agent:notes").get("")?.past ?? []

const Line = Schema.Literals(["one", "two", long])

const cases = Arbitrary.schema(
  Schema.Struct({
    states: Schema.Array(Schema.Struct({ ...Notes.fields, lines: Schema.Array(Line) })),
    deltas: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))
  })
)

it.effect("a history of differences gives back every state exactly, from any place in it", () =>
  Effect.gen(function* () {
    const result = yield* Arbitrary.checkEffect(
      cases,
      ({ deltas, states }) =>
        Effect.scoped(
          Effect.gen(function* () {
            const rows = new MapEngine.Rows()
            const agent = yield* opened(rows, { history: "full", deltas })
            const kept: Array<Notes> = []
            for (const state of states) {
              // What is refused is not in the history.
              const exit = yield* Effect.exit(agent.save(state))
              if (exit._tag === "Success") kept.unshift(state)
            }
            const all = yield* Stream.runCollect(agent.history())
            expect(all.map(({ state }) => state)).toEqual(kept)
            for (const { revision, state } of all) {
              expect((yield* agent.at(revision)).state).toEqual(state)
              const rest = yield* Stream.runCollect(agent.history({ before: revision, limit: 3 }))
              expect(rest).toEqual(all.filter((entry) => entry.revision < revision).slice(0, 3))
            }
            return true
          })
        ),
      { runs: 200 }
    )
    expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
  })
)

it.effect("small changes of a large state are kept as patches, with each n-th revision in full", () =>
  Effect.gen(function* () {
    const rows = new MapEngine.Rows()
    const agent = yield* opened(rows, { history: "full", deltas: 5 })
    for (let n = 0; n < 20; n++)
      yield* agent.save({ title: `${n}`, tags: {}, lines: Array.from({ length: 50 }, () => long) })
    expect(
      past(rows)
        .filter(({ isPatch }) => !isPatch)
        .map(({ revision }) => revision)
    ).toEqual([15, 10, 5])
    const patches = past(rows).filter(({ isPatch }) => isPatch)
    for (const { state } of patches) expect(state.length).toBeLessThan(100)
    expect(yield* agent.at((yield* Stream.runCollect(agent.history()))[17]?.revision ?? (0 as never))).toMatchObject({
      state: { title: "2" }
    })
  })
)

it.effect(
  "keys keep their order and zeros their sign: a state that a patch would not give back so is kept in full",
  () =>
    Effect.gen(function* () {
      const rows = new MapEngine.Rows()
      const agent = yield* opened(rows, { history: "full", deltas: 100 })
      const lines = Array.from({ length: 50 }, () => long)
      const states: ReadonlyArray<Notes> = [
        { title: "order", tags: { b: 1, a: 1 }, lines },
        { title: "order", tags: { a: 1 }, lines },
        { title: "zero", tags: { z: -0 }, lines },
        { title: "zero", tags: { z: 0 }, lines },
        { title: "end", tags: {}, lines }
      ]
      for (const state of states) yield* agent.save(state)
      const all = (yield* Stream.runCollect(agent.history())).toReversed()
      expect(Object.keys(all[0]?.state.tags ?? {})).toEqual(["b", "a"])
      expect(Object.is(all[2]?.state.tags["z"], -0)).toBe(true)
      expect(past(rows).find(({ revision }) => revision === 1)?.isPatch).toBe(false)
      expect(past(rows).find(({ revision }) => revision === 4)?.isPatch).toBe(true)
    })
)

it.effect("a history goes on when differences are turned on, changed and off again", () =>
  Effect.gen(function* () {
    const rows = new MapEngine.Rows()
    let n = 0
    const states: Array<Notes> = []
    for (const deltas of [0, 3, 7, 1, 0, 2]) {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const agent = yield* opened(rows, { history: "full", deltas })
          for (let i = 0; i < 5; i++) {
            const state: Notes = { title: `${n++}`, tags: {}, lines: Array.from({ length: 9 }, () => long) }
            states.unshift(state)
            yield* agent.save(state)
          }
          const all = yield* Stream.runCollect(agent.history())
          expect(all.map(({ state }) => state)).toEqual(states)
          for (const { revision, state } of all) expect((yield* agent.at(revision)).state).toEqual(state)
        })
      )
    }
  })
)

it.effect("a history of differences that was interrupted by `none` ends where the next state is gone", () =>
  Effect.gen(function* () {
    const rows = new MapEngine.Rows()
    const titles = function* (
      options: Pick<SqlAgent.Options<Notes>, "history" | "deltas">,
      ...add: ReadonlyArray<string>
    ) {
      const agent = yield* opened(rows, options)
      for (const title of add) yield* agent.save({ title, tags: {}, lines: Array.from({ length: 9 }, () => long) })
      return (yield* Stream.runCollect(agent.history())).map(({ state }) => state.title)
    }
    expect(yield* titles({ history: "full", deltas: 3 }, "1", "2", "3", "4", "5")).toEqual(["5", "4", "3", "2", "1"])
    expect(yield* titles({ history: "none" }, "6", "7")).toEqual(["7"])
    // 4 was a difference from 5, which nobody kept; 3 is in full.
    expect(yield* titles({ history: "full", deltas: 3 }, "8")).toEqual(["8", "7", "3", "2", "1"])
  })
)

it.effect("a patch that does not fit is a damaged row, not a wrong state", () =>
  Effect.gen(function* () {
    const rows = new MapEngine.Rows()
    const agent = yield* opened(rows, { history: "full", deltas: 100 })
    for (const title of ["1", "2"]) yield* agent.save({ title, tags: {}, lines: Array.from({ length: 9 }, () => long) })
    const cell = rows.of("agent:notes").get("")
    if (cell !== undefined)
      cell.past = cell.past.map((row) => ({ ...row, state: '[{"op":"remove","path":"/nothing"}]' }))
    const failed = yield* Effect.flip(Stream.runCollect(DataAgent.history(agent)))
    expect(failed).toMatchObject({ _tag: "StateCorrupt", location: "revision 1" })
  })
)
