import { NodeFileSystem } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { Cached, EntropyConstrained, PersistentAgent, VolatileAgent } from "dgents"
import { Laws } from "dgents/testing"
import { Effect } from "effect"
import { Account, Person } from "./schemas.ts"

Laws.suite(it, {
  name: "Cached over VolatileAgent",
  schema: Account,
  open: () => Effect.flatMap(VolatileAgent.make({ name: "cached", schema: Account, history: "full" }), Cached.make())
})

Laws.suite(it, {
  name: "Cached over PersistentAgent",
  schema: Person,
  open: (site) =>
    PersistentAgent.make({ path: site.path("state.json"), schema: Person, history: { bounded: 3 } }).pipe(
      Effect.flatMap((agent) => Cached.make(agent)),
      Effect.provide(NodeFileSystem.layer)
    )
})

Laws.suite(it, {
  name: "EntropyConstrained over VolatileAgent, without a limit",
  schema: Account,
  open: () =>
    Effect.map(VolatileAgent.make({ name: "unlimited", schema: Account, history: "full" }), (agent) =>
      EntropyConstrained.make(agent, { maxBytes: Number.POSITIVE_INFINITY })
    )
})

Laws.suite(it, {
  name: "EntropyConstrained over VolatileAgent, with a limit",
  schema: Account,
  open: () =>
    Effect.map(VolatileAgent.make({ name: "limited", schema: Account, history: { bounded: 2 } }), (agent) =>
      EntropyConstrained.make(agent, { maxBytes: 120 })
    )
})
