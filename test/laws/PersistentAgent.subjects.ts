/** PersistentAgent of several schemas, histories and sharings, on the simulated disk and where other processes find it. */
import { NodeFileSystem } from "@effect/platform-node"
import { PersistentAgent } from "dgents"
import type { Subject } from "dgents/testing"
import type { Schema } from "effect"
import { Account, Person, Rich, Tree } from "./schemas.ts"

const subject = <S>(
  name: string,
  schema: Schema.Codec<S, unknown>,
  options: Omit<PersistentAgent.Options<S>, "path" | "schema">
): Subject<S> => ({
  name: `PersistentAgent of ${name}`,
  schema,
  claims: PersistentAgent.claims(options),
  open: (site) => PersistentAgent.make({ ...options, path: site.path("state.json"), schema }),
  family: (site) => PersistentAgent.family({ ...options, directory: site.path("family"), schema }),
  openAs: (site, other) =>
    PersistentAgent.make({
      history: options.history,
      sharing: options.sharing,
      compression: options.compression,
      path: site.path("state.json"),
      schema: other
    })
})

const imported = <S>(exported: string, subject: Subject<S>): Subject<S> => ({
  ...subject,
  module: { url: import.meta.url, export: exported, layer: NodeFileSystem.layer }
})

export const accounts = imported("accounts", subject("accounts, full history", Account, { history: "full" }))

export const everything = subject("all kinds of values, no history", Rich, {})

export const persons = subject("class instances, three kept, zstd", Person, {
  history: { bounded: 3 },
  compression: "zstd"
})

export const trees = subject("trees, two kept, gzip", Tree, { history: { bounded: 2 }, compression: "gzip" })

export const aged = subject("accounts, kept by age and bytes", Account, {
  history: { maxAge: "1 hour", maxBytes: 2_000 }
})

export const shared = imported(
  "shared",
  subject("accounts, full history, shared by processes", Account, { history: "full", sharing: "host" })
)

export const sharedWithoutHistory = imported(
  "sharedWithoutHistory",
  subject("class instances, no history, shared by processes", Person, { sharing: "host" })
)
