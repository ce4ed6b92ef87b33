import type { DataAgent, Revision } from "dgents"
import { Effect, Queue, Stream } from "effect"

/** Follows an agent until the scope closes: the next state that it tells of, or `undefined` for a delete. */
export const following = <S>(agent: DataAgent.DataAgent<S>) =>
  Effect.gen(function* () {
    const told = yield* Queue.unbounded<S | undefined>()
    const tell = (change: Revision.Change<S>) => Queue.offer(told, change._tag === "Saved" ? change.state : undefined)
    yield* Effect.forkScoped(Stream.runForEach(agent.changes, tell))
    return Queue.take(told)
  })
