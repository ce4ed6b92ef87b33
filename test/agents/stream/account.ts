import { MemoryLog, StreamAgent, VolatileAgent } from "dgents"
import { Effect, Schema, type Scope } from "effect"
import type { Log } from "../../../src/agents/stream/Log.ts"
import { StreamLog } from "../../../src/agents/stream/StreamLog.ts"

/** An account, the events of which the tests are about. */
export const Event = Schema.Union([
  Schema.TaggedStruct("Opened", { owner: Schema.String }),
  Schema.TaggedStruct("Deposited", { amount: Schema.Number }),
  Schema.TaggedStruct("Withdrawn", { amount: Schema.Number })
])
export type Event = typeof Event.Type

export const State = Schema.Struct({
  owner: Schema.String,
  balance: Schema.Number,
  lines: Schema.Array(Schema.String)
})
export type State = typeof State.Type

export const opened = (owner: string): Event => ({ _tag: "Opened", owner })
export const deposited = (amount: number): Event => ({ _tag: "Deposited", amount })
export const withdrawn = (amount: number): Event => ({ _tag: "Withdrawn", amount })

export const fold = (state: State, event: Event): State => {
  switch (event._tag) {
    case "Opened":
      return { ...state, owner: event.owner }
    case "Deposited":
      return { ...state, balance: state.balance + event.amount, lines: [...state.lines, `+${event.amount}`] }
    case "Withdrawn":
      return { ...state, balance: state.balance - event.amount, lines: [...state.lines, `-${event.amount}`] }
  }
}

export const initial: State = { owner: "", balance: 0, lines: [] }

export const account = { name: "account", events: Event, state: State, initial, fold }

/** Opens streams on one log in memory, as often as one wants: each opening is a restart. */
export const onMemory = Effect.map(MemoryLog.make, (log) => on(log))

export const on = (log: Log) => ({
  log,
  make: <E, S>(options: StreamAgent.Options<E, S>) => Effect.provideService(StreamAgent.make(options), StreamLog, log),
  family: <E, S>(options: StreamAgent.FamilyOptions<E, S>) =>
    Effect.provideService(StreamAgent.family(options), StreamLog, log)
})

/** An agent for snapshots. */
export const snapshots = (options?: {
  readonly history: "full"
}): Effect.Effect<Parameters<typeof StreamAgent.make>[0]["snapshots"] & {}, never, Scope.Scope> =>
  Effect.map(
    Effect.orDie(VolatileAgent.make({ name: "snapshots", schema: StreamAgent.Snapshot, ...options })),
    (agent) => ({ agent, every: 10 })
  )

/** Counts what is read from a log. */
export const counting = (log: Log) => {
  const count = { reads: 0, events: 0 }
  const counted: Log = {
    name: log.name,
    claims: log.claims,
    ping: log.ping,
    append: (append) => log.append(append),
    bounds: (id) => log.bounds(id),
    positionAt: (id, time) => log.positionAt(id, time),
    compact: (id, upTo) => log.compact(id, upTo),
    keys: (collection, options) => log.keys(collection, options),
    watch: (id, notice) => log.watch(id, notice),
    read: (id, part) =>
      Effect.tap(log.read(id, part), (page) =>
        Effect.sync(() => {
          count.reads++
          count.events += page.length
        })
      )
  }
  return { count, log: counted }
}
