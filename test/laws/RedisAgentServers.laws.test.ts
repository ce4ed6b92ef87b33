/** RedisAgent where several servers work together. */
import { it } from "@effect/vitest"
import { IoredisDriver } from "dgents/redis"
import { Laws } from "dgents/testing"
import { Effect } from "effect"
import { cluster, watched } from "../agents/redis/topologies.ts"
import { once, redisSubject } from "./redisSubject.ts"
import { Account, Person } from "./schemas.ts"

const inCluster = redisSubject(
  once(
    Effect.flatMap(cluster(), ({ masters }) =>
      IoredisDriver.make({ cluster: masters.map(({ port }) => ({ host: "127.0.0.1", port })) })
    )
  )
)

const underSentinels = redisSubject(
  once(
    Effect.flatMap(watched, ({ name, sentinels }) =>
      IoredisDriver.make({ name, sentinels: sentinels.map(({ port }) => ({ host: "127.0.0.1", port })) })
    )
  )
)

Laws.suite(it, inCluster("accounts in a Cluster, full history", Account, { history: "full" }))
Laws.suite(it, underSentinels("class instances under Sentinels, three kept", Person, { history: { bounded: 3 } }))
