// The laws of real processes take longer than the budget of the other law tests: they have tests of their own, in `ci`.
import { expect, it } from "@effect/vitest"
import { Laws, type Subject } from "dgents/testing"
import { Effect } from "effect"
import * as File from "./PersistentAgent.subjects.ts"
import * as Redis from "./RedisAgent.subjects.ts"
import * as Sqlite from "./SqlAgent.subjects.ts"
import * as Streams from "./StreamAgent.subjects.ts"

const kill = "a killed process loses nothing acknowledged"
const shared = ["several processes keep one history", "increments of several processes are all counted"]

const keeps = <S>(subject: Subject<S>, laws: ReadonlyArray<string>) => {
  for (const law of laws)
    it.effect(
      `${subject.name}: ${law}`,
      () =>
        Effect.gen(function* () {
          const { outcomes } = yield* Laws.check(subject, { budget: "ci", laws: [law] })
          expect(outcomes).toMatchObject([{ _tag: "Kept", law }])
        }),
      600_000
    )
}

keeps(File.accounts, [kill])
keeps(File.shared, [kill, ...shared])
keeps(File.sharedWithoutHistory, shared.slice(0, 1))
keeps(Sqlite.accounts, [kill, ...shared])
keeps(Sqlite.deltas, [kill, ...shared.slice(0, 1)])
keeps(Redis.accounts, [kill, ...shared])
keeps(Redis.synced, [kill])
keeps(Streams.files, [kill])
keeps(Streams.sharedFiles, [kill, ...shared])
keeps(Streams.sqlite, [kill, ...shared])
keeps(Streams.redis, [kill, ...shared])
