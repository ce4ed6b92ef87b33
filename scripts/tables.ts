// Prints the README's table of promises from the claims that the agents carry: `npm run docs:tables` writes it.
import { readFileSync, writeFileSync } from "node:fs"
import {
  Cached,
  type Claims,
  EntropyConstrained,
  Fallback,
  FileLog,
  Focused,
  Mapped,
  Mirrored,
  Observed,
  PersistentAgent,
  ReadOnly,
  RedisAgent,
  Retrying,
  SqlAgent,
  StreamAgent,
  Tenant,
  Transactional,
  VectorAgent,
  VolatileAgent
} from "dgents"
import { PgliteDriver, PostgresDriver } from "dgents/postgres"
import { IoredisDriver } from "dgents/redis"
import { SqliteDriver } from "dgents/sqlite"

/** The claims of an agent as it is made by default, and as options change them. */
type Row = readonly [name: string, where: string, claims: Claims.Claims, ...options: ReadonlyArray<Claims.Claims>]

const full = { history: "full" } as const
const aged = { history: { maxAge: "30 days" } } as const
const driver = { claims: SqliteDriver.claims({ filename: "app.db" }) }
const sqlite = SqlAgent.claims(driver, full)
const postgres = { claims: PostgresDriver.claims }
const pglite = { claims: PgliteDriver.claims({ directory: "data" }) }

const redis = { claims: IoredisDriver.claims }
const files = { claims: FileLog.claims() }

const kept = { history: { bounded: 20 } } as const
const shared = SqlAgent.claims(postgres, full)

/** Those that promise what the agent below does, in one row. */
const alike = (
  combinators: Readonly<Record<string, { readonly claims: (below: Claims.Claims) => Claims.Claims }>>
): ReadonlyArray<Row> => {
  const byClaims = Map.groupBy(Object.entries(combinators), ([, { claims }]) => JSON.stringify(claims(sqlite)))
  return Array.from(byClaims.values(), (group) => {
    const names = group.map(([name]) => `\`${name}\``).join(", ")
    const [first] = group
    return [
      `${names} over \`SqlAgent\``,
      "where the agent below has it",
      first === undefined ? sqlite : first[1].claims(sqlite)
    ]
  })
}

const rows: ReadonlyArray<Row> = [
  ["`VolatileAgent`", "memory", VolatileAgent.claims(full)],
  [
    "`PersistentAgent`",
    "a JSON file that a person can open",
    PersistentAgent.claims(full),
    PersistentAgent.claims({ sharing: "host" }),
    PersistentAgent.claims(aged)
  ],
  ["`SqlAgent` on SQLite", "a row, and rows for its history", sqlite, SqlAgent.claims(driver, aged)],
  ["`SqlAgent` on Postgres", "the same on a server", SqlAgent.claims(postgres, full), SqlAgent.claims(postgres, aged)],
  ["`SqlAgent` on PGlite", "the same in this process", SqlAgent.claims(pglite, full), SqlAgent.claims(pglite, aged)],
  ["`RedisAgent`", "a key on a server", RedisAgent.claims(redis, full), RedisAgent.claims(redis, aged)],
  [
    "`StreamAgent` on `FileLog`",
    "events, a line each, in files",
    StreamAgent.claims(files),
    StreamAgent.claims({ claims: FileLog.claims({ sharing: "host" }) })
  ],
  ["`StreamAgent` on SQLite", "events, a row each", StreamAgent.claims(driver)],
  ["`VectorAgent`", "any family; here SQLite", VectorAgent.claims(sqlite)],
  ["`Cached(SqlAgent)`", "any agent before any agent", Cached.claims(sqlite)],
  ["`Cached(SqlAgent)`, writing behind", "the same, stored later", Cached.claims(sqlite, { write: { behind: {} } })],
  [
    "`Focused(SqlAgent)`",
    "a part of another state",
    Focused.claims(sqlite),
    Focused.claims(SqlAgent.claims(driver, kept))
  ],
  ["`Fallback(Postgres, SQLite)`", "the first, or the second while it is away", Fallback.claims(shared, sqlite)],
  ["`Mirrored(Postgres, SQLite)`", "the first, and copies", Mirrored.claims(shared, [sqlite])],
  ["`Mirrored`, reading what a quorum has", "the same", Mirrored.claims(shared, [sqlite], { read: "quorum" })],
  ...alike({ EntropyConstrained, Mapped, Observed, ReadOnly, Retrying, Tenant, Transactional })
]

const survives: Record<Claims.Durability, string> = {
  volatile: "nothing",
  process: "kill -9",
  power: "kill -9, power cut",
  replicated: "loss of a machine"
}

const sharedBy: Record<Claims.Sharing, string> = {
  process: "fibers of one process",
  host: "processes of one host",
  network: "hosts on a network"
}

const sharing = (all: ReadonlyArray<Claims.Claims>): string =>
  [...new Set(all.map((claims) => sharedBy[claims.sharing]))].join(", or ")

const history = (name: string, all: ReadonlyArray<Claims.Claims>): string => {
  if (name.includes("StreamAgent")) return "all, until it is compacted"
  if (all.every((claims) => claims.history === "none")) return "none"
  if (all.every((claims) => claims.history === "some")) return "some"
  const some = all.some((claims) => claims.history === "some") ? ", as many as fit an age or a size" : ""
  return `none, the last n${some}, or all`
}

/** The table of what each agent promises. */
export const claimsTable = (): string =>
  [
    "| agent | where the state lives | an acknowledged write survives | consistency | shared by | history |",
    "| --- | --- | --- | --- | --- | --- |",
    ...rows.map(
      ([name, where, claims, ...options]) =>
        `| ${name} | ${where} | ${survives[claims.durability]} | ${claims.consistency} | ${sharing([claims, ...options])} | ${history(name, [claims, ...options])} |`
    )
  ].join("\n")

const begin = "<!-- claims: printed by npm run docs:tables -->"
const end = "<!-- /claims -->"

/** The README with its table made anew. */
export const withTable = (readme: string): string => {
  const from = readme.indexOf(begin)
  const to = readme.indexOf(end)
  if (from < 0 || to < from) throw new Error(`README.md has no lines "${begin}" and "${end}"`)
  return `${readme.slice(0, from)}${begin}\n${claimsTable()}\n${readme.slice(to)}`
}

if (import.meta.main) writeFileSync("README.md", withTable(readFileSync("README.md", "utf8")))
