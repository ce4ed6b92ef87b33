/** Memories over families and engines of every kind, where other processes find them too. */
import { resolve } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { type Family, PersistentAgent, SqlAgent, SqlDriver, VectorAgent, VolatileAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import type { Laws, Site } from "dgents/testing"
import { Effect, type Schema, Scope } from "effect"
import * as usearch from "usearch"
import { build } from "../../scripts/faiss.ts"
import type { MakeEngine } from "../../src/agents/vector/Engine.ts"
import { exact } from "../../src/agents/vector/exact.ts"
import type { Binding } from "../../src/agents/vector/faiss/binding.ts"
import { kindOf as faissKind } from "../../src/agents/vector/faiss/engine.ts"
import { make } from "../../src/agents/vector/indexed/engine.ts"
import { kindOf } from "../../src/agents/vector/usearch/engine.ts"

type Items<S> = (schema: Schema.Codec<S, unknown>) => Effect.Effect<Family.Family<S>, unknown, Scope.Scope>

/** Families whose states outlive the scope in which they are opened. */
export const families = {
  VolatileAgent: (site: Site.Site) => (schema) =>
    site
      .memory("family", () =>
        Effect.runSync(Scope.provide(VolatileAgent.family({ name: "notes", schema }), Scope.makeUnsafe()))
      )
      .pipe(Effect.succeed),
  "SqlAgent on SQLite": (site: Site.Site) => (schema) =>
    Effect.flatMap(SqliteDriver.make({ filename: site.path("states.db"), synchronous: "normal" }), (driver) =>
      Effect.provideService(SqlAgent.family({ name: "notes", schema }), SqlDriver, driver)
    ),
  PersistentAgent: (site: Site.Site) => (schema) =>
    Effect.provide(PersistentAgent.family({ directory: site.path("notes"), schema }), NodeFileSystem.layer)
} satisfies Record<string, (site: Site.Site) => <S>(...args: Parameters<Items<S>>) => ReturnType<Items<S>>>

// Few vectors would all be compared; this has the library search them.
const always = { mostCandidates: () => Number.POSITIVE_INFINITY, leastWaste: 8 }

export const usearchEngine: MakeEngine = (options) =>
  make({ ...options, kind: kindOf(usearch, {}, options.dimension, options.metric), ...always })

const faissEngine = async (): Promise<MakeEngine> => {
  const missing = build(resolve(import.meta.dirname, "../.."))
  if (missing !== undefined) throw new Error(missing)
  // Threads that wait for each other by turning in circles only stand in the way of other tests.
  process.env["OMP_NUM_THREADS"] = "1"
  const library: Binding = (await import("faiss-node")).default
  return (options) => make({ ...options, kind: faissKind(library, {}, options.dimension, options.metric), ...always })
}

/** Items and vectors in one database. PGlite takes seconds to start: others need not wait for it. */
const pgvector = async (): Promise<Laws.VectorSubject> => {
  const { newTable, openDriver } = await import("../agents/vector/pgvectorDatabase.ts")
  const { Pgvector } = await import("dgents/pgvector")
  return {
    name: "VectorAgent over SqlAgent on PGlite, pgvector",
    metrics: ["cosine"],
    open: (site, memory) =>
      Effect.gen(function* () {
        const name = site.memory("table", newTable)
        return yield* VectorAgent.make({
          ...memory,
          items: (schema) => SqlAgent.family({ name, schema }),
          engine: yield* Pgvector.engine({ table: name })
        })
      }).pipe(Effect.provideServiceEffect(SqlDriver, openDriver))
  }
}

const indexFile = (site: Site.Site) => site.path("index")

const subject = (
  name: keyof typeof families,
  engine: MakeEngine,
  engineName: string,
  metrics?: ReadonlyArray<VectorAgent.Metric>,
  isKept = engine !== exact
): Laws.VectorSubject => {
  return {
    name: `VectorAgent over ${name}, ${engineName}${isKept && engine === exact ? " in a file" : ""}`,
    open: (site, memory) =>
      VectorAgent.make({
        ...memory,
        items: families[name](site),
        engine,
        index: isKept ? { path: indexFile(site), every: 3 } : undefined
      }),
    metrics,
    indexFile: isKept ? indexFile : undefined
  }
}

/** With an index in a file, for other processes. */
export const kept = {
  sqlite: subject("SqlAgent on SQLite", usearchEngine, "usearch", ["cosine"]),
  files: subject("PersistentAgent", usearchEngine, "usearch", ["euclidean"])
}

/** The subjects. faiss is built for it, which takes some seconds the first time. */
export const subjects = async (): Promise<ReadonlyArray<Laws.VectorSubject>> => [
  subject("VolatileAgent", exact, "exact"),
  subject("SqlAgent on SQLite", exact, "exact", ["dot"], true),
  subject("PersistentAgent", exact, "exact", ["cosine"]),
  subject("VolatileAgent", usearchEngine, "usearch"),
  kept.sqlite,
  kept.files,
  subject("VolatileAgent", await faissEngine(), "faiss"),
  await pgvector()
]
