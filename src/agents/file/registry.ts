import { Effect, type FileSystem, type Scope } from "effect"

/** What gives up what it holds, unless somebody came meanwhile. */
export interface Droppable {
  readonly drop: (stillUnused: () => boolean) => Effect.Effect<void>
}

interface Shared<A> {
  readonly value: A
  users: number
}

// Each use of a file system layer makes a service object of its own. Those over one disk have their `open` in common.
const diskOf = (fs: FileSystem.FileSystem): object => (Object.hasOwn(fs, "open") ? fs.open : fs)

/** What is open in this process, by disk and by place: whoever opens the same place shares it. */
export class Registry<A extends Droppable> {
  readonly #disks = new WeakMap<object, Map<string, Shared<A>>>()

  /** What is open at a place, until the scope of its last user closes. */
  acquire(fs: FileSystem.FileSystem, place: string, make: () => A): Effect.Effect<A, never, Scope.Scope> {
    return Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          const disk = diskOf(fs)
          const open = this.#disks.get(disk) ?? new Map<string, Shared<A>>()
          this.#disks.set(disk, open)
          const shared = open.get(place) ?? { value: make(), users: 0 }
          open.set(place, shared)
          shared.users++
          return { open, shared }
        }),
        ({ open, shared }) =>
          Effect.suspend(() => {
            if (--shared.users > 0) return Effect.void
            // What is being written is finished first, and whoever opens the same place meanwhile joins.
            return shared.value.drop(() => {
              if (shared.users > 0) return false
              if (open.get(place) === shared) open.delete(place)
              return true
            })
          })
      ),
      ({ shared }) => shared.value
    )
  }
}
