import { expect, it } from "@effect/vitest"
import { Optic, Schema } from "effect"
import { numberAt } from "../../../src/agents/redis/number.ts"
import { json } from "../../../src/schema/Codec.ts"

const Address = Schema.Struct({ floor: Schema.Finite, visits: Schema.Int })

class Person extends Schema.Class<Person>("Person")({ age: Schema.Int }) {}

const State = Schema.Struct({
  count: Schema.Int,
  ratio: Schema.Number,
  percent: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 100 })),
  text: Schema.NumberFromString,
  even: Address.check(Schema.makeFilter(({ visits }) => visits % 2 === 0)),
  address: Schema.optionalKey(Address),
  nothing: Schema.NullOr(Schema.Struct({ n: Schema.Finite })),
  either: Schema.Union([Schema.Struct({ n: Schema.Finite }), Schema.Struct({ n: Schema.NumberFromString })]),
  perCity: Schema.Record(Schema.String, Schema.Finite),
  list: Schema.Array(Schema.Int),
  person: Person,
  maybe: Schema.optionalKey(Schema.Int)
})

type State = typeof State.Type

const state = Optic.id<State>()

const codec = json(State)

const find = (optic: Optic.Optional<State, number>) => numberAt(codec, optic)

it("a number that is stored as it is is found at its path", () => {
  expect(find(state.key("count"))).toEqual({ path: ["count"], isInteger: true, mayBeMissing: false })
  expect(find(state.key("ratio"))).toEqual({ path: ["ratio"], isInteger: false, mayBeMissing: false })
  expect(find(state.key("list").at(2))).toEqual({ path: ["list", 2], isInteger: true, mayBeMissing: false })
  expect(find(state.key("person").key("age"))).toEqual({
    path: ["person", "age"],
    isInteger: true,
    mayBeMissing: false
  })
  expect(find(state.optionalKey("address").notUndefined().key("visits"))).toEqual({
    path: ["address", "visits"],
    isInteger: true,
    mayBeMissing: false
  })
})

it("a property that may be missing begins at nothing, unless the optic asks for it to be there", () => {
  expect(find(state.key("perCity").key("Paris"))).toEqual({
    path: ["perCity", "Paris"],
    isInteger: false,
    mayBeMissing: true
  })
  expect(find(state.optionalKey("maybe").notUndefined())).toMatchObject({ mayBeMissing: true })
  expect(find(state.key("perCity").at("Paris"))).toMatchObject({ mayBeMissing: false })
})

it("what the server could not keep right is refused, with the reason and the place", () => {
  const check = "its schema has a check that the server cannot make; update the state instead"
  expect(find(state.key("percent"))).toEqual({ path: ["percent"], reason: check })
  for (const [optic, path] of [
    [state.key("even").key("floor"), ["even", "floor"]],
    [state.key("text"), ["text"]],
    [state.key("either").key("n"), ["either", "n"]]
  ] as const)
    expect(find(optic)).toEqual({ path, reason: expect.stringContaining("stored as it is") })
  const whole = { path: [], reason: expect.stringContaining("more than to name a property") }
  expect(find(state.key("count").compose(Optic.makeIso(Number, Number)))).toEqual(whole)
  const both = Optic.makeLens<State, number>(
    ({ count }) => count,
    (count, state) => ({ ...state, count, ratio: count })
  )
  expect(find(both)).toEqual(whole)
})
