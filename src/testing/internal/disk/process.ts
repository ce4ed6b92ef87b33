import { Effect, type PlatformError } from "effect"
import { badArgument, Failure, platformError, Refusal } from "./errno.ts"
import type { Machine } from "./machine.ts"
import type { Node } from "./volume.ts"

/** Runs one system call: yields where the machine says so, then takes effect at once. */
export type Call = <A>(
  method: string,
  path: string | number,
  run: (now: number) => A
) => Effect.Effect<A, PlatformError.PlatformError>

/** One process of a simulated system. */
export interface Process {
  readonly machine: Machine
  readonly id: number
  readonly call: Call
  /** What is at a path, if anything is. */
  readonly ifPresent: (path: string, follow: boolean, syscall: string) => Node | undefined
}

/** What a system call with no answer is. */
export type Done = Effect.Effect<void, PlatformError.PlatformError>

/** One more process. */
export const make = (machine: Machine): Process => ({
  machine,
  id: machine.processes++,
  call: caller(machine),
  ifPresent: (path, follow, syscall) => {
    try {
      return machine.find(path, follow, syscall).node
    } catch (error) {
      if (error instanceof Failure && error.code === "ENOENT") return undefined
      throw error
    }
  }
})

const toError =
  (method: string, path: string | number) =>
  (error: unknown): PlatformError.PlatformError => {
    if (error instanceof Failure) return platformError(error, method, path)
    if (error instanceof Refusal) return badArgument(error, method)
    throw error
  }

const caller =
  (machine: Machine): Call =>
  (method, path, run) => {
    const call = Effect.clockWith((clock) => {
      try {
        return Effect.succeed(run(clock.currentTimeMillisUnsafe()))
      } catch (error) {
        return Effect.fail(toError(method, path)(error))
      }
    })
    return machine.behaviour.yields ? Effect.andThen(Effect.yieldNow, call) : call
  }
