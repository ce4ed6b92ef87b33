// What Redis is for: sessions that expire, search results that are kept for five minutes, and what is trending now.
// Needs a server: REDIS_URL, or one on this machine.
import { DataAgent, Ranking, RedisAgent } from "dgents"
import { IoredisDriver } from "dgents/redis"
import { Console, Effect, Optic, Option, Schema } from "effect"

const Session = Schema.Struct({ user: Schema.String, views: Schema.Int })
const views = Optic.id<typeof Session.Type>().key("views")

const Hotels = Schema.Array(Schema.Struct({ name: Schema.String, price: Schema.Finite }))

export const program = Effect.gen(function* () {
  // A session ends half an hour after it was last used, and takes all that was kept of it along.
  const sessions = yield* RedisAgent.family({
    name: "sessions",
    schema: Session,
    expire: { after: "30 minutes", from: "read" }
  })
  const ada = sessions.at("session/7f3a")
  yield* ada.save({ user: "ada", views: 0 })
  // Ten clicks at once: each is one command on the server, and none is lost.
  const clicks = Array.from({ length: 10 }, () => ada.increment(views))
  yield* Effect.all(clicks, { concurrency: "unbounded" })
  const left = Option.getOrThrow(yield* ada.timeToLive)
  yield* Console.log(`${(yield* ada.load).user} saw ${(yield* ada.load).views} pages; ${left} left at most`)

  // Results are looked up once in five minutes, whoever asks.
  const results = yield* RedisAgent.family({ name: "hotels", schema: Hotels, expire: { after: "5 minutes" } })
  const search = (city: string) =>
    Effect.gen(function* () {
      const known = yield* DataAgent.loadOption(results.at(city))
      if (Option.isSome(known)) return known.value
      yield* Console.log(`looking for hotels in ${city}`)
      const found = [{ name: `Hotel ${city}`, price: 90 }]
      yield* results.at(city).save(found)
      return found
    })
  yield* results.at("Lisbon").delete
  yield* search("Lisbon")
  yield* Console.log(`known by now: ${(yield* search("Lisbon")).map((hotel) => hotel.name)}`)

  // What is asked for most, today: one command a vote, one for the answer, however many cities there are.
  const trending = yield* Ranking.family({ name: "trending", expire: { after: "2 days" } })
  const today = trending.at("2026-11-21")
  yield* today.delete
  for (const city of ["Lisbon", "Kyoto", "Lisbon", "Oslo", "Lisbon", "Kyoto"]) yield* today.add(city)
  const top = (yield* today.top(2)).map(({ member, score }) => `${member} (${score})`)
  yield* Console.log(`trending: ${top.join(", ")}`)
}).pipe(
  Effect.scoped,
  Effect.provide(IoredisDriver.layer({ url: process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379" }))
)

if (import.meta.main) await Effect.runPromise(program)
