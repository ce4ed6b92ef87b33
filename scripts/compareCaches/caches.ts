/** What is compared: caches of 10 000 keys in memory before one and the same store, each behind the same functions. */
import { Cached, Family, Revision, StateError } from "dgents"
import { Effect, Exit, Option, Scope, Stream } from "effect"
import { Conversation } from "../../bench/states.ts"
import { importFrom, type Packages } from "../compare/install.ts"
import type { Store } from "./store.ts"

/** A cache before a store. */
export interface Cache {
  readonly get: (key: string) => Promise<Conversation>
  /** Writes to the store and to the cache. */
  readonly put: (key: string, state: Conversation) => Promise<unknown>
  readonly close: () => Promise<unknown>
}

/** A row of the tables. */
export interface Product {
  readonly name: string
  readonly open: (store: Store, installed: string) => Promise<Cache>
}

const keys = 10_000
const versions = { bentocache: "1.6.1", cacheable: "2.5.0" }

/** What is installed aside. */
export const installations: Record<string, Packages> = {
  bentocache: { dependencies: { bentocache: versions.bentocache }, compiles: [] },
  cacheable: { dependencies: { cacheable: versions.cacheable }, compiles: [] }
}

// ---------------------------------------------------------------------------------------------------------------------
// dgents

/** The store as a backend. Revisions are counted here, since all writes go through here. */
const backendOf = (store: Store) => {
  const revisions = new Map<string, number>()
  const revisionOf = (key: string) => Revision.make(revisions.get(key) ?? 1)
  const at = (key: string) => ({
    read: Effect.suspend(() => {
      const entry = Option.some({ state: store.get(key), savedAt: 0, revision: revisionOf(key) })
      const { gate } = store
      return gate === undefined
        ? Effect.succeed(entry)
        : Effect.as(
            Effect.promise(() => gate),
            entry
          )
    }),
    write: ({ state }: { readonly state: string | Uint8Array }, expected: Revision.Expected) =>
      Effect.suspend(() => {
        const actual = revisionOf(key)
        if (expected !== "any" && expected !== actual)
          return Effect.fail(new StateError.RevisionConflict({ agent: "conversations", key, expected, actual }))
        store.put(key, String(state))
        revisions.set(key, actual + 1)
        return Effect.succeed(revisionOf(key))
      }),
    remove: Effect.succeed(Option.none())
  })
  return Family.fromStore({
    name: "conversations",
    schema: Conversation,
    claims: { durability: "volatile", consistency: "linearizable", sharing: "process", history: "none" },
    store: { at, keys: () => Stream.empty }
  })
}

/** A cached family, called from outside of Effect: a promise for each operation. */
const cached =
  (policy: Cached.Policy): Product["open"] =>
  async (store) => {
    const scope = Scope.makeUnsafe()
    const open = Effect.flatMap(backendOf(store), Cached.family({ maxKeys: keys, ...policy }))
    const family = await Effect.runPromise(Scope.provide(open, scope))
    return {
      get: (key) => Effect.runPromise(Effect.orDie(family.at(key).load)),
      put: (key, state) => Effect.runPromise(family.at(key).save(state)),
      close: () => Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }

// ---------------------------------------------------------------------------------------------------------------------
// The others

/** Reads as all of them do: a text that becomes an object. */
const parsed = async (store: Store, key: string): Promise<Conversation> => {
  const text = store.get(key)
  await store.gate
  // Sound: it was made of one.
  return JSON.parse(text) as Conversation
}

/** What is used of bentocache. */
interface Bento {
  readonly BentoCache: new (options: {
    readonly default: "memory"
    readonly stores: { readonly memory: unknown }
  }) => {
    readonly getOrSet: (options: {
      readonly key: string
      readonly ttl: string
      readonly factory: () => Promise<Conversation>
    }) => Promise<Conversation>
    readonly set: (options: {
      readonly key: string
      readonly value: Conversation
      readonly ttl: string
    }) => Promise<unknown>
    readonly disconnectAll: () => Promise<unknown>
  }
  readonly bentostore: () => { readonly useL1Layer: (layer: unknown) => unknown }
}
interface BentoMemory {
  readonly memoryDriver: (options: { readonly maxItems: number }) => unknown
}

const bentocache: Product["open"] = async (store, installed) => {
  // Sound: the version is pinned, and has these exports.
  const { BentoCache, bentostore } = (await importFrom(installed, "bentocache", "bentocache")) as Bento
  const memory = (await importFrom(installed, "bentocache", "bentocache/drivers/memory")) as BentoMemory
  const layer = bentostore().useL1Layer(memory.memoryDriver({ maxItems: keys }))
  const cache = new BentoCache({ default: "memory", stores: { memory: layer } })
  return {
    get: (key) => cache.getOrSet({ key, ttl: "1h", factory: () => parsed(store, key) }),
    put: (key, state) => {
      store.put(key, JSON.stringify(state))
      return cache.set({ key, value: state, ttl: "1h" })
    },
    close: () => cache.disconnectAll()
  }
}

/** What is used of cacheable. */
interface CacheableModule {
  readonly Cacheable: new (options: {
    readonly ttl: string
    readonly primary: unknown
  }) => {
    readonly getOrSet: (key: string, load: () => Promise<Conversation>) => Promise<Conversation>
    readonly set: (key: string, value: Conversation) => Promise<unknown>
    readonly disconnect: () => Promise<unknown>
  }
  readonly createKeyv: (options: { readonly lruSize: number }) => unknown
}

const cacheable: Product["open"] = async (store, installed) => {
  // Sound: the version is pinned, and has these exports.
  const { Cacheable, createKeyv } = (await importFrom(installed, "cacheable", "cacheable")) as CacheableModule
  const cache = new Cacheable({ ttl: "1h", primary: createKeyv({ lruSize: keys }) })
  return {
    get: (key) => cache.getOrSet(key, () => parsed(store, key)),
    put: (key, state) => {
      store.put(key, JSON.stringify(state))
      return cache.set(key, state)
    },
    close: () => cache.disconnect()
  }
}

export const products: Readonly<Record<string, Product>> = {
  dgents: { name: "`Cached.family`", open: cached({}) },
  dgentsIgnoring: { name: '`Cached.family`, `changes: "ignore"`', open: cached({ changes: "ignore" }) },
  dgentsBehind: { name: "`Cached.family`, `write: { behind: {} }`", open: cached({ write: { behind: {} } }) },
  bentocache: { name: `bentocache ${versions.bentocache}`, open: bentocache },
  cacheable: { name: `cacheable ${versions.cacheable}`, open: cacheable }
}
