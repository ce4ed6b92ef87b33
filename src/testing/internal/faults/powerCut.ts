import { Effect, FileSystem } from "effect"
import * as CrashDisk from "../../CrashDisk.ts"
import type * as Site from "../../Site.ts"
import { Broken, type Case } from "../case.ts"
import type { Player } from "./player.ts"

/**
 * Cuts the power now, and answers the check of what that leaves: on each disk the agent opens on a state that may be
 * stored. So what was acknowledged although something failed on the way is durable, and what was shown is never taken
 * back. The check is made when the agent has been closed: a process that is gone holds no locks.
 */
export const cutPower = <S>(
  run: Case<S>,
  player: Player<S>,
  site: Site.Site,
  when: string,
  limit: number
): Effect.Effect<void, Broken> => {
  const allows = player.knowledge.asOfNow
  const points = [...site.disk.crashPoints(site.disk.length)]
  return Effect.gen(function* () {
    for (const point of points)
      for (const image of point.images("posix", { limit })) {
        run.count("power cuts")
        const { fileSystem } = CrashDisk.fromImage(image)
        const reopened = Effect.flatMap(run.world.subject.open(site), (agent) => agent.current)
        yield* run.must("open and current", onFileSystem(Effect.scoped(reopened), fileSystem)).pipe(
          Effect.flatMap((current) => allows("current", current)),
          Effect.mapError(
            ({ evidence }) =>
              new Broken({
                evidence: `${when}, and a power cut that takes ${image.lost.join(", ") || "nothing"}: ${evidence}`
              })
          )
        )
      }
  })
}

const onFileSystem = <A, E, R>(effect: Effect.Effect<A, E, R>, fileSystem: FileSystem.FileSystem) =>
  Effect.provideService(effect, FileSystem.FileSystem, fileSystem)
