import { Effect, Schedule, Stream } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import type { Change } from "../../agents/Revision.ts"

const resubscribe = Schedule.jittered(Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("30 seconds")]))

/** Tells of each commit that an agent announces, and of each gap in which some may have been missed, until interrupted. */
export const follow = <S>(
  agent: DataAgent<S>,
  onChange: (change: Change<S>) => void,
  onGap: Effect.Effect<void>
): Effect.Effect<void> =>
  Stream.runForEach(agent.changes, (change) => Effect.sync(() => onChange(change))).pipe(
    Effect.tapError((error) =>
      Effect.andThen(
        onGap,
        Effect.logDebug(
          `Cached: the changes of agent "${agent.name}" failed, which turns the cache off: ${error.message}`
        )
      )
    ),
    Effect.retry({ while: (error) => error._tag !== "AgentClosed", schedule: resubscribe }),
    Effect.ignore,
    Effect.andThen(onGap)
  )
