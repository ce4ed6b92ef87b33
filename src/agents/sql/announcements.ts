import { Effect, type Scope } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import { Hub } from "../internal/hub.ts"
import type { Change } from "../Revision.ts"

/**
 * Announces the commits of one driver, by collection. Each store has a hub of its own, so that its subscriptions end with
 * its scope while those of other stores of the same collection go on.
 */
export class Announcements {
  readonly #hubs = new Map<string, Set<Hub<Payload>>>()
  readonly #places = new Map<string, object>()

  /** What all stores of a collection have in common. */
  place(collection: string): object {
    const place = this.#places.get(collection) ?? {}
    this.#places.set(collection, place)
    return place
  }

  /** A hub that is told of every commit to a collection until the scope closes. */
  join(collection: string): Effect.Effect<Hub<Payload>, never, Scope.Scope> {
    return Effect.flatMap(Hub.make<Payload>(), (hub) =>
      Effect.acquireRelease(
        Effect.sync(() => this.#add(collection, hub)),
        () => Effect.sync(() => this.#remove(collection, hub))
      )
    )
  }

  publish(collection: string, key: string, change: Change<Payload>): void {
    const hubs = this.#hubs.get(collection)
    if (hubs !== undefined) for (const hub of hubs) hub.publish(key, change)
  }

  #add(collection: string, hub: Hub<Payload>): Hub<Payload> {
    const hubs = this.#hubs.get(collection)
    if (hubs === undefined) this.#hubs.set(collection, new Set([hub]))
    else hubs.add(hub)
    return hub
  }

  #remove(collection: string, hub: Hub<Payload>): void {
    const hubs = this.#hubs.get(collection)
    hubs?.delete(hub)
    if (hubs?.size === 0) this.#hubs.delete(collection)
  }
}
