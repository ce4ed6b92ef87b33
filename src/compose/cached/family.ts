import { Effect, Option, Stream } from "effect"
import type { Claims } from "../../agents/Claims.ts"
import * as DataAgent from "../../agents/DataAgent.ts"
import * as Family from "../../agents/Family.ts"
import * as Lifetime from "../../agents/internal/lifetime.ts"
import type { Draft, StateRegister } from "../../agents/internal/stateRegister.ts"
import type { Expected, HistoryOptions, Revision } from "../../agents/Revision.ts"
import { AgentClosed } from "../../agents/StateError.ts"
import { Passing } from "../internal/Passing.ts"
import type { Cells } from "./Cells.ts"

// What is missed together is read in few statements or round trips, where the backend gathers loads.
const loadedAtOnce = 256

/** A family whose agents are the cells of its keys. */
export const overCells = <S>(
  backend: Family.Family<S>,
  cells: Cells<S>,
  lifetime: Lifetime.Lifetime,
  claims: Claims,
  isBehind: boolean
): Family.Family<S> => {
  const { codec, listing, name, query } = backend
  const open = <A, E>(run: () => Effect.Effect<A, E>): Effect.Effect<A, E | AgentClosed> =>
    Effect.suspend(
      (): Effect.Effect<A, E | AgentClosed> =>
        lifetime.isClosed() ? Effect.fail(new AgentClosed({ agent: name })) : run()
    )
  const at = (key: string): DataAgent.DataAgent<S> =>
    DataAgent.wrap(
      backend.at(key),
      (below) => {
        const register = isBehind ? new InCell(cells, key) : new Through(cells, key, below)
        return key.isWellFormed() ? Lifetime.guard(register, { agent: name, key }, lifetime) : below
      },
      claims
    )
  const members = {
    name,
    codec,
    claims,
    at,
    loadMany: (keys: Iterable<string>) =>
      Effect.map(
        Effect.forEach(
          new Set(keys),
          (key) =>
            Effect.map(
              DataAgent.loadOption(at(key)),
              Option.map((state) => [key, state] as const)
            ),
          { concurrency: loadedAtOnce }
        ),
        (found) => new Map(found.flatMap(Option.toArray))
      )
  }
  if (isBehind)
    return Family.fromAgents<S>({
      ...members,
      keys: (options = {}) =>
        Stream.unwrap(
          open(() =>
            Effect.sync(() => {
              // What waits is stored, though not yet in the backend.
              const { prefix = "" } = options
              const waiting = new Set(cells.waiting.filter((key) => key.startsWith(prefix)))
              const stored = Stream.filter(backend.keys(options), (key) => !waiting.has(key))
              return Stream.concat(Stream.fromIterable(waiting), stored)
            })
          )
        )
    })
  return Family.fromAgents<S>({
    ...members,
    keys: (options) => Stream.unwrap(open(() => Effect.sync(() => backend.keys(options)))),
    saveMany: (states) =>
      open(() => {
        const all = new Map(states)
        return cells.writeMany(new Set(all.keys()), backend.saveMany(all))
      }),
    deleteMany: (keys) =>
      open(() => {
        const all = new Set(keys)
        return cells.writeMany(all, backend.deleteMany(all))
      }),
    query: query === undefined ? undefined : (plan) => open(() => query(plan)),
    listing: listing === undefined ? undefined : (which) => open(() => listing(which))
  })
}

/** What is cached is asked of the cell of the key, and the rest of the backend. */
class Through<in out S> extends Passing<S> implements StateRegister<S> {
  readonly #cells: Cells<S>
  readonly #key: string

  constructor(cells: Cells<S>, key: string, below: StateRegister<S>) {
    super(below)
    this.#cells = cells
    this.#key = key
  }

  get read(): StateRegister<S>["read"] {
    return this.#cells.use(this.#key, ({ register }) => register.read)
  }

  write(draft: Draft<S>, expected: Expected): ReturnType<StateRegister<S>["write"]> {
    return this.#cells.hold(this.#key, ({ register }) => register.write(draft, expected))
  }

  get remove(): StateRegister<S>["remove"] {
    return this.#cells.hold(this.#key, ({ register }) => register.remove)
  }
}

/** All that there is to know of a key is in its cell, which has to stay for as long as somebody asks. */
class InCell<in out S> implements StateRegister<S> {
  readonly #cells: Cells<S>
  readonly #key: string

  constructor(cells: Cells<S>, key: string) {
    this.#cells = cells
    this.#key = key
  }

  get read(): StateRegister<S>["read"] {
    return this.#held((register) => register.read)
  }

  write(draft: Draft<S>, expected: Expected): ReturnType<StateRegister<S>["write"]> {
    return this.#held((register) => register.write(draft, expected))
  }

  get remove(): StateRegister<S>["remove"] {
    return this.#held((register) => register.remove)
  }

  history(options: HistoryOptions): ReturnType<StateRegister<S>["history"]> {
    return Stream.unwrap(this.#held((register) => Effect.succeed(register.history(options))))
  }

  at(revision: Revision): StateRegister<S>["read"] {
    return this.#held((register) => register.at(revision))
  }

  asOf(time: number): StateRegister<S>["read"] {
    return this.#held((register) => register.asOf(time))
  }

  get changes(): StateRegister<S>["changes"] {
    return Stream.unwrap(Effect.map(this.#cells.holdScoped(this.#key), ({ register }) => register.changes))
  }

  #held<A, E>(f: (register: StateRegister<S>) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return this.#cells.hold(this.#key, ({ register }) => f(register))
  }
}
