import { Effect, Fiber, Option, Stream } from "effect"
import { absent, type Change, type Revision, saved } from "../../agents/Revision.ts"
import { broken } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { show } from "../internal/same.ts"
import { type Law, property } from "../internal/world.ts"
import { provide } from "../SeededScheduler.ts"

type Write<S> = { readonly how: "save" | "update" | "modify" | "compareAndSave" | "delete"; readonly state: S }

interface Watched<S> {
  readonly first: S
  readonly writes: ReadonlyArray<Write<S>>
  /** Per subscriber, how many times it yields before it takes the next change. */
  readonly lags: ReadonlyArray<number>
  readonly schedule: number
}

/** `changes` gives every subscriber, also a slow one, the current state, then each commit once, in order. */
export const changes: Law = {
  name: "changes give each commit once, in order",
  plan: (world) => {
    type S = (typeof world.pool)[0]
    const write: Gen.Gen<Write<S>> = Gen.record({
      how: Gen.pick(["save", "update", "modify", "compareAndSave", "delete"]),
      state: world.pooled
    })
    return property(world, {
      cases: Gen.record<Watched<S>>({
        first: world.pooled,
        writes: Gen.array(write, { maxLength: 12 }),
        lags: Gen.array(Gen.int(0, 6), { minLength: 1, maxLength: 3 }),
        schedule: Gen.int(0, 1_000_000)
      }),
      show: ({ first, lags, schedule, writes }) => [
        `save ${show(first)}`,
        `subscribe ${lags.length} times, lagging by ${lags.join(", ")} yields`,
        ...writes.map(({ how, state }) => (how === "delete" ? how : `${how} ${show(state)}`)),
        `(schedule ${schedule})`
      ],
      holds: ({ first, lags, schedule, writes }, run) =>
        Effect.gen(function* () {
          const opened = yield* run.open
          const { agent } = opened
          yield* run.must("save", agent.save(first))
          const expected: Array<Change<S>> = []
          const note = Effect.map(run.must("current", agent.current), (current) => {
            if (Option.isSome(current)) expected.push(saved(current.value))
            return Option.map(current, ({ revision }) => revision)
          })
          let revision: Option.Option<Revision> = yield* note

          const subscribers = lags.map((lag) => ({ lag, got: [] as Array<Change<S>> }))
          const fibers = yield* Effect.forEach(subscribers, ({ got, lag }) =>
            Effect.forkChild(
              Stream.runForEach(agent.changes, (change) =>
                Effect.andThen(
                  Effect.sync(() => got.push(change)),
                  lag === 0 ? Effect.void : Effect.repeat(Effect.yieldNow, { times: lag - 1 })
                )
              )
            )
          )
          // The first element shows that the subscription is in place: from here on nothing may be missed.
          yield* until(run.world.settings.patience / 4, () => subscribers.every(({ got }) => got.length > 0))
          for (const { how, state } of writes) {
            run.count("commits")
            if (how === "delete") {
              yield* run.must("delete", agent.delete)
              if (Option.isSome(revision)) expected.push({ _tag: "Deleted", revision: revision.value })
              revision = Option.none()
              continue
            }
            if (how === "compareAndSave" || Option.isNone(revision)) {
              const expecting = Option.isSome(revision) ? revision.value : absent
              yield* run.must("compareAndSave", agent.compareAndSave(state, expecting))
            } else if (how === "save") yield* run.must("save", agent.save(state))
            else if (how === "update")
              yield* run.must(
                "update",
                agent.update(() => state)
              )
            else
              yield* run.must(
                "modify",
                agent.modify(() => Effect.succeed([undefined, state] as const))
              )
            revision = yield* note
          }
          run.doing = "waiting for changes"
          yield* until(run.world.settings.patience / 4, () =>
            subscribers.every(({ got }) => got.length >= expected.length)
          )
          // Time for a surplus to show.
          yield* Effect.repeat(Effect.yieldNow, { times: 8 })
          for (const [i, { got }] of subscribers.entries()) {
            const names = (list: ReadonlyArray<Change<S>>) => list.map((c) => `${c._tag} ${c.revision}`).join(", ")
            if (names(got) !== names(expected))
              return yield* broken(`subscriber ${i} got [${names(got)}], expected [${names(expected)}]`)
            for (const [j, change] of expected.entries()) {
              const actual = got[j]
              if (change._tag === "Saved" && actual?._tag === "Saved")
                yield* run.same(`change ${j} of subscriber ${i}`, change.state, actual.state)
            }
          }
          yield* opened.close
          run.doing = "waiting for changes to end with the scope"
          for (const fiber of fibers) yield* Fiber.await(fiber)
        }).pipe(provide(schedule))
    })
  }
}

/** Waits for something to become true, or for the time to be over. */
const until = (millis: number, done: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    const start = performance.now()
    for (let i = 0; !done() && performance.now() - start < millis; i++) {
      yield* i < 50 ? Effect.yieldNow : Effect.sleep(1)
    }
  })
