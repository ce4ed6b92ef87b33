import { it } from "@effect/vitest"
import {
  Binary,
  type Codec,
  Compressed,
  DataAgent,
  Encrypted,
  Migration,
  PersistentAgent,
  Register,
  Revision,
  SqlAgent,
  SqlDriver,
  Versioned,
  VolatileAgent
} from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Laws, type Site } from "dgents/testing"
import { Effect, Option, type Schema } from "effect"
import { Account, Person, Rich, Tree } from "./schemas.ts"

const Older = Account.mapFields(({ balance, opened, owner }) => ({ balance, opened, owner }))

const accounts = Versioned.make(
  Migration.from(1, Older).pipe(Migration.to(2, Account, { up: (older) => ({ ...older, tags: [] }) }))
)

const encrypted = <S>(schema: Schema.Codec<S, unknown> | Codec.Codec<S>) =>
  Encrypted.make(schema, {
    current: "b",
    keys: { b: new Uint8Array(32).fill(1), a: new Uint8Array(32).fill(2) }
  })

const compressed = <S>(schema: Schema.Codec<S, unknown> | Codec.Codec<S>) => Compressed.make(schema, { minBytes: 64 })

const gzip = <S>(schema: Schema.Codec<S, unknown> | Codec.Codec<S>) =>
  Compressed.make(schema, { algorithm: "gzip", minBytes: 64 })

const onMemory = <S>(name: string, schema: Codec.Codec<S>) =>
  Laws.suite(it, {
    name: `VolatileAgent, ${name}`,
    schema,
    open: () => VolatileAgent.make({ name, schema, history: "full" }),
    family: () => VolatileAgent.family({ name, schema, history: "full" })
  })

const onSql = <S>(name: string, schema: Codec.Codec<S>, deltas?: number) => {
  const open =
    (site: Site.Site) =>
    <A, E, R>(agent: Effect.Effect<A, E, R>) =>
      Effect.flatMap(SqliteDriver.make({ filename: site.path("states.db") }), (driver) =>
        Effect.provideService(agent, SqlDriver, driver)
      )
  Laws.suite(it, {
    name: `SqlAgent, ${name}`,
    schema,
    open: (site) => open(site)(SqlAgent.make({ name, schema, history: "full", deltas })),
    family: (site) => open(site)(SqlAgent.family({ name, schema, history: "full", deltas })),
    openAs: (site, other) => open(site)(SqlAgent.make({ name, schema: other, history: "full", deltas }))
  })
}

const onFiles = <S>(name: string, schema: Codec.Codec<S>) =>
  Laws.suite(it, {
    name: `PersistentAgent, ${name}`,
    schema,
    open: (site) => PersistentAgent.make({ name, path: site.path("state.json"), schema, history: { bounded: 3 } }),
    family: (site) => PersistentAgent.family({ name, directory: site.path("family"), schema }),
    openAs: (site, other) =>
      PersistentAgent.make({ name, path: site.path("state.json"), schema: other, history: { bounded: 3 } })
  })

/** Over a storage that has no checksum of its own: what is damaged there, the codec alone can tell. */
const onBytes = <S>(name: string, schema: Codec.Codec<S>) => {
  const cellOf = (site: Site.Site) =>
    site.memory("cell", (): { entry: Register.Entry | undefined; last: number } => ({ entry: undefined, last: 0 }))
  Laws.suite(it, {
    name: `bytes without a checksum, ${name}`,
    schema,
    open: (site) => {
      const cell = cellOf(site)
      const register: Register.Register = {
        place: cell,
        read: Effect.sync(() => Option.fromUndefinedOr(cell.entry)),
        write: (next, expected) =>
          Effect.suspend(() =>
            Effect.map(Register.check({ agent: name }, expected, cell.entry?.revision ?? Revision.absent), () => {
              cell.last++
              cell.entry = { ...next, revision: Revision.make(cell.last) }
              return cell.entry.revision
            })
          ),
        remove: Effect.sync(() => {
          const removed = Option.map(Option.fromUndefinedOr(cell.entry), ({ revision }) => revision)
          cell.entry = undefined
          return removed
        })
      }
      return DataAgent.fromRegister({ name, schema, register, claims: VolatileAgent.claims() })
    },
    tamper: (site) => {
      const cell = cellOf(site)
      return Effect.succeed({
        read: Effect.sync(() => Buffer.from(cell.entry?.state ?? "")),
        write: (bytes) =>
          Effect.sync(() => {
            if (cell.entry !== undefined) cell.entry = { ...cell.entry, state: new Uint8Array(bytes) }
          })
      })
    }
  })
}

onMemory("encrypted", encrypted(Account))
onMemory("binary", Binary.make(Person))
onSql("versions", accounts, 4)
onSql("versions, zstd, encrypted", encrypted(compressed(accounts)))
onSql("binary", Binary.make(Rich))
onFiles("versions", accounts)
onFiles("binary, gzip, encrypted", encrypted(gzip(Binary.make(Rich))))
onFiles("zstd", compressed(Tree))
onBytes("encrypted", encrypted(Account))
onBytes("zstd, encrypted", encrypted(compressed(Rich)))
