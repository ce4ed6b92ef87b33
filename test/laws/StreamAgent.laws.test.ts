import { NodeFileSystem } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { Cached, type DataAgent, EntropyConstrained, FileLog, MemoryLog } from "dgents"
import { Laws, type Site } from "dgents/testing"
import { Effect, type Schema, Scope } from "effect"
import * as Subjects from "./StreamAgent.subjects.ts"
import { Account, Person, Rich } from "./schemas.ts"

const { account, person, rich } = Subjects

/** A log that a site keeps while its agents come and go. */
const inMemory = (site: Site.Site) => ({
  name: "set",
  log: Effect.sync(() => site.memory("log", () => Effect.runSync(Scope.provide(MemoryLog.make, Scope.makeUnsafe()))))
})

const run = <S>(
  name: string,
  schema: Schema.Codec<S, unknown>,
  initial: S,
  combine: (
    agent: DataAgent.DataAgent<S>
  ) => Effect.Effect<DataAgent.DataAgent<S>, unknown, Scope.Scope> = Effect.succeed
) =>
  Laws.suite(it, {
    name: `StreamAgent as a DataAgent of ${name}`,
    schema,
    open: (site) => Effect.flatMap(Subjects.set(inMemory(site), schema, initial), combine)
  })

run("accounts", Account, account)
run("class instances", Person, person)
run("all kinds of values", Rich, rich)
run("accounts, Cached", Account, account, Cached.make())
run("accounts, EntropyConstrained", Account, account, (agent) =>
  Effect.succeed(EntropyConstrained.make(agent, { maxBytes: 200 }))
)

Laws.suite(it, Subjects.files)
// A history that is full has more and more segments: files that are left, and no leak.
Laws.suite(it, Subjects.manySegments, { laws: Laws.names.filter((law) => law !== "closing frees everything") })
Laws.suite(it, Subjects.sharedFiles)
Laws.suite(it, Subjects.sqlite)
Laws.suite(it, Subjects.sqliteEverything)
Laws.suite(it, Subjects.redis)
Laws.suite(it, Subjects.redisPersons)

// The simulated disk answers as Node's file system does; this shows that the log gets along with Node's own.
Laws.suite(it, {
  name: "StreamAgent on FileLog, on a real disk",
  schema: Account,
  open: (site) =>
    Subjects.set(
      { name: "set", log: Effect.provide(FileLog.make({ directory: site.path("log") }), NodeFileSystem.layer) },
      Account,
      account
    )
})
