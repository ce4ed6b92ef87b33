import { Effect, type Scope } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import { type Audience, Follower, type Rows } from "./follower.ts"
import { Hub } from "./hub.ts"

/** What all stores of one collection have in common. */
export interface Collection {
  /** Says that registers are of one storage: see `Register.place`. */
  readonly place: object
  readonly follower: Follower
  /** A hub that is told of every commit until the scope closes. */
  readonly join: Effect.Effect<Hub<Payload>, never, Scope.Scope>
}

/**
 * The collections of one driver. Each store has a hub of its own, so that its subscriptions end with its scope while
 * those of other stores of the same collection go on.
 */
export class Collections {
  readonly #all = new Map<string, Collection>()

  of(name: string, rows: () => Rows): Collection {
    const known = this.#all.get(name)
    if (known !== undefined) return known
    const collection = make(rows())
    this.#all.set(name, collection)
    return collection
  }
}

const make = (rows: Rows): Collection => {
  const hubs = new Set<Hub<Payload>>()
  const audience: Audience = {
    publish: (key, change) => {
      for (const hub of hubs) hub.publish(key, change)
    },
    tell: (key, news) => {
      for (const hub of hubs) hub.tell(key, news)
    }
  }
  return {
    place: {},
    follower: new Follower(rows, audience),
    join: Effect.flatMap(Hub.make<Payload>(), (hub) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          hubs.add(hub)
          return hub
        }),
        () => Effect.sync(() => hubs.delete(hub))
      )
    )
  }
}
