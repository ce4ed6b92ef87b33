import { it } from "@effect/vitest"
import { Cached, type DataAgent, EntropyConstrained, type EventLog, MemoryLog, StreamAgent, StreamLog } from "dgents"
import { Laws, type Site } from "dgents/testing"
import { Effect, Option, Schema, Scope } from "effect"
import { Account, Person, Rich } from "./schemas.ts"

/** A log that a site keeps while its agents come and go. */
const logOf = (site: Site.Site): EventLog.Log =>
  site.memory("log", () => Effect.runSync(Scope.provide(MemoryLog.make, Scope.makeUnsafe())))

const open = <E, S>(site: Site.Site, options: StreamAgent.Options<E, S>) =>
  Effect.provideService(StreamAgent.make(options), StreamLog, logOf(site))

/** A stream of states that were set, one event a save: the least that an adapter can be. */
const set = <S>(site: Site.Site, schema: Schema.Codec<S, unknown>, initial: S) => {
  const Set = Schema.TaggedStruct("Set", { state: schema })
  const stream = open<typeof Set.Type, S>(site, {
    name: "set",
    events: Set,
    state: schema,
    initial,
    fold: (_, { state }) => state
  })
  return Effect.map(stream, (stream) =>
    StreamAgent.asDataAgent(stream, { diff: (_, state) => [{ _tag: "Set" as const, state }] })
  )
}

const run = <S>(
  name: string,
  schema: Schema.Codec<S, unknown>,
  initial: S,
  combine: (agent: DataAgent.DataAgent<S>) => Effect.Effect<DataAgent.DataAgent<S>, never, Scope.Scope> = Effect.succeed
) =>
  Laws.suite(it, {
    name: `StreamAgent as a DataAgent of ${name}`,
    schema,
    open: (site) => Effect.flatMap(set(site, schema, initial), combine)
  })

const account: typeof Account.Type = { owner: "", balance: 0, opened: new Date(0), tags: [] }

run("accounts", Account, account)

run("class instances", Person, new Person({ name: "", born: new Date(0), friends: [] }))

run("all kinds of values", Rich, {
  number: 0,
  text: "",
  date: new Date(0),
  big: 0n,
  blobs: new Map<string, Uint8Array<ArrayBuffer>>(),
  seen: new Set<number>(),
  scores: {},
  maybe: Option.none()
})

run("accounts, Cached", Account, account, Cached.make())

run("accounts, EntropyConstrained", Account, account, (agent) =>
  Effect.succeed(EntropyConstrained.make(agent, { maxBytes: 200 }))
)
