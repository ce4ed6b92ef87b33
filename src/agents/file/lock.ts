/**
 * A lock between the processes of one host, in a directory of claims.
 *
 * - Promises: one holder at a time, among processes, threads and `HostLock` objects. It is free as soon as its holder is
 *   dead; nothing is guessed by age. Nobody is overtaken for ever. Waiting can be interrupted and leaves no claim.
 * - Costs: a rename and a listing to take it, a rename to give it back: about 100 µs together. Whoever waits for another
 *   process looks again after 1 to 20 ms.
 * - Fails: with `LockTimeout`, which names the holder, and with `IoError`; in both cases the effect did not run. A claim
 *   whose removal fails at release is void in this process at once, and in others when this process ends or locks again.
 *
 * How: whoever wants the lock makes a *claim*, a file with a name that is never used twice, and then lists the directory.
 *
 * 1. Nobody else there: it holds the lock until it removes its claim.
 * 2. An older attempt there: it withdraws (removes its claim), waits until no older attempt is to be seen, and claims
 *    again under a new name; the age of an attempt stays.
 * 3. Only younger ones there: it waits until each of *these* claims is gone, and then holds. Claims that come later do not
 *    count.
 *
 * Exclusion: let two hold at once, A and B, and let A's claim be made before B's. B's first listing began after B's claim
 * was made, so A's name, which existed all the time, was in it. So B waited for A or withdrew: a contradiction. It does not
 * matter what a listing says of names that come or go meanwhile, and removing needs no atomicity: dead claims may be
 * removed by anybody at any time, since no name comes back.
 *
 * Progress: who waits (3) waits for younger attempts only, so no circle of waiting exists. Those it waits for either hold
 * and will end, or see it and withdraw (2), or wait in turn (3). The oldest attempt of all never withdraws, and has at
 * most a finite set to wait for, whatever arrives later.
 *
 * The idea is that of Lamport's bakery ("A New Solution of Dijkstra's Concurrent Programming Problem", 1974), with a
 * directory for the shared memory, so that the dead can be told.
 */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { Data, Effect, Exit, PlatformError, Scope, Semaphore } from "effect"
import * as Claim from "./claim.ts"
import { type Disk, isAbsent } from "./disk.ts"
import { IoError } from "./ioError.ts"
import * as Owner from "./owner.ts"

/** Who was waited for in vain. */
export interface Holder {
  readonly pid: number
  /** Milliseconds since the epoch. */
  readonly since: number
  /** The path of its claim. */
  readonly claim: string
  /** Whether it is this very thread. */
  readonly here: boolean
  /** Whether it is known to live: of a process in another container nothing is known. */
  readonly certain: boolean
}

/** The lock was not to be had within the time. Nothing happened. */
export class LockTimeout extends Data.TaggedError("LockTimeout")<{
  readonly path: string
  readonly waited: number
  readonly holder: Holder
}> {
  override get message() {
    const { certain, claim, here, pid, since } = this.holder
    const who = here ? "this process" : certain ? `process ${pid}` : `process ${pid} of another container`
    const when = `since ${new Date(since).toISOString()}`
    const waited = this.waited > 0 ? `, and ${Math.round(this.waited)} ms of waiting were not enough` : ""
    const advice = certain
      ? ""
      : `. Whether that one still runs cannot be seen from here; if it does not, remove ${claim}`
    return `it is in use by ${who} ${when}${waited} (${this.path})${advice}`
  }
}

/** What a lock takes. */
export interface Options {
  /** Locks of different names in one directory are independent. */
  readonly name?: string | undefined
  /** How long to wait, in milliseconds; 0 is not at all. Default: 10 000. */
  readonly waitLimit?: number | undefined
}

/** The lock directory for a file, or for all of a directory: beside it or in it, and hidden. */
export const lockOf = (directory: string, file = ""): string => {
  const short = Buffer.byteLength(file) <= 200 ? file : `~${createHash("sha256").update(file).digest("hex")}`
  return join(directory, `${file === "" ? "" : "."}${short}.lock`)
}

// Between claims, the file of the last one rests under this name: a rename is the cheapest way to make a file.
const free = "free"

/** The claims of this thread, with those who wait for their end. */
const mine = new Map<string, Set<() => void>>()

const lifeOf = ({ name, owner }: Claim.Claim): Owner.Life =>
  Owner.isHere(owner) ? (mine.has(name) ? "alive" : "dead") : Owner.lifeOf(owner)

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export class HostLock {
  readonly path: string
  readonly #disk: Disk
  readonly #prefix: string
  readonly #limit: number
  // The fibers that share this object wait in memory, in order, and need no file for it.
  readonly #turn = Semaphore.makeUnsafe(1)

  constructor(disk: Disk, directory: string, { name = "", waitLimit = 10_000 }: Options = {}) {
    this.#disk = disk
    this.path = directory
    this.#prefix = Claim.prefixOf(name)
    this.#limit = waitLimit
  }

  /** Runs an effect while holding the lock. Not reentrant. */
  withLock<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LockTimeout | IoError, R> {
    return this.#turn.withPermit(
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(this.#enter(restore), (claim) => Effect.ensuring(restore(effect), this.#leave(claim)))
      )
    )
  }

  /** Holds the lock until the scope closes. */
  get acquire(): Effect.Effect<void, LockTimeout | IoError, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        const turn = Scope.makeUnsafe()
        const end = Scope.close(turn, Exit.void)
        const entered = Effect.andThen(restore(Scope.provide(this.#turn.takeScoped(1), turn)), this.#enter(restore))
        const claim = yield* Effect.onError(entered, () => end)
        yield* Effect.addFinalizer(() => Effect.andThen(this.#leave(claim), end))
      })
    )
  }

  #enter(restore: Restore): Effect.Effect<Claim.Claim, LockTimeout | IoError> {
    return Effect.gen({ self: this }, function* () {
      const age = Claim.now()
      const wait = new Wait(this.path, this.#limit)
      for (;;) {
        const claim = Claim.make(this.#prefix, age)
        const older = yield* Effect.onError(this.#contend(restore, claim, wait), () => this.#leave(claim))
        if (older === undefined) return claim
        yield* this.#leave(claim)
        for (let seen = older; seen.length > 0; ) {
          yield* restore(wait.pause(seen))
          seen = (yield* this.#others(claim)).filter(({ name }) => Claim.isOlder(name, claim.name))
        }
      }
    })
  }

  /** Claims, and waits as long as the protocol says so. Answers whom to withdraw for; nobody when it holds. */
  #contend(
    restore: Restore,
    claim: Claim.Claim,
    wait: Wait
  ): Effect.Effect<ReadonlyArray<Claim.Claim> | undefined, LockTimeout | IoError> {
    return Effect.gen({ self: this }, function* () {
      mine.set(claim.name, new Set())
      yield* this.#create(claim)
      let awaited: ReadonlySet<string> | undefined
      for (;;) {
        const others = yield* this.#others(claim)
        const decision = Claim.decide(
          claim.name,
          others.map(({ name }) => name),
          awaited
        )
        if (decision === "hold") return undefined
        if (decision === "withdraw") return others.filter(({ name }) => Claim.isOlder(name, claim.name))
        awaited = decision
        yield* restore(
          wait.pause(
            others.filter(({ name }) => decision.has(name)),
            grace
          )
        )
      }
    })
  }

  #create({ name }: Claim.Claim): Effect.Effect<void, IoError> {
    const fs = this.#disk.fs
    const path = join(this.path, name)
    const open = this.#io(path, Effect.scoped(Effect.asVoid(fs.open(path, { flag: "wx" }))))
    return this.#io(path, fs.rename(join(this.path, free), path)).pipe(
      Effect.catchIf(isAbsent, () => open),
      Effect.catchIf(isAbsent, () => Effect.andThen(this.#disk.makeDirectory(this.path), open))
    )
  }

  /**
   * The claims of others that may live. Those of the dead are removed; not renamed, since a power cut in the middle of a
   * rename may have left both names for one file, and then a rename from one to the other would do nothing.
   */
  #others({ name: own }: Claim.Claim): Effect.Effect<ReadonlyArray<Claim.Claim>, IoError> {
    return Effect.flatMap(this.#disk.list(this.path), (names) => {
      const others: Array<Claim.Claim> = []
      const dead: Array<Claim.Claim> = []
      for (const name of names) {
        if (name === own) continue
        const claim = Claim.parse(this.#prefix, name)
        if (claim !== undefined) (lifeOf(claim) === "dead" ? dead : others).push(claim)
      }
      if (dead.length === 0) return Effect.succeed(others)
      return Effect.as(
        Effect.forEach(dead, ({ name }) => Effect.ignore(this.#disk.remove(join(this.path, name))), { discard: true }),
        others
      )
    })
  }

  /** What cannot be removed stays, and is void where its owner is known to be dead. */
  #remove({ name }: Claim.Claim): Effect.Effect<void> {
    const path = join(this.path, name)
    return Effect.ignoreCause(
      Effect.catch(this.#io(path, this.#disk.fs.rename(path, join(this.path, free))), (error) =>
        isAbsent(error) ? Effect.void : this.#disk.remove(path)
      )
    )
  }

  #leave(claim: Claim.Claim): Effect.Effect<void> {
    return Effect.map(this.#remove(claim), () => {
      const waiting = mine.get(claim.name)
      mine.delete(claim.name)
      if (waiting !== undefined) for (const tell of waiting) tell()
    })
  }

  #io<A>(path: string, effect: Effect.Effect<A, PlatformError.PlatformError>): Effect.Effect<A, IoError> {
    // A failed close comes as a defect.
    return Effect.catchDefect(
      Effect.mapError(effect, (cause) => new IoError({ path, cause })),
      (defect) =>
        PlatformError.isPlatformError(defect) ? Effect.fail(new IoError({ path, cause: defect })) : Effect.die(defect)
    )
  }
}

const shortest = 1
const longest = 20

// Who does not want to wait waits this long for younger attempts, in milliseconds: unless one of them is the holder, they
// withdraw. Else of two that come at once none would get the lock.
const grace = 100

/** How long one attempt waits. Real time: other processes follow no test clock. */
class Wait {
  readonly #path: string
  readonly #limit: number
  readonly #started = performance.now()
  #next = shortest

  constructor(path: string, limit: number) {
    this.#path = path
    this.#limit = limit
  }

  /** A moment, or until one of the claims of this thread is gone; fails when the time is over. */
  pause(blockers: ReadonlyArray<Claim.Claim>, atLeast = 0): Effect.Effect<void, LockTimeout> {
    if (blockers.length === 0) return Effect.void
    return Effect.callback((resume) => {
      const waited = performance.now() - this.#started
      const left = Math.max(this.#limit, atLeast) - waited
      if (left <= 0) return resume(Effect.fail(this.#timeout(blockers, this.#limit === 0 ? 0 : waited)))
      const queues = blockers.map(({ name }) => mine.get(name)).filter((queue) => queue !== undefined)
      const areHere = queues.length === blockers.length
      const done = () => {
        stop()
        resume(Effect.void)
      }
      const timer = setTimeout(done, areHere ? left : Math.min(left, this.#step()))
      const stop = () => {
        clearTimeout(timer)
        for (const queue of queues) queue.delete(done)
      }
      for (const queue of queues) queue.add(done)
      return Effect.sync(stop)
    })
  }

  #step(): number {
    const step = this.#next
    this.#next = Math.min(longest, step * 1.5)
    return step * (0.5 + Math.random() / 2)
  }

  #timeout(blockers: ReadonlyArray<Claim.Claim>, waited: number): LockTimeout {
    // Those who wait have claimed after the one who holds.
    const { name, owner, since } = blockers.reduce((a, b) => (b.since < a.since ? b : a))
    const here = Owner.isHere(owner)
    const certain = here || Owner.lifeOf(owner) !== "unknown"
    const holder = { pid: owner.pid, since, claim: join(this.#path, name), here, certain }
    return new LockTimeout({ path: this.#path, waited, holder })
  }
}
