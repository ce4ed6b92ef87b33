// Moves numbers between the keys of a family, and counts what it moved, until killed; prints each count that was acknowledged.
import { writeSync } from "node:fs"
import { SqlAgent, Transactional } from "dgents"
import { PostgresDriver } from "dgents/postgres"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Schema } from "effect"

const [place = ""] = process.argv.slice(2)
const Counter = Schema.Struct({ n: Schema.Number })

const main = Effect.gen(function* () {
  const keys = Transactional.family(
    yield* SqlAgent.family({ name: "accounts", schema: Counter, initial: { n: 0 }, history: "full" })
  )
  const count = Transactional.make(yield* SqlAgent.make({ name: "count", schema: Counter, initial: { n: 0 } }))
  for (let i = 1; ; i++) {
    const [from, to] = [`k${i % 3}`, `k${(i + 1) % 3}`]
    const moved = Effect.gen(function* () {
      yield* keys.at(from).update(({ n }) => ({ n: n - i }))
      yield* keys.at(to).update(({ n }) => ({ n: n + i }))
      return yield* count.update(({ n }) => ({ n: n + 1 }))
    })
    const { n } = yield* Transactional.run(moved)
    writeSync(1, `${n}\n`)
  }
})

const driver = place.startsWith("postgres")
  ? PostgresDriver.layer({ url: place })
  : SqliteDriver.layer({ filename: place })
await Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(driver)))
