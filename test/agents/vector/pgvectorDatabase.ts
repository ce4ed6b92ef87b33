// PGlite with pgvector: one instance for all tests of a process, since it takes seconds to start.
import { PGlite } from "@electric-sql/pglite"
import { vector } from "@electric-sql/pglite-pgvector"
import type { SqlDriverService } from "dgents"
import { PgliteDriver } from "dgents/postgres"
import { Effect, type Scope } from "effect"
import type { Engine } from "../../../src/agents/vector/Engine.ts"
import type { Index } from "../../../src/agents/vector/pgvector/layout.ts"
import { type Options, TableEngine } from "../../../src/agents/vector/pgvector/TableEngine.ts"
import { Table } from "../../../src/agents/vector/pgvector/table.ts"
import type { Metric } from "../../../src/agents/vector/Stored.ts"

let instance: Promise<PGlite> | undefined

export const database = (): Promise<PGlite> => (instance ??= PGlite.create({ extensions: { vector } }))

/** A driver on the instance. */
export const openDriver: Effect.Effect<SqlDriverService, unknown, Scope.Scope> = Effect.flatMap(
  Effect.promise(database),
  (instance) => PgliteDriver.make({ instance })
)

let tables = 0

/** A table that no other test uses. */
export const newTable = (): string => `vectors_${process.pid}_${++tables}`

/** An engine on a table of its own, which is made when it is first needed. */
export const tableEngine =
  (driver: SqlDriverService, index: Index, more?: Pick<Options, "few" | "mostCandidates">) =>
  ({ dimension, metric }: { readonly dimension: number; readonly metric: Metric }): Engine => {
    const session = driver.engine.postgres
    if (session === undefined) throw new Error("it is not PostgreSQL")
    const table = new Table({ name: newTable(), schema: undefined, session, dimension, metric, index })
    const engine = new TableEngine({ table, dimension, metric, ...more })
    const opened = Effect.suspend(() => (table.isOpen ? Effect.void : Effect.orDie(engine.table.open("test"))))
    return {
      size: () => engine.size(),
      set: (id, vector) => engine.set(id, vector),
      setMany: (entries) => Effect.andThen(opened, engine.setMany(entries)),
      delete: (id) => engine.delete(id),
      search: (query, request, answer) => Effect.andThen(opened, engine.search(query, request, answer)),
      reserve: () => engine.reserve(),
      clear: () => engine.clear(),
      table: { ...engine.table, complete: Effect.andThen(opened, engine.table.complete) }
    }
  }

/** Waits until the table of an engine has all, and an index. */
export const settled = (engine: Engine): Effect.Effect<void> => Effect.orDie(engine.table?.complete ?? Effect.void)
