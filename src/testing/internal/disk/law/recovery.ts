import { Cause, Effect, Exit, FileSystem, Option, Scope, Stream } from "effect"
import { historyMost } from "../../../../agents/Claims.ts"
import type { DataAgent } from "../../../../agents/DataAgent.ts"
import type * as CrashDisk from "../../../CrashDisk.ts"
import type { Case } from "../../case.ts"

/** An agent, and the way to close its scope. */
export interface Opened<in out S> {
  readonly agent: DataAgent<S>
  readonly close: Effect.Effect<void>
}

/** Opens the agent of a case on another disk than that of its site. */
export const openOn = <S>(
  run: Case<S>,
  disk: CrashDisk.CrashDisk,
  fileSystem: FileSystem.FileSystem
): Effect.Effect<Opened<S>, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
    const memory = new Map<string, unknown>()
    const site = {
      path: run.site.path,
      disk,
      memory: <T>(key: string, make: () => T): T => {
        if (!memory.has(key)) memory.set(key, make())
        // Sound as long as one key is used with one type, which is the caller's side of the contract.
        return memory.get(key) as T
      }
    }
    const opening = Effect.provideService(run.world.subject.open(site), FileSystem.FileSystem, fileSystem)
    const agent = yield* Effect.provideService(opening, Scope.Scope, scope)
    return { agent, close: Scope.close(scope, Exit.void) }
  })

/** A state as it was found. */
export interface Entry {
  readonly key: string
  readonly revision: number
  readonly state: unknown
}

/** What an agent says after a recovery. */
export interface Found {
  readonly current: Entry | undefined
  /** Newest first; left out where none is claimed. */
  readonly history: ReadonlyArray<Entry> | undefined
}

/** A recovery that failed, in words. */
export class Unrecovered {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

/** Opens the agent on a disk and looks at all that it claims to hold. */
export const recover = <S>(run: Case<S>, disk: CrashDisk.CrashDisk): Effect.Effect<Found, Unrecovered> =>
  onDisk(run, disk, "recovery", (agent) => look(run, agent))

/** The same, with one more save; what is found before and after it. */
export const recoverAndSave = <S>(
  run: Case<S>,
  disk: CrashDisk.CrashDisk,
  state: S
): Effect.Effect<readonly [before: Found, after: Found], Unrecovered> =>
  onDisk(run, disk, "recovery and one more save", (agent) =>
    Effect.gen(function* () {
      const before = yield* look(run, agent)
      yield* agent.save(state)
      return [before, yield* look(run, agent)] as const
    })
  )

const onDisk = <S, A>(
  run: Case<S>,
  disk: CrashDisk.CrashDisk,
  what: string,
  use: (agent: DataAgent<S>) => Effect.Effect<A, unknown>
): Effect.Effect<A, Unrecovered> =>
  Effect.catchCause(
    Effect.scoped(Effect.flatMap(openOn(run, disk, disk.fileSystem), ({ agent }) => use(agent))),
    (cause): Effect.Effect<never, Unrecovered> => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
      const error = Cause.findErrorOption(cause)
      const reason = Option.isSome(error) ? `failed: ${String(error.value)}` : `died: ${String(Cause.squash(cause))}`
      return Effect.fail(new Unrecovered(`${what} ${reason}`))
    }
  )

const look = <S>(run: Case<S>, agent: DataAgent<S>): Effect.Effect<Found, unknown> => {
  const { claims, same } = run.world
  const entry = ({ revision, state }: { readonly state: S; readonly revision: number }): Entry => ({
    key: same.key(state),
    revision,
    state
  })
  return Effect.gen(function* () {
    const current = yield* agent.current
    const history =
      historyMost(claims.history) === 1 ? undefined : (yield* Stream.runCollect(agent.history())).map(entry)
    return { current: Option.isSome(current) ? entry(current.value) : undefined, history }
  })
}
