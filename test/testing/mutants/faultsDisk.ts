/** Agents that mistake what a disk tells them, leave something behind, or take another schema's state for their own. */
import { type Codec, type DataAgent, StateError } from "dgents"
import type { Subject } from "dgents/testing"
import { Effect, Exit, Option, type Schema } from "effect"
import { claims, type Flaw, smallFile } from "./faultsFile.ts"
import { override, State } from "./memory.ts"
import { type Mutant, mutant } from "./mutant.ts"

const told = "a failing disk is told, and recovered from"
const every = "every I/O operation may fail"
const frees = "closing frees everything"
const otherSchema = "a state of another schema is told"

/** A subject on the simulated disk; right without a flaw. */
export const diskSubject = (name: string, flaw?: Flaw): Subject<State> => ({
  name,
  schema: State,
  claims,
  open: smallFile(State, flaw),
  openAs: <T>(site: Parameters<Subject<T>["open"]>[0], schema: Schema.Codec<T, unknown>) =>
    smallFile(schema, flaw)(site)
})

const flawed = (law: string, flaw: NonNullable<Flaw>) => mutant(law, diskSubject(flaw, flaw))

/** Decodes as one does without a schema. */
const careless = (honest: Codec.Codec<State>): Codec.Codec<State> => ({
  ...honest,
  // What the careless author casts, too.
  decode: (payload) => Exit.succeed(JSON.parse(String(payload), revive) as State)
})

const revive = (key: string, value: unknown): unknown =>
  key === "at" ? new Date(String(value)) : key === "n" && typeof value === "string" ? Number(value) : value

const startsOver = (agent: DataAgent.DataAgent<State>): DataAgent.DataAgent<State> =>
  override(agent, {
    load: Effect.catchTag(agent.load, "StateCorrupt", () =>
      Effect.fail(new StateError.StateNotFound({ agent: agent.name }))
    ),
    current: Effect.catchTag(agent.current, "StateCorrupt", () => Effect.succeed(Option.none()))
  })

export const diskMutants = (honest: Codec.Codec<State>): ReadonlyArray<Mutant> => [
  flawed(every, "swallows ENOSPC"),
  flawed(every, "takes a short write for a whole one"),
  flawed(every, "tries a failed fsync again"),
  flawed(every, "ignores a failed fsync of the directory"),
  flawed(every, "leaves its temp file after an error"),
  flawed(every, "leaks the handle of a read that fails"),
  flawed(every, "says failed of what it cannot know"),
  flawed(told, "takes a read that fails for no state"),
  flawed(told, "dies of an I/O error"),
  flawed(told, "refuses all work after an error"),
  flawed(told, "keeps in memory what it could not store"),
  flawed(frees, "leaves a file open"),
  flawed(frees, "leaves a lock file"),
  flawed(frees, "leaves a timer"),
  flawed(frees, "leaves a file for each opening"),
  flawed(frees, "goes on working after closing"),
  mutant(otherSchema, {
    ...diskSubject("a state is cast instead of decoded"),
    open: smallFile(careless(honest))
  }),
  mutant(otherSchema, {
    ...diskSubject("a state that cannot be decoded is taken for none"),
    open: (site) => Effect.map(smallFile(State)(site), startsOver)
  })
]
