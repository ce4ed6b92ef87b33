// Where it is kept: in one SQLite file, or in Postgres (DATABASE_URL); what ends by itself in Redis, if there is one (REDIS_URL).
// The assistant knows nothing of it.
import { Cached, Embedder, Family, RedisAgent, SqlAgent, SqlLog, Tenant, Versioned } from "dgents"
import { PostgresDriver } from "dgents/postgres"
import { IoredisDriver } from "dgents/redis"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Layer, Redacted } from "effect"
import { Conversation, Offers, type Profile, profileVersions, Search, Session } from "./model.ts"

export class Profiles extends Family.Service<Profiles, Profile>()("travel/Profiles") {}
export class Conversations extends Family.Service<Conversations, Conversation>()("travel/Conversations") {}
export class Searches extends Family.Service<Searches, typeof Search.Type>()("travel/Searches") {}
export class Sessions extends Family.Service<Sessions, typeof Session.Type>()("travel/Sessions") {}
export class OffersKept extends Family.Service<OffersKept, typeof Offers.Type>()("travel/OffersKept") {}

// What is read often, is in memory too, and hears of what other processes write. Each tenant sees its own.
const profiles = Effect.gen(function* () {
  const stored = yield* SqlAgent.family({ name: "profiles", schema: Versioned.make(profileVersions) })
  return Tenant.make(yield* Cached.family(stored))
})

const conversations = Effect.gen(function* () {
  const stored = yield* SqlAgent.family({ name: "conversations", schema: Conversation, initial: { messages: [] } })
  return Tenant.make(yield* Cached.family(stored))
})

const searches = SqlAgent.family({ name: "searches", schema: Search })

const inSql = Layer.mergeAll(
  Layer.effect(Profiles, profiles),
  Layer.effect(Conversations, conversations),
  Layer.effect(Searches, Effect.map(searches, Tenant.make)),
  SqlLog.layer
)

const sessions = { name: "sessions", schema: Session }
const offers = { name: "offers", schema: Offers }

// Each says until when it is good, which the assistant looks at; Redis removes it as well.
const endingInSql = Layer.mergeAll(
  Layer.effect(Sessions, Effect.map(SqlAgent.family(sessions), Tenant.make)),
  Layer.effect(OffersKept, Effect.map(SqlAgent.family(offers), Tenant.make))
)

const endingInRedis = (url: string) =>
  Layer.mergeAll(
    Layer.effect(
      Sessions,
      Effect.map(RedisAgent.family({ ...sessions, expire: { after: "30 minutes" } }), Tenant.make)
    ),
    Layer.effect(OffersKept, Effect.map(RedisAgent.family({ ...offers, expire: { after: "5 minutes" } }), Tenant.make))
  ).pipe(Layer.provide(IoredisDriver.layer({ url })))

export const storage = (file: string) => {
  const { DATABASE_URL, REDIS_URL } = process.env
  const database =
    DATABASE_URL === undefined
      ? SqliteDriver.layer({ filename: file })
      : PostgresDriver.layer({ url: Redacted.make(DATABASE_URL) })
  const ending = REDIS_URL === undefined ? endingInSql : endingInRedis(REDIS_URL)
  return Layer.mergeAll(inSql, ending, Embedder.layerLexical()).pipe(Layer.provideMerge(database))
}
