/** SqlAgent on PGlite. One instance for all cases, since it takes seconds to start. */
import { PGlite } from "@electric-sql/pglite"
import { SqlAgent, SqlDriver } from "dgents"
import { PgliteDriver } from "dgents/postgres"
import type { Subject } from "dgents/testing"
import { Effect, type Schema } from "effect"
import { Person } from "./schemas.ts"

let instance: Promise<PGlite> | undefined
let sites = 0

const onInstance = <A, E, R>(open: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    instance ??= PGlite.create()
    const driver = yield* PgliteDriver.make({ instance: yield* Effect.promise(() => instance ?? PGlite.create()) })
    return yield* Effect.provideService(open, SqlDriver, driver)
  })

const history = { bounded: 3 } as const

const agent = <S>(schema: Schema.Codec<S, unknown>, name: string) =>
  onInstance(SqlAgent.make({ name, schema, history }))

export const persons: Subject<Person> = {
  name: "SqlAgent on PGlite of class instances, three kept",
  schema: Person,
  open: (site) =>
    agent(
      Person,
      site.memory("name", () => `persons ${sites++}`)
    ),
  family: (site) =>
    onInstance(SqlAgent.family({ name: site.memory("name", () => `persons ${sites++}`), schema: Person, history })),
  openAs: (site, schema) =>
    agent(
      schema,
      site.memory("name", () => `persons ${sites++}`)
    )
}
