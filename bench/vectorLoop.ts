/**
 * How long the event loop is kept from turning while many items are added to a memory at once, and while it is searched by many fibers.
 *
 *     npm run bench:add -- [ITEMS]
 *
 * Delays of the loop in milliseconds as `monitorEventLoopDelay` sees them (it looks once a millisecond, which is part of each
 * figure). The embedder takes its vectors from a table, so that it is not what is measured.
 */
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { NodeRuntime } from "@effect/platform-node"
import { Embedder, SqlAgent, SqlDriver, VectorAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Console, Effect, Schema } from "effect"
import { temporaryDirectory } from "./harness.ts"

const items = Number(process.argv[2] ?? 10_000)
const dimension = 384
const rounds = 5
const searches = 640

const Note = Schema.Struct({ text: Schema.String, at: Schema.Number })

const vectors = Array.from({ length: 64 }, () => Float32Array.from({ length: dimension }, () => Math.random() - 0.5))
const embedder = Embedder.fromFunction({
  identity: "table",
  dimension,
  embed: (texts) => Effect.succeed(texts.map((text) => vectors[text.length % 64] ?? new Float32Array(dimension)))
})

const millis = (nanos: number): string => `${(nanos / 1e6).toFixed(1)} ms`

/** Runs something, and prints what the loop had to wait meanwhile. */
const watched = <A, E, R>(name: string, work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    yield* Effect.sleep("200 millis")
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const begun = performance.now()
    yield* work
    const took = performance.now() - begun
    // The longest wait is noted when it is over.
    yield* Effect.sleep("20 millis")
    delay.disable()
    yield* Console.log(
      `${name} in ${Math.round(took)} ms: p50 ${millis(delay.percentile(50))}, p99 ${millis(delay.percentile(99))}, max ${millis(delay.max)}`
    )
  })

const measure = Effect.gen(function* () {
  const driver = yield* SqliteDriver.make({ filename: join(yield* temporaryDirectory, "notes.db") })
  const notes = yield* VectorAgent.make({
    name: "notes",
    schema: Note,
    text: (note) => note.text,
    items: (schema) => Effect.provideService(SqlAgent.family({ name: "notes", schema }), SqlDriver, driver)
  })
  yield* notes.add("first", { text: "first", at: 0 })
  for (let round = 0; round < rounds; round++) {
    const entries = Array.from(
      { length: items },
      (_, i) => [`${round} ${i}`, { text: "a note ".repeat(1 + (i % 60)), at: i }] as const
    )
    yield* watched(`${items} items added`, notes.addMany(entries))
  }
  // Each search compares with all items, and 64 of them wait for each other.
  const search = (i: number) => notes.search({ vector: vectors[i % 64] ?? new Float32Array(dimension) })
  const numbers = Array.from({ length: searches }, (_, i) => i)
  const all = Effect.forEach(numbers, search, { concurrency: 64, discard: true })
  for (let round = 0; round < rounds; round++)
    yield* watched(`${searches} searches of ${rounds * items} items, 64 at once`, all)
}).pipe(Effect.provideService(Embedder.Embedder, embedder), Effect.scoped)

NodeRuntime.runMain(measure)
