import { it } from "@effect/vitest"
import { type DataAgent, Fallback, PersistentAgent, VolatileAgent } from "dgents"
import { Faults, Laws, type Site, type Subject } from "dgents/testing"
import { Effect, type FileSystem, type Schema, type Scope } from "effect"
import { Account } from "./schemas.ts"

type Account = typeof Account.Type
type Opening<A> = Effect.Effect<A, unknown, Scope.Scope | FileSystem.FileSystem>

// ---------------------------------------------------------------------------------------------------------------------
// Fallback

const inMemory = VolatileAgent.make({ name: "first", schema: Account, history: "full" })
const inFile = (site: Site.Site) =>
  PersistentAgent.make({ path: site.path("first.json"), schema: Account, history: { bounded: 3 } })

const standby = <S>(schema: Schema.Codec<S, unknown>) => VolatileAgent.make({ name: "second", schema })
const standbyFile =
  (site: Site.Site) =>
  <S>(schema: Schema.Codec<S, unknown>) =>
    PersistentAgent.make({ path: site.path("second.json"), schema })

const fallen = (
  name: string,
  first: (site: Site.Site) => Opening<DataAgent.DataAgent<Account>>,
  over: (site: Site.Site) => (agent: DataAgent.DataAgent<Account>) => Opening<Fallback.Fallback<Account>>,
  family?: Subject<Account>["family"]
): Subject<Account> => ({
  name,
  schema: Account,
  open: (site) => Effect.flatMap(first(site), over(site)),
  faulty: (site, faults) =>
    Effect.flatMap(first(site), (agent) =>
      Effect.map(over(site)(Faults.agent(agent, faults)), (fallback) => {
        // What is stored is told by whichever of the two stands for the other.
        faults.stored = fallback.current
        return fallback
      })
    ),
  family
})

Laws.suite(
  it,
  fallen(
    "Fallback over VolatileAgent and VolatileAgent",
    () => inMemory,
    () => Fallback.make({ second: standby, retryAfter: 0 }),
    () =>
      Effect.flatMap(
        VolatileAgent.family({ name: "first", schema: Account, history: "full" }),
        Fallback.family({ second: (schema) => VolatileAgent.family({ name: "second", schema }) })
      )
  )
)

Laws.suite(
  it,
  fallen("Fallback over PersistentAgent and PersistentAgent", inFile, (site) =>
    Fallback.make({ second: standbyFile(site), retryAfter: 0 })
  )
)
