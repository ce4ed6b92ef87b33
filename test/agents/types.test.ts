import { expectTypeOf, it } from "@effect/vitest"
import { DataAgent, Family, type Revision, type StateError, VolatileAgent } from "dgents"
import { Effect, type Layer, type Option, Schema, type Scope } from "effect"

const Profile = Schema.Struct({ name: Schema.String, since: Schema.Date })
type Profile = typeof Profile.Type

class MyProfile extends DataAgent.Service<MyProfile, Profile>()("test/MyProfile") {}
class Profiles extends Family.Service<Profiles, Profile>()("test/Profiles") {}

declare const agent: DataAgent.DataAgent<Profile>
declare const family: Family.Family<Profile>

it("operations list just what they can fail with", () => {
  expectTypeOf<typeof agent.load>().toEqualTypeOf<
    Effect.Effect<Profile, StateError.StateNotFound | StateError.ReadError>
  >()
  expectTypeOf<ReturnType<typeof agent.save>>().toEqualTypeOf<Effect.Effect<void, StateError.WriteError>>()
  expectTypeOf<typeof agent.current>().toEqualTypeOf<
    Effect.Effect<Option.Option<Revision.Revisioned<Profile>>, StateError.ReadError>
  >()
  const tryModify = () =>
    agent.modify((profile) =>
      profile.name === "" ? Effect.fail("nameless" as const) : Effect.succeed([1 as number, profile] as const)
    )
  expectTypeOf(tryModify).returns.toEqualTypeOf<
    Effect.Effect<number, "nameless" | StateError.StateNotFound | StateError.CompareError>
  >()
  expectTypeOf<StateError.StateError["_tag"]>().toEqualTypeOf<
    | "StateNotFound"
    | "StateInvalid"
    | "StateCorrupt"
    | "StateTooLarge"
    | "RevisionConflict"
    | "WriteIndeterminate"
    | "StorageUnavailable"
    | "AgentClosed"
  >()
})

it("the state type comes from the schema and is invariant", () => {
  const made = VolatileAgent.make({ name: "p", schema: Profile })
  expectTypeOf(made).toEqualTypeOf<Effect.Effect<DataAgent.DataAgent<Profile>, VolatileAgent.OpenError, Scope.Scope>>()
  expectTypeOf<DataAgent.State<typeof agent>>().toEqualTypeOf<Profile>()
  expectTypeOf<DataAgent.DataAgent<Profile>>().not.toMatchTypeOf<DataAgent.DataAgent<{ readonly name: string }>>()
  expectTypeOf<ReturnType<typeof family.at>>().toEqualTypeOf<DataAgent.DataAgent<Profile>>()
})

it("the piped forms take the state type from the agent", () => {
  const Settings = Schema.Struct({ theme: Schema.optionalKey(Schema.String), size: Schema.optional(Schema.Number) })
  const settings = VolatileAgent.make({ name: "s", schema: Settings })
  const saved = Effect.flatMap(settings, (agent) => agent.pipe(DataAgent.save({ theme: "dark" })))
  expectTypeOf(saved).toEqualTypeOf<Effect.Effect<void, StateError.WriteError, Scope.Scope>>()
})

it("a revision is not just a number, and a state of another shape does not type-check", () => {
  expectTypeOf<number>().not.toMatchTypeOf<Revision.Revision>()
  expectTypeOf<typeof agent.save>().parameter(0).toEqualTypeOf<Profile>()
  expectTypeOf<typeof agent.compareAndSave>().parameter(1).toEqualTypeOf<Revision.Revision>()
  // @ts-expect-error: the initial state has to fit the schema
  VolatileAgent.make({ name: "p", schema: Profile, initial: { name: 1 } })
})

it("a program asks for a state, a layer decides where it lives", () => {
  const program = Effect.flatMap(MyProfile, (profile) => profile.load)
  expectTypeOf(program).toEqualTypeOf<
    Effect.Effect<Profile, StateError.StateNotFound | StateError.ReadError, MyProfile>
  >()
  expectTypeOf(VolatileAgent.layer(MyProfile, { name: "p", schema: Profile })).toEqualTypeOf<
    Layer.Layer<MyProfile, VolatileAgent.OpenError>
  >()
  expectTypeOf(VolatileAgent.layerFamily(Profiles, { name: "p", schema: Profile })).toEqualTypeOf<
    Layer.Layer<Profiles, VolatileAgent.OpenError>
  >()
})
