import { type DataAgent, type StateError, StreamAgent, type StreamError, type StreamLog } from "dgents"
import { Effect, type Scope, type Stream } from "effect"
import { expectTypeOf, it } from "vitest"
import * as A from "./stream/account.ts"

// What is checked are types; nothing is asked of it.
const account = undefined as unknown as StreamAgent.StreamAgent<A.Event, A.State>
const snapshots = undefined as unknown as DataAgent.DataAgent<StreamAgent.Snapshot>
const numbers = undefined as unknown as DataAgent.DataAgent<number>

type Unchecked = () => unknown
const unchecked = (_: Unchecked) => {}

it("events and states are those of the schemas", () => {
  unchecked(() => {
    const make = StreamAgent.make(A.account)
    expectTypeOf(make).toEqualTypeOf<
      Effect.Effect<StreamAgent.StreamAgent<A.Event, A.State>, StreamAgent.OpenError, Scope.Scope | StreamLog>
    >()
    // @ts-expect-error: an initial of another type
    StreamAgent.make({ ...A.account, initial: { owner: 1 } })
    // @ts-expect-error: a fold to another type
    StreamAgent.make({ ...A.account, fold: () => 1 })
    // @ts-expect-error: a fold over other events
    StreamAgent.make({ ...A.account, fold: (state: A.State, _: { readonly _tag: "Other" }) => state })
    // @ts-expect-error: an agent of something else than snapshots
    StreamAgent.make({ ...A.account, snapshots: { agent: numbers } })
    // @ts-expect-error: a family keeps its snapshots in a family
    StreamAgent.family({ ...A.account, snapshots: { agent: snapshots } })
    StreamAgent.make({ ...A.account, snapshots: { agent: snapshots } })
    StreamAgent.make({
      name: "inferred",
      events: A.Event,
      state: A.State,
      initial: A.initial,
      fold: (state, event) => {
        expectTypeOf(state).toEqualTypeOf<A.State>()
        expectTypeOf(event).toEqualTypeOf<A.Event>()
        return state
      }
    })
  })
})

it("what is appended are events, one or several", () => {
  unchecked(() => {
    account.append(A.deposited(1))
    account.append([A.deposited(1), A.withdrawn(2)], { expected: 3, id: "x" })
    // @ts-expect-error: no such event
    account.append({ _tag: "Other" })
    // @ts-expect-error: an event that lacks a field
    account.append([{ _tag: "Deposited" }])
    // @ts-expect-error: no such event, data first
    StreamAgent.append(account, { _tag: "Other" })
    // @ts-expect-error: a state cannot be saved
    account.save
  })
})

it("an operation says what it can fail with, and no more", () => {
  expectTypeOf<Effect.Error<typeof account.load>>().toEqualTypeOf<
    StateError.ReadError | StreamError.EventUnknown | StreamError.EventsCompacted | StreamError.FoldFailed
  >()
  expectTypeOf<Effect.Error<ReturnType<typeof account.append>>>().toEqualTypeOf<
    StateError.WriteError | StreamError.PositionConflict
  >()
  expectTypeOf<Stream.Error<ReturnType<typeof account.events>>>().toEqualTypeOf<
    StateError.ReadError | StreamError.EventUnknown | StreamError.EventsCompacted
  >()
  expectTypeOf<Effect.Error<ReturnType<typeof account.at>>>().toEqualTypeOf<
    Effect.Error<typeof account.load> | StateError.StateNotFound
  >()
})

it("a decision adds its own errors and needs, and knows the state", () => {
  unchecked(() => {
    const decided = account.decide((state) => {
      expectTypeOf(state).toEqualTypeOf<A.State>()
      return state.balance > 0 ? Effect.succeed([true, [A.withdrawn(1)]] as const) : Effect.fail("poor" as const)
    })
    expectTypeOf(decided).toEqualTypeOf<Effect.Effect<true, "poor" | StreamError.DecideError>>()
    // @ts-expect-error: no such event
    account.decide(() => Effect.succeed([1, [{ _tag: "Other" }]] as const))
  })
})

it("the adapter is an agent of the state, and a projection of its own", () => {
  unchecked(() => {
    const agent = StreamAgent.asDataAgent(account, {
      diff: (before, after) => [A.deposited(after.balance - before.balance)]
    })
    expectTypeOf(agent).toEqualTypeOf<DataAgent.DataAgent<A.State>>()
    // @ts-expect-error: no such event
    StreamAgent.asDataAgent(account, { diff: () => [{ _tag: "Other" }] })
    StreamAgent.consume(account, {
      position: numbers,
      handle: ({ event, position }) => {
        expectTypeOf(event).toEqualTypeOf<A.Event>()
        expectTypeOf(position).toEqualTypeOf<number>()
        return Effect.fail("no" as const)
      }
    })
  })
})
