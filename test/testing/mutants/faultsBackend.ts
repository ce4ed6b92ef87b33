/** Agents over another one that fails: what they make of its errors. */
import { DataAgent, StateError } from "dgents"
import { Faults, type Site, type Subject } from "dgents/testing"
import { Effect, Option } from "effect"
import { claims, emptyCell, override, right, State } from "./memory.ts"
import { type Mutant, mutant } from "./mutant.ts"

type Agent = DataAgent.DataAgent<State>

const backend = (site: Site.Site): ReturnType<typeof DataAgent.fromRegister<State>> =>
  DataAgent.fromRegister({ name: "backend", schema: State, claims, register: right(site.memory("cell", emptyCell)) })

/** A subject over a backend in memory that may fail; right without `breaks`. */
export const backendSubject = (name: string, breaks?: (agent: Agent) => Partial<Agent>): Subject<State> => {
  const over = (agent: Agent) => (breaks === undefined ? agent : override(agent, breaks(agent)))
  return {
    name,
    schema: State,
    open: (site) => Effect.map(backend(site), over),
    faulty: (site, faults) => Effect.map(backend(site), (agent) => over(Faults.agent(agent, faults)))
  }
}

const honest = "every request to the backend may fail"

const broken = (name: string, breaks: (agent: Agent) => Partial<Agent>) => mutant(honest, backendSubject(name, breaks))

const lost = (agent: Agent) => (error: StateError.WriteIndeterminate) =>
  new StateError.StorageUnavailable({ agent: agent.name, operation: "write", reason: error.reason, retryable: true })

/** A cache of the state; `save` says when it is filled. */
const caching =
  (
    save: (
      agent: Agent,
      state: State,
      fill: Effect.Effect<void>,
      clear: Effect.Effect<void>
    ) => ReturnType<Agent["save"]>
  ) =>
  (agent: Agent): Partial<Agent> => {
    let cache: State | undefined
    const clear = Effect.sync(() => {
      cache = undefined
    })
    return {
      load: Effect.suspend(() => (cache === undefined ? agent.load : Effect.succeed(cache))),
      save: (state) =>
        save(
          agent,
          state,
          Effect.sync(() => {
            cache = state
          }),
          clear
        ),
      update: (f, options) => Effect.ensuring(agent.update(f, options), clear),
      modify: (f, options) => Effect.ensuring(agent.modify(f, options), clear),
      compareAndSave: (state, expected) => Effect.ensuring(agent.compareAndSave(state, expected), clear),
      delete: Effect.ensuring(agent.delete, clear)
    }
  }

export const backendMutants: ReadonlyArray<Mutant> = [
  broken(
    "a cache that is written before the backend",
    caching((agent, state, fill) => Effect.andThen(fill, agent.save(state)))
  ),
  broken(
    "a cache that is filled though the write failed",
    caching((agent, state, fill) => Effect.ensuring(agent.save(state), fill))
  ),
  broken("a cache that keeps the old state when a write is indeterminate", (agent) => {
    let cache: State | undefined
    const fill = (state: State | undefined) =>
      Effect.sync(() => {
        cache = state
      })
    return {
      load: Effect.suspend(() => (cache === undefined ? Effect.tap(agent.load, fill) : Effect.succeed(cache))),
      save: (state) => Effect.tap(agent.save(state), () => fill(undefined)),
      update: (f, options) => Effect.tap(agent.update(f, options), () => fill(undefined)),
      modify: (f, options) => Effect.tap(agent.modify(f, options), () => fill(undefined)),
      compareAndSave: (state, expected) => Effect.tap(agent.compareAndSave(state, expected), () => fill(undefined)),
      delete: Effect.tap(agent.delete, () => fill(undefined))
    }
  }),
  broken("an indeterminate write is said to have failed", (agent) => ({
    save: (state) =>
      Effect.catchTag(agent.save(state), "WriteIndeterminate", (error) => Effect.fail(lost(agent)(error)))
  })),
  broken("an indeterminate write is said to have succeeded", (agent) => ({
    save: (state) => Effect.catchTag(agent.save(state), "WriteIndeterminate", () => Effect.void)
  })),
  broken("a write that failed is said to have succeeded", (agent) => ({
    save: (state) => Effect.catchTag(agent.save(state), "StorageUnavailable", () => Effect.void)
  })),
  broken("an indeterminate update is tried again, and applied twice", (agent) => ({
    update: (f, options) =>
      Effect.retry(agent.update(f, options), { while: (error) => error._tag === "WriteIndeterminate", times: 5 })
  })),
  broken("an indeterminate save is tried again, and committed twice", (agent) => ({
    save: (state) =>
      Effect.retry(agent.save(state), { while: (error) => error._tag === "WriteIndeterminate", times: 5 })
  })),
  broken("a read that fails is taken for no state", (agent) => ({
    current: Effect.catchTag(agent.current, "StorageUnavailable", () => Effect.succeed(Option.none()))
  }))
]
