// A state that has changed its shape, read at its version; then all of it encrypted, and a broken one repaired.
import { Compressed, Encrypted, Maintenance, Migration, SqlAgent, Versioned, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Console, Effect, Option, Redacted, Schema, Stream } from "effect"

const ProfileV1 = Schema.Struct({ name: Schema.String })
const ProfileV2 = Schema.Struct({ first: Schema.String, last: Schema.String })
const Profile = Schema.Struct({ first: Schema.String, last: Schema.String, tags: Schema.Array(Schema.String) })

const chain = Migration.from(1, ProfileV1).pipe(
  Migration.to(2, ProfileV2, {
    up: ({ name }) => ({ first: name.split(" ")[0] ?? "", last: name.split(" ").slice(1).join(" ") }),
    down: ({ first, last }) => ({ name: `${first} ${last}` })
  }),
  Migration.to(3, Profile, { up: (profile) => ({ ...profile, tags: [] }) })
)

// As it is stored from now on: versioned, compressed when large, encrypted. What is not encrypted is still read, for now.
const key = Redacted.make(new Uint8Array(32).fill(7)) // of course from a secret store
const profile = Encrypted.make(Compressed.make(Versioned.make(chain)), {
  current: "2026-11",
  keys: { "2026-11": key },
  unencrypted: "read"
})

export const program = Effect.gen(function* () {
  // What a program of last year has left.
  const before = yield* SqlAgent.family({ name: "profiles", schema: ProfileV1 })
  yield* before.at("ada").save({ name: "Ada Lovelace" })
  const others = yield* SqlAgent.family({ name: "profiles", schema: Schema.Struct({ nickname: Schema.String }) })
  yield* others.at("bob").save({ nickname: "Bob" })

  const profiles = yield* SqlAgent.family({ name: "profiles", schema: profile })
  yield* Console.log(`loaded: ${JSON.stringify(yield* profiles.at("ada").load)}`)

  const report = yield* Maintenance.migrateAll(profiles)
  yield* Console.log(`rewritten: ${report.rewritten}, failed: ${report.failed}`)
  for (const { error, key } of yield* Stream.runCollect(Maintenance.validate(profiles)))
    yield* Console.log(`${key}: ${error.message}`)

  const originals = yield* VolatileAgent.family({ name: "originals", schema: Maintenance.Original })
  yield* Maintenance.repair(profiles, {
    originals,
    repair: ({ key }) => Effect.succeed(Option.some({ first: key, last: "", tags: ["repaired"] }))
  })
  const kept = yield* originals.at("1:bob").load
  yield* Console.log(`repaired: ${(yield* profiles.at("bob").load).first}, kept: ${JSON.stringify(kept.payload)}`)
}).pipe(Effect.scoped, Effect.provide(SqliteDriver.layer({ filename: ":memory:" })))

if (import.meta.main) await Effect.runPromise(program)
