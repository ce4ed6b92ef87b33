import { it } from "@effect/vitest"
import { VolatileAgent } from "dgents"
import { Laws } from "dgents/testing"
import type { Schema } from "effect"
import { Account, Person, Rich, Tree } from "./schemas.ts"

const run = <S>(name: string, schema: Schema.Codec<S, unknown>, history: VolatileAgent.Options<S>["history"]) =>
  Laws.suite(it, {
    name: `VolatileAgent of ${name}`,
    schema,
    claims: VolatileAgent.claims({ history }),
    open: () => VolatileAgent.make({ name, schema, history }),
    family: () => VolatileAgent.family({ name, schema, history })
  })

run("accounts, full history", Account, "full")
run("all kinds of values, no history", Rich, "none")
run("class instances, three kept", Person, { bounded: 3 })
run("trees, full history", Tree, "full")

Laws.suite(it, {
  name: "VolatileAgent with an initial state",
  schema: Account,
  open: () =>
    VolatileAgent.make({
      name: "initial",
      schema: Account,
      initial: { owner: "", balance: -0, opened: new Date(0), tags: [] }
    })
})
