import { Cause, Clock, Context, Data, Effect, Exit, Fiber, FileSystem, Option, PlatformError, Scope } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import { isStateError, type StateError } from "../../agents/StateError.ts"
import * as Site from "../Site.ts"
import type { World } from "./world.ts"

/** A law does not hold in this case. */
export class Broken extends Data.TaggedError("Broken")<{ readonly evidence: string }> {}

/** Fails the case. */
export const broken = (evidence: string): Effect.Effect<never, Broken> => Effect.fail(new Broken({ evidence }))

/** What an operation that is allowed to refuse answered. */
export type Answer<A> = { readonly ok: true; readonly value: A } | { readonly ok: false; readonly error: StateError }

/** One generated case at work: its site, its agents, and what it counts. */
export class Case<in out S> {
  readonly world: World<S>
  readonly site: Site.Site
  /** What is being done, for the report of a case that hangs. */
  doing = "nothing yet"
  readonly #counts: Map<string, number>
  readonly #processes: Array<FileSystem.FileSystem> = []

  constructor(world: World<S>, site: Site.Site, counts: Map<string, number>) {
    this.world = world
    this.site = site
    this.#counts = counts
  }

  count(what: string, n = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + n)
  }

  /** An operation that must succeed. */
  must<A, R>(what: string, effect: Effect.Effect<A, unknown, R>): Effect.Effect<A, Broken, R> {
    return Effect.suspend(() => {
      this.doing = what
      return Effect.catchCause(effect, (cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.interrupt : broken(`${what} ${describe(cause)}`)
      )
    })
  }

  /** An operation that may fail, though with nothing but a `StateError`. */
  attempt<A, R>(what: string, effect: Effect.Effect<A, unknown, R>): Effect.Effect<Answer<A>, Broken, R> {
    return Effect.suspend(() => {
      this.doing = what
      return Effect.matchCauseEffect(effect, {
        onSuccess: (value) => Effect.succeed<Answer<A>>({ ok: true, value }),
        onFailure: (cause): Effect.Effect<Answer<A>, Broken> => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
          const error = Cause.findErrorOption(cause)
          if (Option.isSome(error) && isStateError(error.value))
            return Effect.succeed({ ok: false, error: error.value })
          const hint = Option.isSome(error)
            ? ", which is no StateError: what a driver throws becomes StorageUnavailable"
            : ""
          return broken(`${what} ${describe(cause)}${hint}`)
        }
      })
    })
  }

  /** A save that must succeed unless the state is over the agent's size limit; whether it did. */
  save(what: string, effect: Effect.Effect<unknown, unknown>): Effect.Effect<boolean, Broken> {
    return Effect.flatMap(this.attempt(what, effect), (answer) => {
      if (answer.ok) return Effect.succeed(true)
      if (answer.error._tag !== "StateTooLarge") return broken(`${what} failed: ${String(answer.error)}`)
      this.count("refused as too large")
      return Effect.succeed(false)
    })
  }

  same(what: string, expected: S, actual: S): Effect.Effect<void, Broken> {
    const difference = this.world.same.differ(expected, actual)
    return difference === undefined ? Effect.void : broken(`${what}: ${difference}`)
  }

  /** The state is one of these. */
  oneOf(what: string, expected: ReadonlyArray<S>, actual: S): Effect.Effect<void, Broken> {
    const differences = expected.map((state) => this.world.same.differ(state, actual))
    return differences.includes(undefined) ? Effect.void : broken(`${what}: ${differences.join("; nor ")}`)
  }

  /** Opens the agent in a scope of its own. */
  get open(): Effect.Effect<Opened<S>, Broken, Scope.Scope> {
    return this.openAs(0)
  }

  /** The same, as another process would where the disk is simulated: nothing inside this process is shared. */
  openAs(process: number): Effect.Effect<Opened<S>, Broken, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
      const opening = Effect.provideService(
        this.onDisk(this.world.subject.open(this.site), process),
        Scope.Scope,
        scope
      )
      const agent = yield* this.must("open", opening)
      return { agent, close: this.must("close", Scope.close(scope, Exit.void)) }
    })
  }

  /** Gives an opening the disk of the site, as a process sees it. */
  onDisk<A, E, R>(
    opening: Effect.Effect<A, E, R>,
    process = 0
  ): Effect.Effect<A, E, Exclude<R, FileSystem.FileSystem>> {
    return Effect.suspend(() => Effect.provideService(opening, FileSystem.FileSystem, this.#fileSystem(process)))
  }

  #fileSystem(process: number): FileSystem.FileSystem {
    const { world, site } = this
    if (!world.onFiles) return world.noFiles
    const fileSystem = this.#processes[process] ?? (process === 0 ? site.disk.fileSystem : site.disk.process())
    this.#processes[process] = fileSystem
    return fileSystem
  }
}

/** An agent, and the way to close its scope. */
export interface Opened<in out S> {
  readonly agent: DataAgent<S>
  readonly close: Effect.Effect<void, Broken>
}

const describe = (cause: Cause.Cause<unknown>): string => {
  const defect = cause.reasons.find((reason) => reason._tag === "Die")?.defect
  const error = Cause.findErrorOption(cause)
  if (Option.isSome(error) && error.value instanceof Broken) return error.value.evidence
  if (PlatformError.isPlatformError(defect))
    return `died, which no operation may: ${String(defect)} (Effect's FileSystem makes a defect of a failed close: catch it where the file is closed)`
  if (Option.isNone(error))
    return `died, which no operation may (what a driver throws becomes StorageUnavailable): ${String(Cause.squash(cause))}`
  return isStateError(error.value)
    ? `failed, and must not: ${error.value._tag}: ${error.value.message}`
    : `failed: ${String(error.value)}`
}

// The laws look at real back ends, so their patience is measured on the real clock, whatever clock the caller has.
const liveClock = Context.get(Context.empty(), Clock.Clock)

/** Runs an effect on the real clock. */
export const live = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Clock.Clock, liveClock)

/** Runs a case on a site of its own; a case that hangs is a broken one. */
export const runCase = <S>(
  world: World<S>,
  counts: Map<string, number>,
  holds: (run: Case<S>) => Effect.Effect<void, Broken, Scope.Scope>,
  patience = world.settings.patience
): Effect.Effect<true, Broken> =>
  Effect.scoped(
    Effect.gen(function* () {
      const run = new Case(world, yield* world.onFiles ? Site.simulated : Site.temporary, counts)
      // Detached, since what hangs may well be uninterruptible.
      const fiber = yield* Effect.forkDetach(Effect.scoped(holds(run)))
      const exit = yield* Effect.onInterrupt(Effect.timeoutOption(Fiber.await(fiber), patience), () =>
        Effect.sync(() => fiber.interruptUnsafe())
      )
      if (Option.isNone(exit)) {
        fiber.interruptUnsafe()
        return yield* broken(`nothing happened for ${patience} ms in: ${run.doing}`)
      }
      if (Exit.isSuccess(exit.value)) return true as const
      const error = Cause.findErrorOption(exit.value.cause)
      if (Option.isSome(error)) return yield* error.value
      return yield* broken(`died during ${run.doing}: ${String(Cause.squash(exit.value.cause))}`)
    })
  )
