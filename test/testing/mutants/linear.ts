/** Agents whose operations are not linearizable, each by a mistake that people really make. */
import { DataAgent, Register, Revision, StateError } from "dgents"
import type { Subject } from "dgents/testing"
import { Effect, Exit, Option, Semaphore } from "effect"
import { type Breaks, type Cell, claims, emptyCell, override, right, State } from "./memory.ts"
import { type Mutant, mutant } from "./mutant.ts"

/** As `subject`, for several agents that are opened on one state, over storage that takes its time. */
export const sharedSubject = (name: string, breaks: Breaks = {}): Subject<State> => ({
  name,
  schema: State,
  open: (site) =>
    Effect.gen(function* () {
      const cell = site.memory("cell", emptyCell)
      const base = slow(atomic(cell))
      const agent = yield* DataAgent.fromRegister({
        name,
        schema: State,
        claims: { ...claims, sharing: "host" },
        register: { ...base, ...breaks.register?.(cell, base) }
      })
      return breaks.agent === undefined ? agent : override(agent, breaks.agent(agent, site))
    })
})

const pause = Effect.andThen(Effect.yieldNow, Effect.yieldNow)

const paused = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.andThen(
    pause,
    Effect.tap(effect, () => pause)
  )

/** In one synchronous step, since several handles have no lock in common. */
const atomic = (cell: Cell): Register.Register => ({
  ...right(cell),
  write: (next, expected) =>
    Effect.suspend(() =>
      Exit.map(Register.check(where, expected, current(cell)), () => {
        const revision = Revision.make(++cell.last)
        cell.entries.push({ ...next, revision })
        return revision
      })
    )
})

const slow = (register: Register.Register): Register.Register => ({
  ...register,
  read: paused(register.read),
  write: (next, expected) => paused(register.write(next, expected)),
  remove: paused(register.remove)
})

const where = { agent: "linear" }

const current = (cell: Cell): Revision.Revision => cell.entries.at(-1)?.revision ?? Revision.absent

// What several handles of one storage have in common, beside what is stored.
const shared = <T>(make: () => T) => {
  const made = new WeakMap<Cell, T>()
  return (cell: Cell): T => {
    const found = made.get(cell) ?? make()
    made.set(cell, found)
    return found
  }
}

const law = "operations are linearizable"

const withoutLock = sharedSubject("an update without a lock", {
  agent: (agent) => ({
    update: (f) =>
      Effect.gen(function* () {
        const next = f(yield* agent.load)
        yield* agent.save(next)
        return next
      })
  })
})

const staleCache = sharedSubject("a cache that another handle's writes do not reach", {
  register: (cell, slowly) => {
    let cached: Option.Option<Register.Entry> = Option.none()
    const forget = Effect.sync(() => {
      cached = Option.none()
    })
    return {
      read: Effect.suspend(() =>
        Option.isSome(cached)
          ? Effect.succeed(cached)
          : Effect.tap(right(cell).read, (entry) =>
              Effect.sync(() => {
                cached = entry
              })
            )
      ),
      write: (next, expected) => Effect.ensuring(slowly.write(next, expected), forget),
      remove: Effect.ensuring(slowly.remove, forget)
    }
  }
})

const caches = shared((): { entry: Register.Entry | undefined } => ({ entry: undefined }))

const cacheFirst = sharedSubject("a cache that is written before the storage agrees", {
  register: (cell, slowly) => {
    const cache = caches(cell)
    return {
      read: Effect.suspend(() =>
        cache.entry === undefined ? right(cell).read : Effect.succeed(Option.some(cache.entry))
      ),
      write: (next, expected) =>
        Effect.suspend(() => {
          cache.entry = { ...next, revision: Revision.make(cell.last + 1) }
          return Effect.ensuring(
            slowly.write(next, expected),
            Effect.sync(() => {
              cache.entry = undefined
            })
          )
        })
    }
  }
})

const comparesEarly = sharedSubject("a revision that is compared before a pause", {
  register: (cell, slowly) => ({
    write: (next, expected) =>
      Effect.andThen(
        Effect.suspend(() => Register.check(where, expected, current(cell))),
        slowly.write(next, "any")
      )
  })
})

const lockOfEachHandle = sharedSubject("a lock of each handle, where one of the state is needed", {
  register: (cell) => {
    const lock = Semaphore.makeUnsafe(1)
    return {
      write: (next, expected) =>
        lock.withPermits(1)(
          Effect.gen(function* () {
            yield* Register.check(where, expected, current(cell))
            const revision = Revision.make(cell.last + 1)
            yield* pause
            cell.last = Math.max(cell.last, revision)
            cell.entries.push({ ...next, revision })
            return revision
          })
        )
    }
  }
})

const failing = shared(() => ({ writes: 0 }))

const dirtyRead = sharedSubject("a read of what is not committed yet", {
  register: (cell) => {
    const lock = locks(cell)
    return {
      write: (next, expected) =>
        lock.withPermits(1)(
          Effect.gen(function* () {
            yield* Register.check(where, expected, current(cell))
            const revision = Revision.make(++cell.last)
            const entry = { ...next, revision }
            cell.entries.push(entry)
            yield* pause
            if (expected === "any" || ++failing(cell).writes % 3 !== 0) return revision
            cell.entries.splice(cell.entries.indexOf(entry), 1)
            return yield* new StateError.StorageUnavailable({
              ...where,
              operation: "write",
              reason: "the transaction was rolled back",
              retryable: true
            })
          })
        )
    }
  }
})

const locks = shared(() => Semaphore.makeUnsafe(1))

const earlyAnswer = sharedSubject("a revision given out before the commit", {
  register: (cell) => {
    const lock = locks(cell)
    return {
      write: (next, expected) =>
        Effect.gen(function* () {
          yield* lock.take(1)
          yield* Effect.tapError(
            Effect.suspend(() => Register.check(where, expected, current(cell))),
            () => lock.release(1)
          )
          const revision = Revision.make(++cell.last)
          const commit = Effect.andThen(
            pause,
            Effect.sync(() => cell.entries.push({ ...next, revision }))
          )
          yield* Effect.forkDetach(Effect.ensuring(commit, lock.release(1)))
          return revision
        })
    }
  }
})

export const mutants: ReadonlyArray<Mutant> = [
  mutant(law, withoutLock),
  mutant(law, staleCache),
  mutant(law, cacheFirst),
  mutant(law, comparesEarly),
  mutant(law, lockOfEachHandle),
  mutant(law, dirtyRead),
  mutant(law, earlyAnswer)
]
