/** What transactions promise for every program and every interleaving, and for processes that are killed. */
import { expect, it } from "@effect/vitest"
import {
  type Family,
  PersistentAgent,
  SqlAgent,
  SqlDriver,
  type SqlDriverService,
  Transactional,
  VolatileAgent
} from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Faults, Laws, SeededScheduler, type Site, type Subject } from "dgents/testing"
import { Effect, type Scope } from "effect"
import * as MapEngine from "../agents/sql/MapEngine.ts"
import { tempFile } from "../agents/sql/temp.ts"
import { Counter } from "../compose/support.ts"
import { check, programs } from "../compose/transactional/serializable.ts"
import { on } from "../compose/transactional.support.ts"
import { Account, Person } from "./schemas.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Outside of transactions it is the agent below

const onRows = (site: Site.Site) =>
  SqlDriver.fromEngine(MapEngine.make(site.memory("rows", () => new MapEngine.Rows())))
const below = { name: "below", schema: Account, history: "full" } as const

const inDatabase: Subject<typeof Account.Type> = {
  name: "Transactional over SqlAgent",
  schema: Account,
  open: (site) => Effect.map(on(onRows(site))(SqlAgent.make(below)), Transactional.make),
  family: (site) => Effect.map(on(onRows(site))(SqlAgent.family(below)), Transactional.family)
}

const inFile: Subject<typeof Person.Type> = {
  name: "Transactional over PersistentAgent",
  schema: Person,
  open: (site) =>
    Effect.map(
      PersistentAgent.make({ path: site.path("state.json"), schema: Person, history: { bounded: 3 } }),
      Transactional.make
    ),
  faulty: (site, faults) =>
    Effect.map(
      PersistentAgent.make({ path: site.path("state.json"), schema: Person, history: { bounded: 3 } }),
      (agent) => Transactional.make(Faults.agent(agent, faults))
    )
}

Laws.suite(it, inDatabase)
Laws.suite(it, inFile)

// ---------------------------------------------------------------------------------------------------------------------
// Inside, each transaction is as if it were alone

const initial = { n: 0 }
const family = (driver: SqlDriverService) =>
  Effect.map(on(driver)(SqlAgent.family({ name: "counters", schema: Counter, initial })), Transactional.family)

/** The families of two drivers, which share what is stored and nothing else. */
const twice = (driver: Effect.Effect<SqlDriverService, unknown, Scope.Scope>) =>
  Effect.map(
    Effect.all([Effect.flatMap(driver, family), Effect.flatMap(driver, family)]),
    ([one, other]) => [one, other] as const
  )

type Families = readonly [Family.Family<Counter>, ...ReadonlyArray<Family.Family<Counter>>]

const storages: ReadonlyArray<
  readonly [where: string, seeds: number, open: Effect.Effect<Families, unknown, Scope.Scope>]
> = [
  [
    "in memory",
    300,
    Effect.map(
      VolatileAgent.family({ name: "counters", schema: Counter, initial }),
      (family) => [Transactional.family(family)] as const
    )
  ],
  [
    "on maps that two drivers share",
    300,
    Effect.suspend(() => {
      const rows = new MapEngine.Rows()
      return twice(Effect.sync(() => SqlDriver.fromEngine(MapEngine.make(rows))))
    })
  ],
  [
    "in a SQLite file that two drivers share",
    20,
    Effect.flatMap(tempFile, (filename) => twice(SqliteDriver.make({ filename })))
  ]
]

for (const [where, seeds, open] of storages)
  it.live(`concurrent transactions are strictly serializable (${where})`, () =>
    Effect.forEach(
      Array.from({ length: seeds }, (_, seed) => seed),
      (seed) =>
        Effect.scoped(Effect.flatMap(open, (families) => check(families, programs(seed)))).pipe(
          SeededScheduler.provide(seed),
          Effect.map((holds) => expect([seed, holds]).toEqual([seed, true]))
        ),
      { discard: true }
    )
  )
