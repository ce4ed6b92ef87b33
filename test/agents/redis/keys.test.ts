import { expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { type Keys, Naming } from "../../../src/agents/redis/keys.ts"

const namesOf = ({ history, removed, state }: Keys): ReadonlyArray<string> => [state, history, removed]

const wellFormed = (text: string): string => text.toWellFormed()

it.prop(
  "two states share a key when prefix, collection and key are the same, and never else",
  [Schema.String, Schema.String, Schema.String, Schema.String],
  (texts) => {
    const [a = "", b = "", c = "", d = ""] = texts.map(wellFormed)
    expect(new Naming("dgents", a).state(b) === new Naming("dgents", c).state(d)).toBe(a === c && b === d)
    const keys = new Naming(a, b).of(c)
    expect(new Set(namesOf(keys)).size).toBe(3)
    expect(new Naming(a, b).keyOf(keys.state)).toBe(c)
  }
)

it("what could be taken for the name of another state or collection is not", () => {
  const names = [
    ["a", "b"],
    ["a/b", ""],
    ["a", "b}:history"],
    ["a", "b}"],
    ["a{", "b"],
    ["a%2f", "b"],
    ["a%", "2fb"],
    ["", "a/b"]
  ] as const
  const keys = names.flatMap(([collection, key]) => namesOf(new Naming("p", collection).of(key)))
  expect(new Set(keys).size).toBe(names.length * 3)
})

it("all keys of one state have the same part in braces, which alone decides the slot", () => {
  for (const key of ["", "a", "}", "{}", "a}b{c"]) {
    const tags = namesOf(new Naming("p{}", "c}").of(key)).map((name) => /\{([^}]*)\}/.exec(name)?.[1])
    expect(new Set(tags).size).toBe(1)
    expect(tags[0]).not.toBe("")
  }
})
