// Run where there is little room: saves until there is none, makes some, and prints what came of it.
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { SqlAgent, SqlDriver, type StateError } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, Schema } from "effect"

const [directory = ""] = process.argv.slice(2)
const filler = join(directory, "filler")
// Without a listener the signal that comes with a file that is too large would end the process.
process.on("SIGXFSZ", () => {})

const open = Effect.gen(function* () {
  const driver = yield* SqliteDriver.make({ filename: join(directory, "a.db") })
  const schema = Schema.Struct({ s: Schema.String })
  const family = yield* Effect.provideService(SqlAgent.family({ name: "texts", schema }), SqlDriver, driver)
  return { driver, family }
})

const tagOf = <E extends StateError.StateError>(exit: Exit.Exit<unknown, E>) =>
  Exit.isSuccess(exit)
    ? Effect.succeed("saved")
    : Effect.map(Effect.flip(exit), (error) => `${error._tag}: ${error.message}`)

const main = Effect.gen(function* () {
  const { driver, family } = yield* open
  const small = family.at("small")
  yield* small.save({ s: "before" })
  // Small ones first, which want room in the log, with less left than they want.
  writeFileSync(filler, "x".repeat(500_000))
  let acknowledged = "before"
  const alone = new Set<string>()
  for (let n = 0; n < 300; n++) {
    const exit = yield* Effect.exit(small.save({ s: `${n}` }))
    if (Exit.isSuccess(exit)) acknowledged = `${n}`
    alone.add(yield* tagOf(exit))
  }
  const kept = (yield* small.load).s === acknowledged
  const together = yield* Effect.forEach(
    Array.from({ length: 64 }, (_, n) => `k${n}`),
    (key) => Effect.flatMap(Effect.exit(family.at(key).save({ s: "y".repeat(50_000) })), tagOf),
    { concurrency: "unbounded" }
  )
  rmSync(filler)
  const again = yield* tagOf(yield* Effect.exit(small.save({ s: "after" })))
  return { alone: [...alone], kept, together: [...new Set(together)], again, integrity: yield* driver.integrity }
})

const answer = await Effect.runPromise(Effect.scoped(main))
const reopened = await Effect.runPromise(
  Effect.scoped(Effect.flatMap(open, ({ family }) => Effect.map(family.at("small").load, ({ s }) => s)))
)
process.stdout.write(JSON.stringify({ ...answer, reopened }))
