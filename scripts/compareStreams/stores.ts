/** What is compared: stores of events, each behind the same three functions. */
import { NodeServices } from "@effect/platform-node"
import Database from "better-sqlite3"
import { FileLog, MemoryLog, SqlLog, StreamAgent, type StreamLog } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Exit, Layer, Scope } from "effect"
import { importFrom, type Packages } from "../compare/install.ts"
import { Event, fold, initial, State } from "./account.ts"

/** Streams of events, by name. What answers with a promise is awaited, and anything else has happened. */
export interface Store {
  /** Appends events, all or none. */
  readonly append: (stream: string, events: ReadonlyArray<Event>) => unknown
  /** Reads all events of a stream and folds them. */
  readonly replay: (stream: string) => unknown
  /** The state of a stream that was loaded before. Absent where that is a replay again. */
  readonly load?: (stream: string) => unknown
  readonly close: () => unknown
}

// Newer versions of the two do not fit each other on npm.
const emmett = "0.38.5"

/** What is installed aside. */
export const installations: Record<string, Packages> = {
  emmett: {
    dependencies: {
      "@event-driven-io/emmett": emmett,
      "@event-driven-io/emmett-sqlite": emmett,
      sqlite3: "5.1.7"
    },
    compiles: ["sqlite3"]
  }
}

/** A row of the table. */
export interface Product {
  readonly name: string
  /** What an append that was acknowledged survives. */
  readonly survives: string
  /** Whether appends that are started together fail. */
  readonly failsAtOnce?: true
  readonly open: (directory: string, installed: string) => Store | Promise<Store>
}

const options = { name: "account", events: Event, state: State, initial, fold }

/** A family of `StreamAgent`, called from outside of Effect: a promise for each operation. */
const dgents =
  (layer: (directory: string) => Layer.Layer<StreamLog, unknown>): Product["open"] =>
  async (directory) => {
    const scope = Scope.makeUnsafe()
    const context = await Effect.runPromise(Layer.buildWithScope(layer(directory), scope))
    const open = Effect.provide(StreamAgent.family(options), context)
    const streams = await Effect.runPromise(Scope.provide(open, scope))
    return {
      append: (stream, events) => Effect.runPromise(streams.at(stream).append(events)),
      // Nothing of it is in memory of a family that was opened anew.
      replay: (stream) => Effect.runPromise(Effect.scoped(Effect.flatMap(open, (family) => family.at(stream).load))),
      load: (stream) => Effect.runPromise(streams.at(stream).load),
      close: () => Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }

/** What is used of an event store of Emmett. */
interface EmmettStore {
  readonly appendToStream: (stream: string, events: ReadonlyArray<EmmettEvent>) => Promise<unknown>
  readonly aggregateStream: (
    stream: string,
    fold: {
      readonly initialState: () => State
      readonly evolve: (state: State, event: EmmettEvent) => State
    }
  ) => Promise<{ readonly state: State }>
}
interface EmmettEvent {
  readonly type: Event["_tag"]
  readonly data: Omit<Event, "_tag">
}
interface Emmett {
  readonly getInMemoryEventStore: () => EmmettStore
  readonly getSQLiteEventStore: (options: { readonly fileName: string }) => EmmettStore
}

/**
 * emmett-sqlite leaves statements of a transaction to be finalized by the garbage collector, so that now and then COMMIT
 * fails: "SQL statements in progress". It has been rolled back then.
 */
const untilNotBusy = async (append: () => Promise<unknown>): Promise<unknown> => {
  for (;;)
    try {
      return await append()
    } catch (error) {
      if (!String(error).includes("SQL statements in progress")) throw error
    }
}

const onEmmett =
  (name: string, make: (module: Emmett, directory: string) => EmmettStore): Product["open"] =>
  async (directory, installed) => {
    // Sound: the versions are pinned, and each has the one of these exports that is asked for.
    const store = make((await importFrom(installed, "emmett", name)) as Emmett, directory)
    const fold_ = {
      initialState: () => initial,
      evolve: (state: State, { data, type }: EmmettEvent) => fold(state, { _tag: type, ...data })
    }
    return {
      append: (stream, events) => {
        const own = events.map(({ _tag: type, ...data }) => ({ type, data }))
        return untilNotBusy(() => store.appendToStream(stream, own))
      },
      replay: async (stream) => (await store.aggregateStream(stream, fold_)).state,
      close: () => {}
    }
  }

/** What all are compared with: a row an event, a transaction an append, each synced. Synchronous. */
export const byHand = (directory: string): Store => {
  const db = new Database(`${directory}/raw.db`)
  db.pragma("journal_mode = WAL")
  db.pragma("synchronous = FULL")
  db.exec(
    "CREATE TABLE event (stream TEXT, position INTEGER, event TEXT NOT NULL, PRIMARY KEY (stream, position)) STRICT"
  )
  const last = db.prepare<[string], number>("SELECT max(position) FROM event WHERE stream = ?").pluck()
  const insert = db.prepare("INSERT INTO event VALUES (?, ?, ?)")
  const all = db.prepare<[string], string>("SELECT event FROM event WHERE stream = ? ORDER BY position").pluck()
  const append = db.transaction((stream: string, events: ReadonlyArray<Event>) => {
    let position = last.get(stream) ?? 0
    for (const event of events) insert.run(stream, ++position, JSON.stringify(event))
  })
  return {
    append: append.immediate,
    // Sound: they were written a few lines above.
    replay: (stream) => all.all(stream).reduce((state, text) => fold(state, JSON.parse(text) as Event), initial),
    close: () => db.close()
  }
}

const powerCut = "kill -9, power cut"

export const products: Readonly<Record<string, Product>> = {
  sqlite: {
    name: "`StreamAgent` on `SqlLog`, SQLite",
    survives: powerCut,
    open: dgents((directory) => Layer.provide(SqlLog.layer, SqliteDriver.layer({ filename: `${directory}/events.db` })))
  },
  file: {
    name: "`StreamAgent` on `FileLog`",
    survives: powerCut,
    open: dgents((directory) => Layer.provide(FileLog.layer({ directory: `${directory}/log` }), NodeServices.layer))
  },
  memory: { name: "`StreamAgent` on `MemoryLog`", survives: "nothing", open: dgents(() => MemoryLog.layer) },
  emmettSqlite: {
    name: `Emmett ${emmett}, emmett-sqlite on sqlite3 5.1.7`,
    survives: powerCut,
    // They share a transaction on a connection that the first one to end closes: acknowledged, they are not there.
    failsAtOnce: true,
    open: onEmmett("@event-driven-io/emmett-sqlite", ({ getSQLiteEventStore }, directory) =>
      getSQLiteEventStore({ fileName: `${directory}/events.db` })
    )
  },
  emmettMemory: {
    name: `Emmett ${emmett}, in memory`,
    survives: "nothing",
    open: onEmmett("@event-driven-io/emmett", ({ getInMemoryEventStore }) => getInMemoryEventStore())
  }
}
