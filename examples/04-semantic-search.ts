// Semantic memory: items found by what they say. They live in any family, so that they survive a restart.
import { Embedder, SqlAgent, VectorAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Console, Effect, Layer, Schema } from "effect"

const Trip = Schema.Struct({ city: Schema.String, year: Schema.Int, notes: Schema.String })

export const program = Effect.gen(function* () {
  const trips = yield* VectorAgent.make({
    name: "trips",
    schema: Trip,
    text: (trip) => `${trip.city}. ${trip.notes}`,
    items: (schema) => SqlAgent.family({ name: "trips", schema })
  })

  yield* trips.addMany([
    ["1", { city: "Lisbon", year: 2023, notes: "Trams, tiles and grilled sardines by the river" }],
    ["2", { city: "Kyoto", year: 2024, notes: "Temples, moss gardens and a quiet tea ceremony" }],
    ["3", { city: "Oslo", year: 2025, notes: "Fjords, snow and a museum of ships" }]
  ])

  const hits = yield* trips.search({ text: "gardens and temples", k: 2 })
  for (const hit of hits) yield* Console.log(`${hit.score.toFixed(2)} ${hit.item.city}`)

  const recent = yield* trips.search({ text: "a ship in a museum", k: 1, filter: (trip) => trip.year >= 2024 })
  yield* Console.log(`since 2024: ${recent[0]?.item.city}`)
}).pipe(
  Effect.scoped,
  // The built-in embedder compares words and word parts. For meaning, provide one around a model.
  Effect.provide(Layer.mergeAll(SqliteDriver.layer({ filename: ":memory:" }), Embedder.layerLexical()))
)

if (import.meta.main) await Effect.runPromise(program)
