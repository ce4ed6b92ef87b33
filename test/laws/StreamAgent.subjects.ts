/** Streams as DataAgents, on logs that are there after their agents close, where other processes find them too. */
import { createHash } from "node:crypto"
import { NodeFileSystem } from "@effect/platform-node"
import { type DataAgent, FileLog, RedisDriver, RedisLog, SqlDriver, SqlLog, StreamAgent, StreamLog } from "dgents"
import { IoredisDriver } from "dgents/redis"
import { SqliteDriver } from "dgents/sqlite"
import type { Site, Subject } from "dgents/testing"
import { Effect, type FileSystem, Option, Schema, type Scope } from "effect"
import * as Server from "../agents/redis/server.ts"
import { once } from "./redisSubject.ts"
import { Account, Person, Rich } from "./schemas.ts"

/** A log at a site, and the name of the stream there. */
interface At {
  readonly log: Effect.Effect<StreamLog["Service"], unknown, Scope.Scope | FileSystem.FileSystem>
  readonly name: string
}

/** A stream of states that were set, one event a save: the least that an adapter can be. */
export const set = <S>(
  { log, name }: At,
  schema: Schema.Codec<S, unknown>,
  initial: S
): Effect.Effect<DataAgent.DataAgent<S>, unknown, Scope.Scope | FileSystem.FileSystem> => {
  const Set = Schema.TaggedStruct("Set", { state: schema })
  const stream = Effect.flatMap(log, (log) =>
    Effect.provideService(
      StreamAgent.make<typeof Set.Type, S>({
        name,
        events: Set,
        state: schema,
        initial,
        fold: (_, { state }) => state
      }),
      StreamLog,
      log
    )
  )
  return Effect.map(stream, (stream) =>
    StreamAgent.asDataAgent(stream, { diff: (_, state) => [{ _tag: "Set" as const, state }] })
  )
}

export const account: typeof Account.Type = { owner: "", balance: 0, opened: new Date(0), tags: [] }

export const person = new Person({ name: "", born: new Date(0), friends: [] })

export const rich: typeof Rich.Type = {
  number: 0,
  text: "",
  date: new Date(0),
  big: 0n,
  blobs: new Map<string, Uint8Array<ArrayBuffer>>(),
  seen: new Set<number>(),
  scores: {},
  maybe: Option.none()
}

const subject =
  (log: string, at: (site: Site.Site) => At) =>
  <S>(name: string, schema: Schema.Codec<S, unknown>, initial: S): Subject<S> => ({
    name: `StreamAgent on ${log} of ${name}`,
    schema,
    log: true,
    open: (site) => set(at(site), schema, initial)
  })

const onFiles = (options?: Omit<FileLog.Options, "directory">) => (site: Site.Site) => ({
  name: "set",
  log: FileLog.make({ ...options, directory: site.path("log") })
})

export const files = {
  ...subject("FileLog", onFiles())("accounts", Account, account),
  module: { url: import.meta.url, export: "files", layer: NodeFileSystem.layer }
}

export const manySegments = subject("FileLog, in many segments,", onFiles({ segmentBytes: 300 }))("values", Rich, rich)

export const sharedFiles = {
  ...subject("FileLog, shared by processes,", onFiles({ sharing: "host" }))("accounts", Account, account),
  module: { url: import.meta.url, export: "sharedFiles", layer: NodeFileSystem.layer }
}

const onSqlite = subject("SqlLog with SQLite", (site) => ({
  name: "set",
  log: Effect.flatMap(SqliteDriver.make({ filename: site.path("events.db") }), (driver) =>
    Effect.provideService(SqlLog.make, SqlDriver, driver)
  )
}))

export const sqlite = {
  ...onSqlite("accounts", Account, account),
  module: { url: import.meta.url, export: "sqlite" }
}

export const sqliteEverything = onSqlite("all kinds of values", Rich, rich)

const redisServer = Effect.promise(Server.shared)
// To connect takes longer than all that a case does: one driver serves all cases, which are told apart by the streams' names.
const redisDriver = once(Effect.flatMap(redisServer, ({ url }) => IoredisDriver.make({ url })))

const onRedis = subject("RedisLog", (site) => ({
  name: `set ${createHash("sha256").update(site.path("stream")).digest("hex").slice(0, 16)}`,
  log: Effect.flatMap(redisDriver, (driver) => Effect.provideService(RedisLog.make, RedisDriver, driver))
}))

export const redis = {
  ...onRedis("accounts", Account, account),
  module: { url: import.meta.url, export: "redis", settled: Effect.flatMap(redisServer, ({ settled }) => settled) }
}

export const redisPersons = onRedis("class instances", Person, person)
