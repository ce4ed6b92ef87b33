// A travel assistant for two companies, and a user with a phone and a laptop, which are processes of their own.
//
//     node examples/travel-assistant/main.ts
//     DATABASE_URL=postgres://... REDIS_URL=redis://... node examples/travel-assistant/main.ts
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { Maintenance, SqlAgent, Tenant, Versioned } from "dgents"
import { Console, Effect, Option, Stream } from "effect"
import * as Assistant from "./assistant.ts"
import { ProfileV1, profileVersions } from "./model.ts"
import { Conversations, Profiles, storage } from "./storage.ts"

// Names of its own, should the databases be those of others.
const acme = `acme ${process.env["TRAVEL_RUN"] ?? process.pid}`
const globex = `globex ${process.env["TRAVEL_RUN"] ?? process.pid}`

/** What each device does, at the same time as the other. */
const device = (name: string) =>
  Effect.gen(function* () {
    const session = yield* Assistant.signIn("ada", name)
    const user = Option.getOrThrow(yield* Assistant.whose(session))
    for (let n = 1; n <= 10; n++) {
      yield* Assistant.say(user, "lisbon", name, `message ${n}`)
      yield* Assistant.change(user, ({ preferences }) => ({ preferences: { ...preferences, [name]: String(n) } }))
    }
    // Waits for what the other one says, and not forever; a subscription alone would not keep the process alive.
    const conversation = (yield* Conversations).at("ada/lisbon")
    const whole = Stream.filter(
      conversation.changes,
      (change) => change._tag === "Saved" && change.state.messages.length === 20
    )
    yield* Effect.timeout(Stream.runHead(whole), "1 minute")
    yield* Console.log((yield* conversation.load).messages.map(({ from, text }) => `${from}: ${text}`).join(", "))
  }).pipe(Tenant.as(acme))

const program = (file: string) =>
  Effect.gen(function* () {
    // What the program of last year has left, and what becomes of it.
    const before = Tenant.of(yield* SqlAgent.family({ name: "profiles", schema: ProfileV1 }), acme)
    yield* before.at("bob").save({ name: "Bob", email: "bob@example.org" })
    yield* Effect.gen(function* () {
      yield* Assistant.register("ada", { name: "Ada", email: "ada@example.org" })
      yield* Assistant.change("ada", () => ({ homeCity: "London" }))
      const bob = yield* (yield* Profiles).at("bob").load
      yield* Console.log(`read from version 1: ${bob.name}, ${Object.keys(bob.preferences).length} preferences`)

      yield* Assistant.search("ada", "LON-LIS")
      const { flights, wasKnown } = yield* Assistant.search("bob", "LON-LIS")
      yield* Assistant.search("ada", "LON-OSL")
      const [cheapest] = flights
      yield* Console.log(`asked the provider again: ${!wasKnown}; from ${cheapest?.price}`)
      const last = yield* Assistant.lookedFor("ada", 2)
      yield* Console.log(`ada looked for: ${last.map(({ route }) => route).join(", ")}`)

      const trip = yield* Assistant.booking("ada", 1)
      yield* trip.append({ _tag: "Booked", flight: "LON-LIS-1", route: "LON-LIS", price: 97 })
      yield* trip.append({ _tag: "Moved", flight: "LON-LIS-2", price: 147 })
      yield* trip.append({ _tag: "Cancelled", reason: "rain" })
      const { flight } = yield* trip.load
      yield* Console.log(`booked: ${flight}; before that: ${(yield* trip.at(2)).state.flight}`)
    }).pipe(Tenant.as(acme))

    // The same user at once from two processes.
    const run = (name: string) => {
      const args = [...process.execArgv, import.meta.filename, file, name]
      const env = { ...process.env, TRAVEL_RUN: acme.slice("acme ".length) }
      return Effect.promise(() => promisify(execFile)(process.execPath, args, { env }))
    }
    const [phone, laptop] = yield* Effect.all([run("phone"), run("laptop")], { concurrency: 2 })
    yield* Console.log(`phone and laptop saw the same 20 messages: ${phone.stdout === laptop.stdout}`)

    yield* Effect.gen(function* () {
      const heard = yield* Assistant.heard("ada", "lisbon", 3)
      yield* Console.log(`heard last: ${heard.length} messages, the newest ${heard[0]?.text}`)
      const { homeCity, preferences } = yield* (yield* Profiles).at("ada").load
      yield* Console.log(
        `both changed the profile: phone ${preferences["phone"]}, laptop ${preferences["laptop"]}, ${homeCity}`
      )

      const trips = yield* Assistant.tripsOf(acme)
      yield* trips.addMany([
        ["1", { user: "ada", city: "Lisbon", notes: "Trams, tiles and grilled sardines by the river" }],
        ["2", { user: "ada", city: "Kyoto", notes: "Temples, moss gardens and a quiet tea ceremony" }],
        ["3", { user: "bob", city: "Oslo", notes: "Fjords, snow and a museum of ships" }]
      ])
      const [hit] = yield* trips.search({ text: "quiet gardens and temples", k: 1 })
      yield* Console.log(`a trip like that: ${hit?.item.city}`)

      const { active, perUser, routes, users } = yield* Assistant.analytics
      yield* Console.log(`${users} users, ${active} active in seven days`)
      yield* Console.log(`routes: ${routes.map(({ n, route }) => `${route} ${n}`).join(", ")}`)
      yield* Console.log(`searches: ${perUser.map(({ n, user }) => `${user} ${n}`).join(", ")}`)
    }).pipe(Tenant.as(acme))

    // Another company has none of it.
    const theirs = yield* Tenant.as(Assistant.analytics, globex)
    yield* Console.log(`${globex.split(" ")[0]} has ${theirs.users} users and ${theirs.routes.length} routes`)

    // Everything is written in the new version, whoever's it is.
    const all = yield* SqlAgent.family({ name: "profiles", schema: Versioned.make(profileVersions) })
    const { failed } = yield* Maintenance.migrateAll(all)
    yield* Console.log(`migrated; ${failed} failed`)
  })

const [, , given, name] = process.argv
if (name !== undefined && given !== undefined)
  await device(name).pipe(Effect.scoped, Effect.provide(storage(given)), Effect.runPromise)
else {
  const directory = mkdtempSync(join(tmpdir(), "travel-"))
  const file = join(directory, "travel.db")
  await program(file)
    .pipe(Effect.scoped, Effect.provide(storage(file)), Effect.runPromise)
    .finally(() => rmSync(directory, { recursive: true }))
}
