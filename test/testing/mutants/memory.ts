/** A right register in memory that outlives its agent, and the means to break it in one place. */
import { type Claims, DataAgent, Family, Register, Revision } from "dgents"
import type { Site, Subject } from "dgents/testing"
import { Effect, Exit, Option, Schema, Stream } from "effect"

export const State = Schema.Struct({
  n: Schema.Number,
  text: Schema.String,
  at: Schema.Date,
  tags: Schema.Array(Schema.String)
})
export type State = typeof State.Type

export const claims: Claims.Claims = {
  durability: "process",
  consistency: "linearizable",
  sharing: "process",
  history: "full"
}

/** What is stored under one key. */
export interface Cell {
  /** Oldest first. */
  entries: Array<Register.Entry>
  last: number
}

export const emptyCell = (): Cell => ({ entries: [], last: 0 })

/** Keeps every law. */
export const right = (cell: Cell): Register.Register => ({
  read: Effect.sync(() => Option.fromUndefinedOr(cell.entries.at(-1))),
  write: (next, expected) =>
    Effect.suspend(() => {
      const actual = cell.entries.at(-1)?.revision ?? Revision.absent
      return Exit.map(Register.check({ agent: "memory" }, expected, actual), () => {
        const revision = Revision.make(++cell.last)
        cell.entries.push({ ...next, revision })
        return revision
      })
    }),
  remove: Effect.sync(() => {
    const removed = cell.entries.at(-1)?.revision
    cell.entries = []
    return Option.fromUndefinedOr(removed)
  }),
  history: ({ before, limit } = {}) =>
    Stream.suspend(() =>
      Stream.fromIterable(
        [...cell.entries]
          .reverse()
          .filter((entry) => before === undefined || entry.revision < before)
          .slice(0, limit)
      )
    )
})

/** How a subject departs from what is right. */
export interface Breaks {
  readonly register?: (cell: Cell, right: Register.Register) => Partial<Register.Register>
  readonly agent?: (agent: DataAgent.DataAgent<State>, site: Site.Site) => Partial<DataAgent.DataAgent<State>>
  readonly store?: (cells: Map<string, Cell>, right: Register.Store) => Partial<Register.Store>
  /** The codec that the agent uses; the laws go by `State`. */
  readonly codec?: DataAgent.Options<State>["schema"]
}

/** The same agent with some members replaced. */
export const override = <S>(
  agent: DataAgent.DataAgent<S>,
  members: Partial<DataAgent.DataAgent<S>>
): DataAgent.DataAgent<S> =>
  new Proxy(agent, {
    get: (target, name) => (name in members ? Reflect.get(members, name) : Reflect.get(target, name, target))
  })

const rightStore = (cells: Map<string, Cell>): Register.Store => ({
  at: (key) => {
    const cell = cells.get(key) ?? emptyCell()
    cells.set(key, cell)
    return right(cell)
  },
  keys: (prefix) =>
    Stream.suspend(() =>
      Stream.fromIterable(
        [...cells].flatMap(([key, c]) => (c.entries.length > 0 && key.startsWith(prefix) ? [key] : []))
      )
    )
})

/** A subject over memory that outlives its agents: right without `breaks`. */
export const subject = (name: string, breaks: Breaks = {}): Subject<State> => ({
  name,
  schema: State,
  open: (site) =>
    Effect.gen(function* () {
      const cell = site.memory("cell", emptyCell)
      const base = right(cell)
      const register = { ...base, ...breaks.register?.(cell, base) }
      const agent = yield* DataAgent.fromRegister({ name, schema: breaks.codec ?? State, claims, register })
      return breaks.agent === undefined ? agent : override(agent, breaks.agent(agent, site))
    }),
  family: (site) => {
    const cells = site.memory("cells", () => new Map<string, Cell>())
    const base = rightStore(cells)
    return Family.fromStore({ name, schema: State, claims, store: { ...base, ...breaks.store?.(cells, base) } })
  }
})
