import { Option } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import type * as Register from "../Register.ts"
import * as Revision from "../Revision.ts"
import type { Current } from "./stored.ts"

interface Followed {
  listeners: number
  /** What was told last. */
  revision: number
  exists: boolean
}

/**
 * The keys whose changes somebody follows, and how far each was told. Whoever looks at a file reports what it holds, in
 * order, and what is new since the last report becomes changes.
 */
export class FollowedKeys {
  readonly #keys = new Map<string, Followed>()
  readonly #publish: (key: string, change: Revision.Change<Payload>) => void

  constructor(publish: (key: string, change: Revision.Change<Payload>) => void) {
    this.#publish = publish
  }

  get keys(): ReadonlyArray<string> {
    return [...this.#keys.keys()]
  }

  /** Begins to follow a key, from what it holds now. */
  add(key: string, current: Current): void {
    const followed = this.#keys.get(key)
    if (followed !== undefined) followed.listeners++
    else this.#keys.set(key, { listeners: 1, ...positionOf(current) })
  }

  remove(key: string): void {
    const followed = this.#keys.get(key)
    if (followed !== undefined && --followed.listeners === 0) this.#keys.delete(key)
  }

  /** The last revision that was told, if the key is followed and something has happened since. */
  behind(key: string, current: Current): number | undefined {
    const followed = this.#keys.get(key)
    if (followed === undefined) return undefined
    const { exists, revision } = positionOf(current)
    return followed.revision === revision && followed.exists === exists ? undefined : followed.revision
  }

  /**
   * Tells what has happened: the entries in between, oldest first, as far as they are known, then the current one. A
   * deletion that others made is told with the floor, if there is one of this key alone, else with what was told last.
   */
  tell(key: string, current: Current, between: ReadonlyArray<Register.Entry>, floor = 0): void {
    const followed = this.#keys.get(key)
    if (followed === undefined) return
    const { exists, revision } = followed
    Object.assign(followed, positionOf(current))
    // A state that begins later was deleted and saved again.
    if (exists && (Option.isNone(current) || current.value.since > revision))
      this.#publish(key, Revision.deleted(Revision.make(Math.max(revision, floor))))
    if (Option.isNone(current)) return
    for (const entry of between) this.#publish(key, Revision.saved(entry))
    if (current.value.entry.revision !== revision) this.#publish(key, Revision.saved(current.value.entry))
  }
}

const positionOf = (current: Current) =>
  Option.isSome(current) ? { revision: current.value.entry.revision, exists: true } : { revision: 0, exists: false }
