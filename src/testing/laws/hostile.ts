import { Effect, Option } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import { type Broken, broken, type Case } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { show } from "../internal/same.ts"
import { deepen, kind, places, replaceAt } from "../internal/tree.ts"
import { type Law, property } from "../internal/world.ts"

const cyclic: { self?: unknown } = {}
cyclic.self = cyclic

const tower = (height: number): unknown => {
  let value: unknown = []
  for (let i = 0; i < height; i++) value = [value]
  return value
}

/** Leaves that storage is known to stumble over; whether one is a legal state is the schema's to say. */
const leaves: ReadonlyArray<readonly [name: string, make: () => unknown]> = [
  ["a lone high surrogate", () => "\ud800"],
  ["a lone low surrogate", () => "a\udc00b"],
  ["NUL", () => "a\0b"],
  ["newlines", () => "a\r\nb\nc\u2028d"],
  ["__proto__ as text", () => "__proto__"],
  ["an empty string", () => ""],
  ["quotes and backslashes", () => `'"\`\\;--%_{}$1`],
  ["unicode", () => "e\u0301é😀\ufeff\uffff"],
  ["a string of 1 MiB", () => "x".repeat(1_048_576)],
  ["a string of 64 KiB + 1", () => `${"y".repeat(65_536)}z`],
  ["-0", () => -0],
  ["NaN", () => Number.NaN],
  ["Infinity", () => Number.POSITIVE_INFINITY],
  ["-Infinity", () => Number.NEGATIVE_INFINITY],
  ["the smallest number", () => Number.MIN_VALUE],
  ["the largest number", () => Number.MAX_VALUE],
  ["2 ** 53 + 2", () => 2 ** 53 + 2],
  ["the last date", () => new Date(8.64e15)],
  ["the first date", () => new Date(-8.64e15)],
  ["an invalid date", () => new Date(Number.NaN)],
  ["a negative bigint", () => -(2n ** 64n)],
  ["a large bigint", () => 10n ** 400n],
  ["empty bytes", () => new Uint8Array()],
  ["64 KiB of bytes", () => new Uint8Array(65_536).fill(0x80)],
  ["an empty array", () => []],
  ["an empty object", () => ({})],
  ["an own key __proto__", () => JSON.parse('{"__proto__": 1}')],
  ["an own key __proto__ of text", () => JSON.parse('{"__proto__": "x", "constructor": "y", "": "z"}')],
  ["an empty map", () => new Map()],
  [
    "a map with hostile keys",
    () =>
      new Map([
        ["__proto__", "a"],
        ["", "b"],
        ["\0", "c"]
      ])
  ],
  ["an empty set", () => new Set()],
  ["null", () => null],
  ["undefined", () => undefined],
  ["true", () => true],
  ["a sparse array", () => Object.assign(Array(2), { 1: 1 })],
  ["arrays 1 000 deep", () => tower(1_000)],
  ["arrays 100 000 deep", () => tower(100_000)],
  ["a cycle", () => cyclic],
  ["a function", () => () => 1],
  ["a symbol", () => Symbol("s")],
  ["a promise", () => Promise.resolve(1)],
  ["a regular expression", () => /x/],
  [
    "a getter that throws",
    () => ({
      get trap() {
        throw new Error("trap")
      }
    })
  ],
  ["an excess property", () => ({ excess: "property" })]
]

interface Attack {
  /** Which place in the state, modulo their number. */
  readonly place: number
  /** What to put there: something hostile of the same kind, anything hostile, or the state itself a thousand times. */
  readonly how: "alike" | "any" | "deep"
  readonly what: number
}

interface Hostile<S> {
  readonly state: S
  readonly attacks: ReadonlyArray<Attack>
}

const byKind = Map.groupBy(leaves, ([, make]) => kind(make()))
const alike = (part: unknown) => byKind.get(kind(part)) ?? []

const apply = (state: unknown, { how, place, what }: Attack): { readonly name: string; readonly value: unknown } => {
  const all = places(state)
  const fitting = how === "alike" ? all.filter(([, part]) => alike(part).length > 0) : all
  const [path, part] = fitting[place % fitting.length] ?? [[], state]
  if (how === "deep") return { name: "itself inside itself, 1 000 deep", value: deepen(state, path, 1_000) }
  const choices = how === "alike" ? alike(part) : leaves
  const [name, make] = choices[what % choices.length] ?? ["nothing else", () => part]
  return { name: `${name} at "${path.map(String).join(".")}"`, value: replaceAt(state, path, make()) }
}

/** Values that storage stumbles over come back equal, or are refused typed and change nothing. */
export const hostile: Law = {
  name: "hostile values come back equal or are refused",
  rule: "what is accepted comes back equal; what cannot be kept is refused with StateInvalid, and nothing changes silently. Let the codec of the agent encode the state, and store its payload as it is.",
  plan: (world) => {
    const attack: Gen.Gen<Attack> = Gen.record({
      place: Gen.int(0, 31),
      how: Gen.pick(["alike", "alike", "alike", "alike", "any", "any", "any", "deep"]),
      what: Gen.int(0, 1_000)
    })
    return property(world, {
      cases: Gen.record<Hostile<(typeof world.pool)[0]>>({ state: world.pooled, attacks: Gen.script(attack) }),
      show: ({ attacks, state }) => [
        `save ${show(state)}`,
        ...attacks.map((attack) => `save the same with ${apply(state, attack).name}, load, save the first again`)
      ],
      holds: ({ attacks, state }, run) =>
        Effect.gen(function* () {
          const { agent } = yield* run.open
          yield* run.must("save", agent.save(state))
          for (const attack of attacks) {
            // Not a state according to the types, which is the point: JavaScript callers and casts exist.
            const value = apply(state, attack).value as typeof state
            if (yield* withstand(run, agent, state, value)) yield* run.must("save", agent.save(state))
          }
        })
    })
  }
}

// How deep is too deep is up to the engine's stack, of which the caller has used a part: no two checks need agree.
const tooDeep = (reason: string): boolean => reason.includes("nested too deeply")

/** Saves a hostile value over a state; whether it was accepted. */
const withstand = <S>(run: Case<S>, agent: DataAgent<S>, state: S, value: S): Effect.Effect<boolean, Broken> =>
  Effect.gen(function* () {
    const { codec, same } = run.world
    const old = yield* run.must("current", agent.current)
    const refusal = yield* Effect.match(codec.validate(value), {
      onSuccess: () => "",
      onFailure: ({ reason }) => reason
    })
    const fits = refusal === ""
    run.count(fits ? "values that fit" : "values that do not fit")
    const answer = yield* run.attempt("save", agent.save(value))
    if (answer.ok) {
      if (!fits && !tooDeep(refusal)) return yield* broken("a value that does not fit the schema was accepted")
      run.count("came back")
      yield* run.same("load", value, yield* run.must("load", agent.load))
      return true
    }
    const { error } = answer
    if (error._tag !== "StateInvalid" && error._tag !== "StateTooLarge")
      return yield* broken(`it was refused with ${error._tag}: ${error.message}`)
    if (error._tag === "StateInvalid" && fits && !tooDeep(error.reason) && same.storable(value))
      return yield* broken(`a value that fits the schema and encodes was refused: ${error.message}`)
    const updated = yield* run.attempt(
      "update",
      agent.update(() => value)
    )
    if (updated.ok) return yield* broken("save refuses the value and update takes it")
    const now = yield* run.must("current", agent.current)
    if (Option.isNone(now) || Option.isNone(old) || now.value.revision !== old.value.revision)
      return yield* broken("a refused value moved the revision")
    yield* run.same("state after a refused value", state, now.value.state)
    return false
  })
