import { expect, it } from "@effect/vitest"
import {
  Cached,
  type DataAgent,
  EntropyConstrained,
  type Family,
  Focused,
  Mapped,
  Observed,
  PersistentAgent,
  Retrying,
  SqlAgent,
  SqlDriver,
  Tenant,
  VolatileAgent
} from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Faults, Laws, type Site, type Subject } from "dgents/testing"
import { Effect, type FileSystem, Optic, Schedule, Schema, type Scope } from "effect"
import { Account, Person } from "./schemas.ts"

type Opening<A> = Effect.Effect<A, unknown, Scope.Scope | FileSystem.FileSystem>

/** A combinator over an agent, and over the same agent when it fails. */
const over = <S, A>(
  name: string,
  schema: Schema.Codec<A, unknown>,
  below: (site: Site.Site) => Opening<DataAgent.DataAgent<S>>,
  combine: (agent: DataAgent.DataAgent<S>) => DataAgent.DataAgent<A>,
  family?: (site: Site.Site) => Opening<Family.Family<A>>
): Subject<A> => ({
  name,
  schema,
  open: (site) => Effect.map(below(site), combine),
  faulty: (site, faults) =>
    Effect.map(below(site), (agent) => {
      const failing = combine(Faults.agent(agent, faults))
      // What is stored is told in the terms of the composite: of a whole, the part.
      faults.stored = combine(agent).current
      return failing
    }),
  family
})

const inMemory = <S>(schema: Schema.Codec<S, unknown>, initial?: S) =>
  VolatileAgent.make({ name: "below", schema, initial, history: "full" })

const inFile =
  <S>(schema: Schema.Codec<S, unknown>, initial?: S) =>
  (site: Site.Site) =>
    PersistentAgent.make({ path: site.path("state.json"), schema, initial, history: { bounded: 3 } })

const sql = <A, E, R>(site: Site.Site, effect: Effect.Effect<A, E, R | SqlDriver>) =>
  Effect.flatMap(SqliteDriver.make({ filename: site.path("states.db") }), (driver) =>
    Effect.provideService(effect, SqlDriver, driver)
  )

// ---------------------------------------------------------------------------------------------------------------------
// Focused

const User = Schema.Struct({
  name: Schema.String,
  seen: Schema.Date,
  account: Schema.optionalKey(Account),
  person: Schema.optionalKey(Person)
})
type User = typeof User.Type
const user: User = { name: "a", seen: new Date(0) }
const account = { lens: Optic.id<User>().optionalKey("account"), schema: Account }
const person = { lens: Optic.id<User>().optionalKey("person"), schema: Person }

Laws.suite(
  it,
  over(
    "Focused over VolatileAgent",
    Account,
    () => inMemory(User, user),
    Focused.makeOptional(account),
    () =>
      Effect.map(
        VolatileAgent.family({ name: "users", schema: User, initial: user, history: "full" }),
        Focused.familyOptional(account)
      )
  )
)

Laws.suite(it, over("Focused over PersistentAgent", Person, inFile(User, user), Focused.makeOptional(person)))

it.live("Focused over Focused over SqlAgent keeps every law but one, of what other processes leave as it is", () =>
  Effect.gen(function* () {
    const subject = over(
      "Focused over Focused over SqlAgent",
      Account,
      (site) =>
        Effect.map(
          sql(
            site,
            SqlAgent.make({
              name: "focused",
              schema: Schema.Struct({ user: User }),
              initial: { user },
              history: { bounded: 2 }
            })
          ),
          Focused.make({ lens: Optic.id<{ readonly user: User }>().key("user"), schema: User })
        ),
      Focused.makeOptional(account)
    )
    // A commit of another process that leaves the part as it is cannot be told from one of a part beside it.
    const laws = Laws.names.filter((name) => name !== "changes tell of the commits of other processes")
    // Each failure would open a database, of which there are many; the other subjects try them all.
    const report = yield* Laws.check({ ...subject, faulty: undefined }, { laws })
    expect(report.outcomes.filter(({ _tag }) => _tag === "Kept").length).toBeGreaterThan(12)
  })
)

it.live("Focused, on a part that is always there, keeps the laws that do not delete", () =>
  Effect.gen(function* () {
    const Whole = Schema.Struct({ account: Account, name: Schema.String })
    const initial = { account: { owner: "", balance: 0, opened: new Date(0), tags: [] }, name: "whole" }
    const lens = Optic.id<typeof Whole.Type>().key("account")
    const subject = over(
      "Focused, always there",
      Account,
      () => inMemory(Whole, initial),
      Focused.make({ lens, schema: Account })
    )
    const laws = Laws.names.filter((name) =>
      /round trip|aliasing|closing is typed|modify|increments|compareAndSave|hostile values/.test(name)
    )
    expect(laws.length).toBeGreaterThan(5)
    yield* Laws.check(subject, { laws })
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// Mapped

const Shown = Schema.Struct({
  whose: Schema.Struct({ owner: Schema.String, tags: Schema.ReadonlyMap(Schema.Number, Schema.String) }),
  money: Schema.Tuple([Schema.Number, Schema.Date])
})
const Stored = Schema.Struct({
  owner: Schema.String,
  balance: Schema.Number,
  opened: Schema.Date,
  tags: Schema.Array(Schema.Tuple([Schema.Number, Schema.String]))
})
const shown = {
  schema: Shown,
  iso: Optic.makeIso<typeof Stored.Type, typeof Shown.Type>(
    ({ balance, opened, owner, tags }) => ({ whose: { owner, tags: new Map(tags) }, money: [balance, opened] }),
    ({ money: [balance, opened], whose: { owner, tags } }) => ({ owner, balance, opened, tags: [...tags] })
  )
}

const stored = {
  lens: Optic.id<{ readonly stored?: typeof Stored.Type }>().optionalKey("stored"),
  schema: Stored
}

Laws.suite(
  it,
  over(
    "Mapped over VolatileAgent",
    Shown,
    () => inMemory(Stored),
    Mapped.make(shown),
    () => Effect.map(VolatileAgent.family({ name: "mapped", schema: Stored, history: "full" }), Mapped.family(shown))
  )
)

Laws.suite(it, over("Mapped over PersistentAgent", Shown, inFile(Stored), Mapped.make(shown)))

Laws.suite(
  it,
  over(
    "EntropyConstrained over Mapped over Focused over VolatileAgent",
    Shown,
    () => inMemory(Schema.Struct({ stored: Schema.optionalKey(Stored) }), {}),
    (agent) => agent.pipe(Focused.makeOptional(stored), Mapped.make(shown), EntropyConstrained.make({ maxBytes: 200 }))
  )
)

// ---------------------------------------------------------------------------------------------------------------------
// Retrying

const atOnce = { schedule: Schedule.recurs(3) }

Laws.suite(
  it,
  over(
    "Retrying over VolatileAgent",
    Account,
    () => inMemory(Account),
    Retrying.make(atOnce),
    () =>
      Effect.map(VolatileAgent.family({ name: "retrying", schema: Account, history: "full" }), Retrying.family(atOnce))
  )
)

Laws.suite(it, over("Retrying over PersistentAgent", Account, inFile(Account), Retrying.make(atOnce)))

// ---------------------------------------------------------------------------------------------------------------------
// Observed

// Failures are what the laws make; nobody wants to read of each.
const quiet = { logs: false }

Laws.suite(
  it,
  over(
    "Observed over VolatileAgent",
    Account,
    () => inMemory(Account),
    Observed.make(quiet),
    () =>
      Effect.map(VolatileAgent.family({ name: "observed", schema: Account, history: "full" }), Observed.family(quiet))
  )
)

Laws.suite(it, over("Observed over PersistentAgent", Account, inFile(Account), Observed.make(quiet)))

// ---------------------------------------------------------------------------------------------------------------------
// Tenant

Laws.suite(it, {
  name: "Tenant over VolatileAgent",
  schema: Account,
  open: () =>
    Effect.map(VolatileAgent.family({ name: "tenants", schema: Account, history: "full" }), (family) =>
      Tenant.of(family, "a/b%").at("state")
    ),
  family: () =>
    Effect.map(VolatileAgent.family({ name: "tenants", schema: Account, history: "full" }), Tenant.of("a/b%"))
})

Laws.suite(it, {
  name: "Tenant over SqlAgent",
  schema: Account,
  open: (site) =>
    Effect.map(sql(site, SqlAgent.family({ name: "tenants", schema: Account, history: { bounded: 2 } })), (family) =>
      Tenant.of(family, "acme").at("state")
    ),
  family: (site) => Effect.map(sql(site, SqlAgent.family({ name: "tenants", schema: Account })), Tenant.of("acme"))
})

// ---------------------------------------------------------------------------------------------------------------------
// All of them

Laws.suite(it, {
  name: "Of a tenant: cached, constrained, mapped, focused, retrying, observed, over VolatileAgent",
  schema: Shown,
  open: () =>
    Effect.gen(function* () {
      const below = yield* VolatileAgent.family({
        name: "all",
        schema: Schema.Struct({ stored: Schema.optionalKey(Stored) }),
        initial: {},
        history: "full"
      })
      const cached = yield* below.pipe(
        Observed.family(quiet),
        Retrying.family(atOnce),
        Focused.familyOptional(stored),
        Mapped.family(shown),
        EntropyConstrained.family({ maxBytes: 200 }),
        Cached.family()
      )
      return Tenant.of(cached, "acme").at("state")
    })
})
