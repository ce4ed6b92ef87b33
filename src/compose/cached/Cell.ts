import type { Scope } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import type { Announcer } from "../../agents/internal/hub.ts"
import type { Owned } from "../../agents/internal/owned.ts"
import type { StateRegister } from "../../agents/internal/stateRegister.ts"
import { over } from "../internal/over.ts"
import { unlessWithin } from "../internal/unlessWithin.ts"
import { Behind } from "./Behind.ts"
import type { Entry } from "./Entry.ts"
import { Counts } from "./Figures.ts"
import { Front } from "./Front.ts"
import { behindOf, behindSettings, type Policy, type Settings, settingsOf } from "./Policy.ts"
import { Room } from "./Room.ts"

/** What the caches of one constructor have in common. */
export class Shared {
  readonly counts = new Counts()
  readonly settings: Settings
  readonly scope: Scope.Scope
  readonly behind: ReturnType<typeof behindSettings> | undefined
  readonly room: Room

  constructor(policy: Policy, scope: Scope.Scope) {
    const behind = behindOf(policy)
    this.settings = settingsOf(policy)
    this.scope = scope
    this.behind = behind && behindSettings(behind)
    this.room = new Room(this.behind?.maxPending ?? 0)
  }
}

/** One state behind its cache. */
export class Cell<in out S> {
  readonly front: Front<S>
  readonly behind: Behind<S> | undefined
  readonly register: StateRegister<S>

  constructor(
    backend: DataAgent<S>,
    cache: DataAgent<Entry<S>>,
    { behind, counts, room, scope, settings }: Shared,
    announcer: Announcer<Owned<S>>,
    floor = 0
  ) {
    const where = { agent: backend.name, key: backend.key }
    const front = new Front({ where, backend, cache, settings, counts, scope })
    const below = over(backend.internals.register, {
      read: front.read,
      write: (draft, expected) => front.write(draft, expected),
      get remove() {
        return front.remove
      }
    })
    const { read: stored } = backend.internals.register
    this.front = front
    this.behind =
      behind &&
      new Behind({ where, codec: backend.codec, below, stored, announcer, floor, room, counts, scope, ...behind })
    this.register = unlessWithin(backend.internals.register, this.behind ?? below, () => front.invalidate())
  }
}
