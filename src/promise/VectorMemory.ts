import { Effect, Option } from "effect"
import type { Claims } from "../agents/Claims.ts"
import type { Hit, Query, Settings, VectorAgent } from "../agents/VectorAgent.ts"
import type { Runner, Signal } from "./Runner.ts"

/** A `VectorAgent` in promises. */
export interface VectorMemory<in out A> {
  readonly name: string
  readonly claims: Claims
  readonly settings: Settings
  readonly size: (options?: Signal) => Promise<number>
  readonly refresh: (options?: Signal) => Promise<void>
  /** Adds an item, or replaces the one under this id. Found as soon as it is acknowledged. */
  readonly add: (id: string, item: A, options?: Signal) => Promise<void>
  readonly addMany: (entries: Iterable<readonly [id: string, item: A]>, options?: Signal) => Promise<void>
  readonly update: (id: string, f: (item: A) => A, options?: Signal) => Promise<A>
  readonly remove: (id: string, options?: Signal) => Promise<void>
  readonly removeMany: (ids: Iterable<string>, options?: Signal) => Promise<void>
  readonly get: (id: string, options?: Signal) => Promise<A | undefined>
  readonly ids: (options?: Signal) => Promise<ReadonlyArray<string>>
  readonly entries: (options?: Signal) => Promise<ReadonlyArray<readonly [id: string, item: A]>>
  /** The best hits, best first. */
  readonly search: (query: Query<A>, options?: Signal) => Promise<ReadonlyArray<Hit<A>>>
}

/** A semantic memory in promises. */
export const fromVectors = <A>(memory: VectorAgent<A>, { run }: Runner): VectorMemory<A> => ({
  name: memory.name,
  claims: memory.claims,
  settings: memory.settings,
  size: (options) => run(memory.size, options),
  refresh: (options) => run(memory.refresh, options),
  add: (id, item, options) => run(memory.add(id, item), options),
  addMany: (entries, options) => run(memory.addMany(entries), options),
  update: (id, f, options) => run(memory.update(id, f), options),
  remove: (id, options) => run(memory.remove(id), options),
  removeMany: (ids, options) => run(memory.removeMany(ids), options),
  get: (id, options) => run(Effect.map(memory.get(id), Option.getOrUndefined), options),
  ids: (options) => run(memory.ids, options),
  entries: (options) => run(memory.entries, options),
  search: (query, options) => run(memory.search(query), options)
})
