// A program depends on a state, not on a backend: a layer decides where the state lives and what stands around it.
import { Cached, DataAgent, EntropyConstrained, SqlAgent, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Console, Effect, Layer, Schema } from "effect"

const Notes = Schema.Struct({ notes: Schema.Array(Schema.String) })
const options = { name: "notebook", schema: Notes, initial: { notes: [] } }

class Notebook extends DataAgent.Service<Notebook, typeof Notes.Type>()("app/Notebook") {}

/** The program: it asks for a Notebook and knows nothing of files or databases. */
const remember = (note: string) =>
  Effect.flatMap(Notebook, (notebook) => notebook.update(({ notes }) => ({ notes: [...notes, note] })))

// In tests: memory.
const inMemory = VolatileAgent.layer(Notebook, options)

// In production: SQLite, read from memory, at most 2 000 bytes.
const inProduction = Layer.effect(
  Notebook,
  Effect.gen(function* () {
    const stored = yield* SqlAgent.make(options)
    const cached = yield* Cached.make(stored)
    return EntropyConstrained.make(cached, { maxBytes: 2_000 })
  })
).pipe(Layer.provide(SqliteDriver.layer({ filename: ":memory:" })))

const main = Effect.gen(function* () {
  yield* remember("buy milk")
  const { notes } = yield* remember("call Ada")
  yield* Console.log(notes.join(", "))
  const tooLarge = yield* Effect.flip(remember("x".repeat(3_000)))
  yield* Console.log(`${tooLarge._tag}: the notebook is as it was`)
})

export const program = Effect.gen(function* () {
  yield* Effect.provide(remember("only here"), inMemory)
  yield* Effect.provide(main, inProduction)
})

if (import.meta.main) await Effect.runPromise(program)
