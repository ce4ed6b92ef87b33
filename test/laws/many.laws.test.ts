import { it } from "@effect/vitest"
import { type DataAgent, Fallback, type Family, Mirrored, PersistentAgent, VolatileAgent } from "dgents"
import { Faults, Laws, type Site, type Subject } from "dgents/testing"
import { Effect, type FileSystem, type Schema, type Scope } from "effect"
import { Account } from "./schemas.ts"

type State = typeof Account.Type
type Agent = DataAgent.DataAgent<State>
type Opening<A> = Effect.Effect<A, unknown, Scope.Scope | FileSystem.FileSystem>
type Open = <S>(schema: Schema.Codec<S, unknown>) => Opening<DataAgent.DataAgent<S>>

const memory =
  (name: string): Open =>
  (schema) =>
    VolatileAgent.make({ name, schema, history: "full" })

const file =
  (site: Site.Site, name: string): Open =>
  (schema) =>
    PersistentAgent.make({ path: site.path(`${name}.json`), schema, history: { bounded: 3 } })

const families = (name: string) => VolatileAgent.family({ name, schema: Account, history: "full" })

const familyInMemory = <S>(schema: Schema.Codec<S, unknown>) => VolatileAgent.family({ name: "other", schema })

/** What fails of the agents below: the one that decides, or the one that helps. */
type Failing = "first" | "second" | "both"

/** A combinator over several agents, and over the same agents when some of them fail. */
const over = (
  name: string,
  open: (site: Site.Site, name: string) => Open,
  failing: Failing,
  combine: (first: Agent, open: (name: string) => Open) => Opening<Agent>,
  family?: (first: Family.Family<State>) => Opening<Family.Family<State>>
): Subject<State> => ({
  name: `${name}, of which ${failing} may fail`,
  schema: Account,
  open: (site) => Effect.flatMap(open(site, "first")(Account), (first) => combine(first, (name) => open(site, name))),
  faulty: (site, faults) =>
    Effect.gen(function* () {
      const first = yield* open(site, "first")(Account)
      const combined = yield* combine(
        failing === "second" ? first : Faults.agent(first, faults),
        (name) => (schema) => {
          const opened = open(site, name)(schema)
          return failing === "first" ? opened : Effect.map(opened, (agent) => Faults.agent(agent, faults))
        }
      )
      // What is stored is told by whichever of them stands for the others.
      faults.stored = undefined
      return combined
    }),
  family: family === undefined ? undefined : () => Effect.flatMap(families("first"), family)
})

/** What files add to the laws over memory. How many are open depends on which agents were needed. */
const ofFiles = Laws.names.filter((name) => /reopen|crash|fail(s|ing)?\b|closing/.test(name) && !/I\/O/.test(name))

const fallback = (first: Agent, open: (name: string) => Open) =>
  Fallback.make(first, { second: open("second"), retryAfter: 0, logs: false })

const mirrored =
  (options: Pick<Mirrored.Options<never, never, never>, "quorum" | "read">) =>
  (first: Agent, open: (name: string) => Open) =>
    Mirrored.make(first, { followers: [open("second"), open("third")], ...options })

Laws.suite(
  it,
  over(
    "Fallback over agents in memory",
    () => memory("memory"),
    "first",
    fallback,
    (first) => Fallback.family(first, { second: familyInMemory, logs: false })
  )
)
Laws.suite(
  it,
  over("Fallback over agents in memory", () => memory("memory"), "both", fallback),
  { laws: Laws.names.filter((name) => /backend/.test(name)) }
)
Laws.suite(it, over("Fallback over agents in files", file, "first", fallback), { laws: ofFiles })

Laws.suite(
  it,
  over(
    "Mirrored over agents in memory",
    () => memory("memory"),
    "second",
    mirrored({}),
    (first) => Mirrored.family(first, { followers: [familyInMemory, familyInMemory] })
  )
)
Laws.suite(
  it,
  over(
    "Mirrored over agents in memory, read by quorum",
    () => memory("memory"),
    "both",
    mirrored({ read: "quorum" }),
    (first) => Mirrored.family(first, { followers: [familyInMemory, familyInMemory], read: "quorum" })
  )
)
Laws.suite(it, over("Mirrored over agents in files, read by quorum", file, "both", mirrored({ read: "quorum" })), {
  // Of two failing copies in files there are too many requests to try each.
  laws: ofFiles.filter((name) => !/every request/.test(name))
})
