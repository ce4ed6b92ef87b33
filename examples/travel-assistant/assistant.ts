// What the assistant does, for the tenant and the user that it runs for.
import { DataAgent, Query, SqlAgent, StreamAgent, Tenant, VectorAgent } from "dgents"
import { DateTime, Effect, Option } from "effect"
import { bookings, type Profile, Trip } from "./model.ts"
import { Conversations, OffersKept, Profiles, Searches, Sessions } from "./storage.ts"

const now = Effect.map(DateTime.now, DateTime.toDateUtc)
const later = (from: Date, minutes: number) => new Date(from.getTime() + minutes * 60_000)

// ---------------------------------------------------------------------------------------------------------------------
// Who it is

export const register = (user: string, profile: Pick<Profile, "name" | "email">) =>
  Effect.flatMap(Profiles, (profiles) =>
    profiles.at(user).save({ ...profile, homeCity: null, preferences: {}, lastSeen: null })
  )

/** Changes some of a profile; what another device changes meanwhile stays. */
export const change = (user: string, f: (profile: Profile) => Partial<Profile>) =>
  Effect.flatMap(Profiles, (profiles) => profiles.at(user).update((profile) => ({ ...profile, ...f(profile) })))

export const signIn = (user: string, device: string) =>
  Effect.gen(function* () {
    const at = yield* now
    const session = `${user}-${device}`
    yield* (yield* Sessions).at(session).save({ user, device, until: later(at, 30) })
    yield* change(user, () => ({ lastSeen: at }))
    return session
  })

/** Whose session it is; none when it is over. */
export const whose = (session: string) =>
  Effect.gen(function* () {
    const at = yield* now
    const found = yield* DataAgent.loadOption((yield* Sessions).at(session))
    return Option.map(
      Option.filter(found, ({ until }) => until > at),
      ({ user }) => user
    )
  })

// ---------------------------------------------------------------------------------------------------------------------
// What is said

export const say = (user: string, thread: string, from: string, text: string) =>
  Effect.gen(function* () {
    const at = yield* now
    const conversation = (yield* Conversations).at(`${user}/${thread}`)
    return yield* conversation.update(({ messages }) => ({ messages: [...messages, { at, from, text }] }))
  })

/** What was said last, newest first. */
export const heard = (user: string, thread: string, limit: number) =>
  Effect.gen(function* () {
    const { messages } = yield* (yield* Conversations).at(`${user}/${thread}`).load
    return messages.toReversed().slice(0, limit)
  })

// ---------------------------------------------------------------------------------------------------------------------
// What is looked for

/** Where offers come from: here would be the call of a provider. */
const askProvider = (route: string) =>
  Effect.succeed([
    { flight: `${route}-1`, price: 90 + route.length },
    { flight: `${route}-2`, price: 140 + route.length }
  ])

/** Offers for a route: asked for once in five minutes, whoever in the tenant asks. */
export const search = (user: string, route: string) =>
  Effect.gen(function* () {
    const at = yield* now
    yield* (yield* Searches).at(`${user}/${at.toISOString()}/${route}`).save({ user, route, at })
    const kept = (yield* OffersKept).at(route)
    const known = Option.filter(yield* DataAgent.loadOption(kept), ({ until }) => until > at)
    if (Option.isSome(known)) return { flights: known.value.flights, wasKnown: true }
    const flights = yield* askProvider(route)
    yield* kept.save({ until: later(at, 5), flights })
    return { flights, wasKnown: false }
  })

/** What a user looked for last, newest first. */
export const lookedFor = (user: string, limit: number) =>
  Effect.flatMap(Searches, (searches) =>
    Query.run(searches, {
      where: (search) => Query.eq(search.user, user),
      orderBy: (search) => Query.desc(search.at),
      limit,
      select: (search) => ({ route: search.route })
    })
  )

// ---------------------------------------------------------------------------------------------------------------------
// What is booked

/** The events of one booking. Streams know no tenants, so that the tenant is a part of the key. */
export const booking = (user: string, number: number) =>
  Effect.gen(function* () {
    const tenant = Option.getOrThrow(yield* Tenant.current)
    return (yield* StreamAgent.family(bookings)).at(JSON.stringify([tenant, user, number]))
  })

// ---------------------------------------------------------------------------------------------------------------------
// What is remembered

/** Past trips of a tenant's users, found by what they were like. One process at a time writes it. */
export const tripsOf = (tenant: string) =>
  VectorAgent.make({
    name: `trips of ${tenant}`,
    schema: Trip,
    text: ({ city, notes }) => `${city}. ${notes}`,
    items: (schema) => Effect.map(SqlAgent.family({ name: "trips", schema }), Tenant.of(tenant))
  })

// ---------------------------------------------------------------------------------------------------------------------
// What can be learned from it

export const analytics = Effect.gen(function* () {
  const [profiles, searches] = yield* Effect.all([Profiles, Searches])
  const weekAgo = later(yield* now, -7 * 24 * 60)
  const { users } = yield* Query.aggregate(profiles, { select: () => ({ users: Query.count }) })
  const { active } = yield* Query.aggregate(profiles, {
    where: (profile) => Query.gte(profile.lastSeen, weekAgo),
    select: () => ({ active: Query.count })
  })
  const routes = yield* Query.group(searches, {
    by: (search) => ({ route: search.route }),
    select: () => ({ n: Query.count }),
    orderBy: (group) => Query.desc(group.n),
    limit: 3
  })
  const perUser = yield* Query.group(searches, {
    by: (search) => ({ user: search.user }),
    select: () => ({ n: Query.count })
  })
  return { users, active, routes, perUser }
})
