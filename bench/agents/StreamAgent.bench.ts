import { MemoryLog, StreamAgent, StreamLog, VolatileAgent } from "dgents"
import { Effect, Schema } from "effect"
import { bench } from "../harness.ts"

const Event = Schema.Union([
  Schema.TaggedStruct("Deposited", { amount: Schema.Number }),
  Schema.TaggedStruct("Withdrawn", { amount: Schema.Number })
])
const State = Schema.Struct({ balance: Schema.Number, events: Schema.Number })
type State = typeof State.Type

const account = {
  name: "account",
  events: Event,
  state: State,
  initial: { balance: 0, events: 0 },
  fold: ({ balance, events }: State, event: typeof Event.Type): State => ({
    balance: event._tag === "Deposited" ? balance + event.amount : balance - event.amount,
    events: events + 1
  })
}

const count = 100_000
const event = (amount: number) => ({ _tag: amount % 3 === 0 ? ("Withdrawn" as const) : ("Deposited" as const), amount })

/** A log of so many events, and a way to open its stream anew. */
const filled = (events: number) =>
  Effect.gen(function* () {
    const log = yield* MemoryLog.make
    const open = (options?: Partial<StreamAgent.Options<typeof Event.Type, State>>) =>
      Effect.provideService(StreamAgent.make({ ...account, ...options }), StreamLog, log)
    const stream = yield* open()
    for (let i = 0; i < events; i += 1_000) yield* stream.append(Array.from({ length: 1_000 }, (_, j) => event(i + j)))
    return { log, open, stream }
  })

bench(
  "stream/replay an event, against JSON.parse and a fold by hand",
  Effect.gen(function* () {
    const { open } = yield* filled(count)
    const texts = Array.from({ length: count }, (_, i) => JSON.stringify(event(i)))
    return {
      ours: () => Effect.scoped(Effect.flatMap(open(), ({ load }) => load)),
      // Sound: it was written two lines above.
      raw: () =>
        texts.reduce((state, text) => account.fold(state, JSON.parse(text) as typeof Event.Type), account.initial)
    }
  }),
  { per: count }
)

bench(
  "stream/first load from a snapshot of 100 000 events, against one of 1 000",
  Effect.gen(function* () {
    const restart = (events: number) =>
      Effect.gen(function* () {
        const { open } = yield* filled(events)
        const agent = yield* VolatileAgent.make({ name: "snapshots", schema: StreamAgent.Snapshot })
        const load = Effect.scoped(Effect.flatMap(open({ snapshots: { agent } }), ({ load }) => load))
        yield* load
        return load
      })
    const [large, small] = [yield* restart(count), yield* restart(1_000)]
    return { ours: () => large, raw: () => small }
  })
)

bench(
  "stream/append, against the log alone",
  Effect.gen(function* () {
    const { log, stream } = yield* filled(0)
    const id = { collection: "raw", key: "", expected: "any", id: undefined } as const
    return {
      ours: (i) => stream.append(event(i)),
      raw: (i) => log.append({ ...id, at: i, events: [{ type: "Deposited", data: JSON.stringify(event(i)) }] })
    }
  })
)
