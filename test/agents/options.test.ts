import { existsSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Codec, PersistentAgent, VolatileAgent } from "dgents"
import { Duration, Effect, type FileSystem, Schema, type Scope } from "effect"
import { tempDirectory } from "./file/faultyFs.ts"

const Counter = Schema.Struct({ n: Schema.Number })

type Open = (options: object) => Effect.Effect<unknown, unknown, Scope.Scope | FileSystem.FileSystem>

// Sound: plain JavaScript calls them with anything, and that is what is tried.
const plain = (open: unknown) => open as Open

const openings = {
  "PersistentAgent.make": plain(PersistentAgent.make),
  "PersistentAgent.family": plain(PersistentAgent.family),
  "VolatileAgent.make": plain(VolatileAgent.make),
  "VolatileAgent.family": plain(VolatileAgent.family)
} as const

// A value of each kind, and of each kind of number and text.
const values: ReadonlyArray<readonly [value: unknown, kind: string]> = [
  [null, "null"],
  [true, "true"],
  [0, "the number 0"],
  [-3, "the number -3"],
  [1.5, "the number 1.5"],
  [Number.NaN, "the number NaN"],
  [Number.NEGATIVE_INFINITY, "the number -Infinity"],
  ["", "an empty string"],
  ["hunter2", "a string"],
  [3n, "a bigint"],
  [Symbol("hunter2"), "a symbol"],
  [() => "hunter2", "a function"],
  [["hunter2"], "an array"],
  [{ hunter2: 1 }, "an object"]
]

interface Option {
  /** Where it stands: `history.bounded` inside of `history`. */
  readonly name: string
  readonly allowed: string
  /** Those of the values that are allowed. */
  readonly but?: ReadonlyArray<unknown>
}

const common: ReadonlyArray<Option> = [
  { name: "schema", allowed: "a Schema or a Codec" },
  { name: "history.bounded", allowed: "a whole number from 1, or Infinity" }
]
const name: Option = { name: "name", allowed: "a string", but: ["", "hunter2"] }
const exact: ReadonlyArray<Option> = [name, ...common, { name: "history", allowed: '"none", "full" or { bounded }' }]
const files: ReadonlyArray<Option> = [
  name,
  ...common,
  { name: "history", allowed: '"none", "full" or { bounded, maxAge, maxBytes }' },
  { name: "history.maxAge", allowed: 'a duration above 0, such as "30 days"', but: [1.5, 3n] },
  { name: "history.maxBytes", allowed: "a number from 0, or Infinity", but: [0, 1.5] },
  { name: "sharing", allowed: '"process" or "host"' },
  { name: "edits", allowed: '"refuse" or "adopt"' },
  { name: "compression", allowed: '"none", "gzip" or "zstd"' }
]
const limits: ReadonlyArray<Option> = [
  { name: "maxKeys", allowed: "a whole number from 1, or Infinity" },
  { name: "maxBytes", allowed: "a number from 0, or Infinity", but: [0, 1.5] }
]

const options: Readonly<Record<keyof typeof openings, ReadonlyArray<Option>>> = {
  "PersistentAgent.make": [...files, { name: "path", allowed: "a path that is not empty", but: ["hunter2"] }],
  "PersistentAgent.family": [...files, { name: "directory", allowed: "a path that is not empty", but: ["hunter2"] }],
  "VolatileAgent.make": exact,
  "VolatileAgent.family": [...exact, ...limits]
}

/** What is right for each opening, with one option changed. */
const given = (directory: string, at?: string, value?: unknown): object => {
  const right = {
    name: "agent",
    schema: Counter,
    path: join(directory, "in", "n.json"),
    directory: join(directory, "in")
  }
  const [outer = "", inner] = at?.split(".") ?? []
  return at === undefined ? right : { ...right, [outer]: inner === undefined ? value : { [inner]: value } }
}

for (const [opening, open] of Object.entries(openings)) {
  // Sound: the keys of an object that was written out above.
  for (const { allowed, but = [], name } of options[opening as keyof typeof openings]) {
    it.effect(
      `${opening}: the option ${name} has to be ${allowed}; anything else is refused in words, and nothing is done`,
      () =>
        Effect.gen(function* () {
          const directory = yield* tempDirectory
          for (const [value, kind] of values) {
            if (but.includes(value)) continue
            const error = yield* Effect.flip(Effect.scoped(open(given(directory, name, value))))
            const reason = `the option ${name} is ${kind}, and has to be ${allowed}`
            expect(error).toMatchObject({ _tag: "StorageUnavailable", operation: "open", reason, retryable: false })
            expect(String(error)).not.toContain("hunter2")
            expect(String(error)).toContain(name === "name" ? "" : 'agent "agent"')
          }
          expect(existsSync(join(directory, "in"))).toBe(false)
        }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
    )
  }
}

const right: ReadonlyArray<object> = [
  { history: undefined, sharing: undefined, edits: undefined, compression: undefined },
  { history: "none", sharing: "process", edits: "refuse", compression: "none" },
  { history: "full", sharing: "host", edits: "adopt", compression: "gzip", schema: Codec.json(Counter) },
  { history: { bounded: 1 } },
  { history: { bounded: Number.POSITIVE_INFINITY } },
  { name: "", maxKeys: 1, maxBytes: 0, unknown: true }
]
const rightOfFiles: ReadonlyArray<object> = [
  { name: undefined },
  { history: {} },
  { history: { bounded: undefined, maxAge: undefined, maxBytes: undefined } },
  { history: { bounded: 2, maxAge: "30 days", maxBytes: 0 } },
  ...[1, 3n, [1, 0], { hours: 1 }, "Infinity", Duration.hours(1)].map((maxAge) => ({ history: { maxAge } }))
]

for (const [opening, open] of Object.entries(openings)) {
  it.effect(`${opening}: what is allowed is accepted`, () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      for (const options of opening.startsWith("Persistent") ? [...right, ...rightOfFiles] : right)
        yield* Effect.scoped(open({ ...given(directory), ...options }))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
}

it.effect("an agent in a file that is not opened with a name is called by its path in the error", () =>
  Effect.gen(function* () {
    for (const options of [{ path: "a/b.json" }, { path: "a/b.json", name: 5 }]) {
      const error = yield* Effect.flip(
        Effect.scoped(openings["PersistentAgent.make"]({ schema: Counter, ...options, sharing: "galaxy" }))
      )
      expect(String(error)).toContain('agent "a/b.json" could not open: the option')
    }
  }).pipe(Effect.provide(NodeServices.layer))
)
