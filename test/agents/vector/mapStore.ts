// A store over a Map, as a user would write one: what it holds outlives the families opened over it, as a disk does.
import { Family, Register, Revision, StateError } from "dgents"
import { Effect, Option, type Schema, Stream } from "effect"

/** The entries, and which write is to fail. */
export class Disk {
  readonly entries = new Map<string, Register.Entry>()
  /** Calls so far, by kind. */
  readonly calls = { read: 0, readMany: 0, write: 0, writeMany: 0, removeMany: 0 }
  /** The number of the write (counted from 1, batches by entry) at which writing fails, if any. */
  failAt: number | undefined
  /** Whether the failing write has happened all the same. */
  failAfter = false
  /** Whether a removal happens, and then reports that it may have. */
  loseRemovals = false
  /** Runs before each read and write, to let others in between. */
  pause: Effect.Effect<void> = Effect.void
  #written = 0

  put(key: string, next: Register.NewEntry): Effect.Effect<Revision.Revision, StateError.WriteError> {
    return Effect.suspend((): Effect.Effect<Revision.Revision, StateError.WriteError> => {
      const fails = ++this.#written === this.failAt
      const where = { agent: "disk", key, reason: "pulled the plug" }
      if (fails && !this.failAfter)
        return Effect.fail(new StateError.StorageUnavailable({ ...where, operation: "write", retryable: true }))
      const revision = Revision.make((this.entries.get(key)?.revision ?? 0) + 1)
      this.entries.set(key, { ...next, revision })
      return fails ? Effect.fail(new StateError.WriteIndeterminate(where)) : Effect.succeed(revision)
    })
  }

  store(): Register.Store {
    return {
      at: (key) => ({
        read: Effect.andThen(
          this.pause,
          Effect.sync(() => {
            this.calls.read++
            return Option.fromUndefinedOr(this.entries.get(key))
          })
        ),
        write: (next, expected) =>
          Effect.andThen(
            this.pause,
            Effect.suspend(() => {
              this.calls.write++
              const actual = this.entries.get(key)?.revision ?? Revision.absent
              return Effect.flatMap(Register.check({ agent: "disk", key }, expected, actual), () => this.put(key, next))
            })
          ),
        remove: Effect.suspend(() => {
          const revision = this.entries.get(key)?.revision
          this.entries.delete(key)
          return this.loseRemovals
            ? Effect.fail(new StateError.WriteIndeterminate({ agent: "disk", key, reason: "pulled the plug" }))
            : Effect.succeed(Option.fromUndefinedOr(revision))
        })
      }),
      keys: (prefix) =>
        Stream.suspend(() => Stream.fromIterable([...this.entries.keys()].filter((key) => key.startsWith(prefix)))),
      readMany: (keys) =>
        Effect.sync(() => {
          this.calls.readMany++
          return new Map(keys.flatMap((key) => Option.toArray(Option.map(this.#get(key), (entry) => [key, entry]))))
        }),
      // One after the other: a failure leaves the first part of the batch written.
      writeMany: (entries) => {
        this.calls.writeMany++
        return Effect.forEach(entries, ([key, next]) => Effect.andThen(this.pause, this.put(key, next)))
      },
      removeMany: (keys) =>
        Effect.sync(() => {
          this.calls.removeMany++
          const removed = new Map<string, Revision.Revision>()
          for (const key of keys) {
            const revision = this.entries.get(key)?.revision
            if (revision !== undefined && this.entries.delete(key)) removed.set(key, revision)
          }
          return removed
        })
    }
  }

  family<S>(schema: Schema.Codec<S, unknown>) {
    return Family.fromStore({
      name: "disk",
      schema,
      store: this.store(),
      claims: { durability: "power", consistency: "linearizable", sharing: "network", history: "full" }
    })
  }

  #get(key: string): Option.Option<Register.Entry> {
    return Option.fromUndefinedOr(this.entries.get(key))
  }
}
