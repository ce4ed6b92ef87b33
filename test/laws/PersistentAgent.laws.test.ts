import { NodeFileSystem } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { PersistentAgent } from "dgents"
import { Laws } from "dgents/testing"
import { Effect } from "effect"
import * as Subjects from "./PersistentAgent.subjects.ts"
import { Account } from "./schemas.ts"

Laws.suite(it, Subjects.accounts)
Laws.suite(it, Subjects.everything)
Laws.suite(it, Subjects.persons)
Laws.suite(it, Subjects.trees)
Laws.suite(it, Subjects.aged)
Laws.suite(it, Subjects.shared)
Laws.suite(it, Subjects.sharedWithoutHistory)

// The simulated disk answers as Node's file system does; this shows that the agent gets along with Node's own.
Laws.suite(it, {
  name: "PersistentAgent on a real disk",
  schema: Account,
  open: (site) =>
    Effect.provide(
      PersistentAgent.make({ path: site.path("state.json"), schema: Account, history: "full", sharing: "host" }),
      NodeFileSystem.layer
    ),
  family: (site) =>
    Effect.provide(
      PersistentAgent.family({ directory: site.path("family"), schema: Account, sharing: "host" }),
      NodeFileSystem.layer
    )
})
