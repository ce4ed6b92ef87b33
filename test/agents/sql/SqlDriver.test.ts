import { expect, it } from "@effect/vitest"
import { SqliteDriver } from "dgents/sqlite"
import { Duration, Effect, Exit, Scope } from "effect"
import { tempFile } from "./temp.ts"

it.live("a ping says how long a round trip takes, changes nothing, and fails typed once the driver is closed", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const driver = yield* Scope.provide(SqliteDriver.make({ filename: yield* tempFile }), scope)
    const before = yield* driver.figures
    const took = yield* driver.ping
    expect(Duration.toMillis(took)).toBeGreaterThan(0)
    expect(yield* driver.figures).toEqual(before)
    yield* Scope.close(scope, Exit.void)
    expect(yield* Effect.flip(driver.ping)).toMatchObject({ _tag: "AgentClosed", agent: "sqlite" })
  })
)
