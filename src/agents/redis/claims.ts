/** What servers say about themselves, and what can be claimed for it. */
import { Effect } from "effect"
import type { Claims, Durability } from "../Claims.ts"
import type { Failure } from "../internal/backend.ts"
import type { Confirmation, Settings } from "./options.ts"
import type { Argument, Reply } from "./Server.ts"

/** How a server keeps its append-only file, weakest first. */
type Persistence = "none" | "everysec" | "always"

/** What one server told. */
export interface Told {
  readonly version: ReadonlyArray<number>
  /** `undefined`: it refuses to tell. */
  readonly persistence: Persistence | undefined
  /** What it does when its memory is full. */
  readonly policy: string
  /** `standalone`, `cluster` or `sentinel`. */
  readonly mode: string
}

type Ask = (name: string, args: ReadonlyArray<Argument>) => Effect.Effect<Reply, Failure>

/** Asks one server. */
export const tell = (ask: Ask): Effect.Effect<Told, Failure> =>
  Effect.gen(function* () {
    const info = textOf(yield* ask("info", []))
    const settings = yield* Effect.forEach(["appendonly", "appendfsync"], (name) => ask("config", ["get", name])).pipe(
      Effect.map((replies) => replies.map((reply) => (Array.isArray(reply) ? textOf(reply[1] ?? "") : ""))),
      // It is refused by access lists, and renamed by those who rent servers out.
      Effect.catch((failure) => (isRefusal(failure) ? Effect.succeed(undefined) : Effect.fail(failure)))
    )
    return {
      version: fieldOf(info, "redis_version").split(".").map(Number),
      persistence: persistenceOf(settings, fieldOf(info, "aof_enabled") !== "0"),
      policy: fieldOf(info, "maxmemory_policy"),
      mode: fieldOf(info, "redis_mode")
    }
  })

const textOf = (reply: Reply): string => (Buffer.isBuffer(reply) || typeof reply === "string" ? reply.toString() : "")

const fieldOf = (info: string, name: string): string => new RegExp(`^${name}:(.*?)\r?$`, "m").exec(info)?.[1] ?? ""

const isRefusal = (failure: Failure): boolean => failure._tag === "Unavailable" && !failure.retryable

const persistenceOf = (settings: ReadonlyArray<string> | undefined, isEnabled: boolean): Persistence | undefined => {
  if (!isEnabled) return "none"
  if (settings === undefined) return undefined
  const [appendonly, appendfsync] = settings
  // Snapshots alone lose minutes.
  if (appendonly !== "yes") return "none"
  return appendfsync === "always" ? "always" : "everysec"
}

/** What can be claimed for servers, and what their operator should know. */
export interface Claimed {
  readonly claims: Omit<Claims, "history">
  /** The lowest one. */
  readonly version: ReadonlyArray<number>
  readonly warnings: ReadonlyArray<string>
}

const strength: Readonly<Record<Persistence, number>> = { none: 0, everysec: 1, always: 2 }

const weaker = (a: Persistence, b: Persistence): Persistence => (strength[a] <= strength[b] ? a : b)

/** What can be claimed for what all of the masters told; what is wrong with them, otherwise. */
export const claim = (told: ReadonlyArray<Told>, settings: Settings): Claimed | string => {
  const { confirmation, persistence: stated, place, topology } = settings
  const version = told.map((each) => each.version).sort(compare)[0] ?? []
  if (compare(version, [6, 2]) < 0) return `it is Redis ${version.join(".")}; 6.2 or later is needed`
  if (confirmation?.command === "waitaof" && compare(version, [7, 2]) < 0)
    return `it is Redis ${version.join(".")}, and waitForAof needs 7.2 or later; use waitForReplicas, or leave it out`
  if (told.some(({ mode }) => mode === "sentinel"))
    return "it is a Sentinel; give it as the option sentinels, with the name of its master"
  if (topology._tag !== "Cluster" && told.some(({ mode }) => mode === "cluster"))
    return "it is a node of a Cluster; give it as the option cluster"
  const known = told.map(({ persistence }) => persistence ?? stated)
  if (known.includes(undefined))
    return 'it does not tell what it keeps on disk; allow CONFIG GET, or state it: persistence: "none", "everysec" or "always"'
  const persistence = known.reduce<Persistence>(
    (weakest, each) => weaker(weakest, weaker(each ?? "none", stated ?? "always")),
    "always"
  )
  const evicting = [...new Set(told.map(({ policy }) => policy))].filter(
    (policy) => !["", "noeviction"].includes(policy)
  )
  return {
    version,
    claims: {
      durability: evicting.length > 0 ? "volatile" : durabilityOf(persistence, confirmation),
      // A failover loses what its replicas had not got yet, though it was acknowledged.
      consistency: topology._tag === "Single" ? "linearizable" : "lastWriteWins",
      sharing: "network"
    },
    warnings: evicting.map((policy) => {
      const what = policy.startsWith("volatile-") ? "states that expire" : "any state"
      return `${place}: when its memory is full it removes ${what} (maxmemory-policy ${policy}), so nothing is promised to last; set maxmemory-policy noeviction`
    })
  }
}

const compare = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  for (const i of [0, 1, 2]) if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) - (b[i] ?? 0)
  return 0
}

const durabilityOf = (persistence: Persistence, confirmation: Confirmation | undefined): Durability => {
  if (persistence === "none") return "volatile"
  const isSynced = persistence === "always" || (confirmation?.local ?? 0) > 0
  // A master that loses its last second and is back before anybody has noticed makes its replicas forget it as well.
  if (!isSynced) return "process"
  // Sentinels, and the nodes of a Cluster, make the replica the master that has got furthest.
  return (confirmation?.replicas ?? 0) > 0 ? "replicated" : "power"
}
