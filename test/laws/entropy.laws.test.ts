import { it } from "@effect/vitest"
import { type DataAgent, EntropyConstrained, VolatileAgent } from "dgents"
import { Faults, Laws } from "dgents/testing"
import { Effect } from "effect"
import { Account } from "./schemas.ts"

type State = typeof Account.Type

/** Keeps the newest half of the tags. */
const shrink = (account: State): State => ({ ...account, tags: account.tags.slice(account.tags.length / 2) })

const limited = (agent: DataAgent.DataAgent<State>) =>
  EntropyConstrained.make(agent, { maxEntries: 8, maxLevels: 2, maxBytes: 400 })

// With limits that no state of the suite reaches, where what is loaded is what was saved.
const roomy = EntropyConstrained.make<State>({ maxBytes: 1e9, maxEntries: 1e6, maxLevels: 100, shrink })

Laws.suite(it, {
  name: "EntropyConstrained of bytes, entries and levels over VolatileAgent",
  schema: Account,
  open: () => Effect.map(VolatileAgent.make({ name: "limited", schema: Account, history: "full" }), limited),
  faulty: (_, faults) =>
    Effect.map(VolatileAgent.make({ name: "limited", schema: Account, history: "full" }), (agent) =>
      limited(Faults.agent(agent, faults))
    ),
  family: () =>
    Effect.map(
      VolatileAgent.family({ name: "limited", schema: Account, history: "full" }),
      EntropyConstrained.family({ maxEntries: 8, maxLevels: 2 })
    )
})

Laws.suite(it, {
  name: "EntropyConstrained that shrinks, over VolatileAgent",
  schema: Account,
  open: () => Effect.map(VolatileAgent.make({ name: "roomy", schema: Account, history: { bounded: 3 } }), roomy)
})
