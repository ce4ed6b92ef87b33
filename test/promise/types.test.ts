import {
  Cached,
  DataAgent,
  EntropyConstrained,
  type Family,
  Focused,
  type Revision,
  SqlAgent,
  type SqlDriver,
  type StateError,
  type StreamAgent,
  Symbiont,
  type VectorAgent,
  VolatileAgent
} from "dgents"
import {
  type Agent,
  type Family as Agents,
  connect,
  type EventStream,
  type Handle,
  type Opened,
  open,
  type Promised,
  type Runnable,
  Schema,
  task,
  through,
  type VectorMemory,
  within
} from "dgents/promise"
import { SqliteDriver } from "dgents/sqlite"
import { type Effect, Optic, type Option, type Scope, type Stream } from "effect"
import { expect, expectTypeOf, it } from "vitest"

const User = Schema.Struct({ name: Schema.String, age: Schema.Number })
type User = typeof User.Type

class Current extends DataAgent.Service<Current, User>()("test/Current") {}

it("what is opened has the type of its counterpart in promises", () => {
  expectTypeOf<Promised<Family.Family<User>>>().toExtend<Agents<User>>()
  expectTypeOf<Promised<StreamAgent.StreamAgent<"e", User>>>().toEqualTypeOf<EventStream<"e", User>>()
  expectTypeOf<Promised<VectorAgent.VectorAgent<User>>>().toEqualTypeOf<VectorMemory<User>>()
  expectTypeOf<Promised<Symbiont.Symbiont<string, number, "e">>>().toEqualTypeOf<Runnable<string, number>>()
  expectTypeOf<Promised<number>>().toEqualTypeOf<number>()
  expectTypeOf<Opened<DataAgent.DataAgent<User>>>().toExtend<Agent<User> & Handle<DataAgent.DataAgent<User>>>()
  type Constrained = Opened<EntropyConstrained.EntropyConstrained<User>>
  expectTypeOf<Constrained>().toExtend<Agent<User>>()
  expectTypeOf<ReturnType<Constrained["figures"]>>().toEqualTypeOf<Promise<EntropyConstrained.Figures>>()
  expectTypeOf<Constrained["maxBytes"]>().toEqualTypeOf<number>()
  type Record = Promised<{
    readonly one: DataAgent.DataAgent<User>
    readonly find: (id: string) => Effect.Effect<Option.Option<User>, "e">
    readonly all: Stream.Stream<User, "e">
  }>
  expectTypeOf<Record["one"]>().toExtend<Agent<User>>()
  expectTypeOf<Record["find"]>().toEqualTypeOf<(id: string) => Promise<User | undefined>>()
  expectTypeOf<ReturnType<Record["all"]>>().toEqualTypeOf<AsyncIterable<User>>()
})

it("operations take and answer states", () => {
  const use = async (user: Agent<User>) => {
    expectTypeOf(user.load()).toEqualTypeOf<Promise<User>>()
    expectTypeOf(user.find()).toEqualTypeOf<Promise<User | undefined>>()
    expectTypeOf(user.current()).toEqualTypeOf<Promise<Revision.Revisioned<User> | undefined>>()
    expectTypeOf(user.modify(async (state) => [state.age, state])).toEqualTypeOf<Promise<number>>()
    expectTypeOf(user.changes()).toEqualTypeOf<AsyncIterable<Revision.Change<User>>>()
    // @ts-expect-error a state of another type
    await user.save({ name: "Ada" })
    // @ts-expect-error a function that answers no state
    await user.update(({ age }) => age)
    // @ts-expect-error a function that answers no next state
    await user.modify(async ({ age }) => age)
    // @ts-expect-error a revision is no number
    await user.compareAndSave({ name: "Ada", age: 36 }, 3)
  }
  expect(use).toBeTypeOf("function")
})

it("what a constructor needs has to be there", () => {
  const stored = SqlAgent.make({ name: "user", schema: User })
  const use = async () => {
    // @ts-expect-error no driver
    await open(stored)
    // @ts-expect-error another program's services
    await (await connect(VolatileAgent.layer(Current, { name: "user", schema: User }))).open(stored)
    const app = await connect(SqliteDriver.layer({ filename: ":memory:" }))
    expectTypeOf(await app.open(stored)).toExtend<Agent<User>>()
    const both = await app.open({ user: stored, total: VolatileAgent.make({ name: "n", schema: Schema.Number }) })
    expectTypeOf(both.user).toExtend<Agent<User>>()
    expectTypeOf(both.total).toExtend<Agent<number>>()
    expectTypeOf(both.effect.user).toEqualTypeOf<DataAgent.DataAgent<User>>()
    // @ts-expect-error a service that is not there
    app.get(Current)
  }
  expect(use).toBeTypeOf("function")
})

it("through infers its way along the combinators", () => {
  const lens = Optic.id<User>().key("age")
  const made = through(
    SqlAgent.make({ name: "user", schema: User }),
    EntropyConstrained.make({ maxBytes: 9 }),
    Cached.make(),
    (agent) => Focused.make(agent, { lens, schema: Schema.Number })
  )
  expectTypeOf(made).toExtend<Effect.Effect<DataAgent.DataAgent<number>, unknown, SqlDriver | Scope.Scope>>()
  expectTypeOf<Effect.Error<typeof made>>().toExtend<StateError.StateError>()
  const add = task(async (by: number, total: number, signal) => {
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
    return [`${by}` as string, total + by] as const
  })
  const adder = through(VolatileAgent.make({ name: "n", schema: Schema.Number }), (memory) =>
    Symbiont.make({ memory, logic: add })
  )
  expectTypeOf<Effect.Success<typeof adder>>().toEqualTypeOf<Symbiont.Symbiont<number, string, unknown>>()
  const inside = () => within(EntropyConstrained.child, async () => 3)
  expectTypeOf(inside).returns.toEqualTypeOf<Promise<number>>()
})
