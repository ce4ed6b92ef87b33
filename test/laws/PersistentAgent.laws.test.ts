import { readFileSync, writeFileSync } from "node:fs"
import { NodeFileSystem } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { PersistentAgent } from "dgents"
import { Laws } from "dgents/testing"
import { Effect, type Schema } from "effect"
import { Account, Person, Rich, Tree } from "./schemas.ts"

const run = <S>(name: string, schema: Schema.Codec<S, unknown>, history: PersistentAgent.Options<S>["history"]) =>
  Laws.suite(it, {
    name: `PersistentAgent of ${name}`,
    schema,
    claims: PersistentAgent.claims({ history }),
    open: (site) =>
      Effect.provide(PersistentAgent.make({ path: site.path("state.json"), schema, history }), NodeFileSystem.layer),
    family: (site) =>
      Effect.provide(PersistentAgent.family({ directory: site.path("family"), schema, history }), NodeFileSystem.layer),
    tamper: (site) =>
      Effect.succeed({
        read: Effect.sync(() => new Uint8Array(readFileSync(site.path("state.json")))),
        write: (bytes) => Effect.sync(() => writeFileSync(site.path("state.json"), bytes))
      })
  })

run("accounts, full history", Account, "full")
run("all kinds of values, no history", Rich, "none")
run("class instances, three kept", Person, { bounded: 3 })
run("trees, two kept", Tree, { bounded: 2 })
