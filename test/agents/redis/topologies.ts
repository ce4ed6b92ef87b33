/** Several servers that work together: a Cluster, and a master with its replica under the eyes of Sentinels. */
import { setTimeout as sleep } from "node:timers/promises"
import { Effect, type Scope } from "effect"
import { command, freePort, type Server, start } from "./server.ts"

/** Three masters that share the slots, in the order of their slots, and a replica of each where it is asked for. */
export interface Cluster {
  readonly masters: ReadonlyArray<Server>
  readonly replicas: ReadonlyArray<Server>
}

const wait = (what: string, isSo: () => Promise<boolean>): Effect.Effect<void, Error> =>
  Effect.tryPromise({
    try: async () => {
      for (let i = 0; i < 1_500; i++) {
        if (await isSo().catch(() => false)) return
        await sleep(20)
      }
      throw new Error(`${what}, after half a minute`)
    },
    catch: (cause) => cause as Error
  })

const send = (server: Server, name: string, ...args: ReadonlyArray<string | number>): Effect.Effect<unknown, Error> =>
  // Sound: what ioredis throws are errors.
  Effect.tryPromise({ try: () => command(server.url, name, ...args), catch: (cause) => cause as Error })

const node: Effect.Effect<Server, Error, Scope.Scope> = Effect.flatMap(Effect.promise(freePort), (port) =>
  start({
    config: {
      "cluster-enabled": "yes",
      "cluster-node-timeout": "1000",
      "cluster-port": String(port),
      // A Cluster of nodes on one machine is announced as they are bound.
      "cluster-announce-ip": "127.0.0.1",
      "repl-diskless-sync-delay": "0"
    }
  })
)

/** A Cluster, until the scope closes. */
export const cluster = (options: { readonly replicas?: boolean } = {}): Effect.Effect<Cluster, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const masters = yield* Effect.all([node, node, node], { concurrency: "unbounded" })
    const replicas =
      options.replicas === true ? yield* Effect.all([node, node, node], { concurrency: "unbounded" }) : []
    const nodes = [...masters, ...replicas]
    const [first, ...others] = nodes
    if (first === undefined) return { masters, replicas }
    const slots = [
      [0, 5460],
      [5461, 10922],
      [10923, 16383]
    ] as const
    for (const [i, [from, to]] of slots.entries()) {
      const master = masters[i]
      if (master === undefined) continue
      yield* send(master, "CLUSTER", "ADDSLOTSRANGE", from, to)
      // Otherwise two of the same epoch sort it out later, in an order of their own.
      yield* send(master, "CLUSTER", "SET-CONFIG-EPOCH", i + 1)
    }
    for (const other of others) {
      const bus = (yield* Effect.promise(() => busOf(other))) ?? other.port
      yield* send(first, "CLUSTER", "MEET", "127.0.0.1", other.port, bus)
    }
    const isKnown = async (server: Server) =>
      String(await command(server.url, "CLUSTER", "INFO")).includes(`cluster_known_nodes:${nodes.length}`)
    for (const server of nodes) yield* wait("nodes do not know each other", () => isKnown(server))
    for (const [i, replica] of replicas.entries()) {
      const master = masters[i]
      if (master !== undefined)
        yield* send(replica, "CLUSTER", "REPLICATE", String(yield* send(master, "CLUSTER", "MYID")))
    }
    for (const server of nodes)
      yield* wait("the Cluster does not work", async () =>
        String(await command(server.url, "CLUSTER", "INFO")).includes("cluster_state:ok")
      )
    for (const replica of replicas)
      yield* wait("a replica does not follow", async () =>
        String(await command(replica.url, "INFO", "replication")).includes("master_link_status:up")
      )
    return { masters, replicas }
  })

const busOf = async (server: Server): Promise<number | undefined> => {
  const [, bus] = /@(\d+)/.exec(String(await command(server.url, "CLUSTER", "NODES"))) ?? []
  return bus === undefined ? undefined : Number(bus)
}

/** A master and its replica, which becomes the master when two of three Sentinels find the other one gone. */
export interface Watched {
  readonly name: string
  readonly master: Server
  readonly replica: Server
  readonly sentinels: ReadonlyArray<Server>
  /** Waits until all Sentinels name this one the master, and it is. */
  readonly isMaster: (server: Server) => Effect.Effect<void, Error>
}

/** Servers under Sentinels, until the scope closes. */
export const watched: Effect.Effect<Watched, Error, Scope.Scope> = Effect.gen(function* () {
  const name = "watched"
  const master = yield* start({ config: { "repl-diskless-sync-delay": "0" } })
  const replica = yield* start({
    config: { replicaof: `127.0.0.1 ${master.port}`, "repl-diskless-sync-delay": "0" }
  })
  const sentinel = start({
    isSentinel: true,
    config: {
      [`sentinel monitor ${name}`]: `127.0.0.1 ${master.port} 2`,
      [`sentinel down-after-milliseconds ${name}`]: "500",
      [`sentinel failover-timeout ${name}`]: "2000"
    }
  })
  const sentinels = yield* Effect.all([sentinel, sentinel, sentinel], { concurrency: "unbounded" })
  yield* wait("the replica does not follow", async () =>
    String(await command(replica.url, "INFO", "replication")).includes("master_link_status:up")
  )
  for (const each of sentinels)
    yield* wait("Sentinels do not know each other", async () => {
      const info = String(await command(each.url, "INFO", "sentinel"))
      return info.includes("slaves=1,sentinels=3")
    })
  const isMaster = (server: Server) =>
    wait("there is no failover", async () => {
      const named = await Promise.all(
        sentinels.map(({ url }) => command(url, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name))
      )
      const role = await command(server.url, "ROLE")
      return (
        named.every((at) => Array.isArray(at) && Number(at[1]) === server.port) &&
        Array.isArray(role) &&
        role[0] === "master"
      )
    })
  return { name, master, replica, sentinels, isMaster }
})
