import { Effect, Fiber, Option, Stream } from "effect"
import { historyLength } from "../../agents/Claims.ts"
import { absent, type Change, type Revision, saved } from "../../agents/Revision.ts"
import { broken } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { show } from "../internal/same.ts"
import { type Law, property, skip } from "../internal/world.ts"
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
  rule: "`changes` gives each subscriber, slow ones too, the current state and then every commit once, deletions included, and ends with the scope. A dropping buffer, a subscription that begins after the first read, or an announcement outside the lock break it.",
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
          run.count("schedules")
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
      // What lives in memory settles within yields, which a seed repeats; timers, which it does not, are for real disks.
      yield* i < 2_000 ? Effect.yieldNow : Effect.sleep(1)
    }
  })

// Longer than a backend that cannot watch takes until it looks again.
const settling = 1_500

interface Shared<S> {
  readonly first: S
  /** Each by one of two processes. */
  readonly writes: ReadonlyArray<{ readonly process: number; readonly state: S | undefined }>
  readonly schedule: number
}

/**
 * A subscriber hears of the commits of other processes too: in order, none twice, all of its own process, and always of
 * the one that is current in the end. Where the history is full, none since the last deletion is missed.
 */
export const changesAcross: Law = {
  name: "changes tell of the commits of other processes",
  rule: "a subscriber hears of what other processes commit: in order, nothing twice, always what is current in the end, and all of it where the history is full.",
  plan: (world) => {
    type S = (typeof world.pool)[0]
    if (world.claims.sharing === "process") return skip("the claim is sharing by process: nobody else writes")
    return property(world, {
      cases: Gen.record<Shared<S>>({
        first: world.pooled,
        writes: Gen.array(
          Gen.record({
            process: Gen.int(0, 1),
            state: Gen.oneOf([world.pooled, world.pooled, world.pooled, Gen.always(undefined)])
          }),
          { minLength: 1, maxLength: 8 }
        ),
        schedule: Gen.int(0, 1_000_000)
      }),
      effort: { quick: { runs: 12 } },
      show: ({ first, schedule, writes }) => [
        `save ${show(first)} in process 0, and subscribe there`,
        ...writes.map(({ process, state }) =>
          state === undefined ? `delete in process ${process}` : `save ${show(state)} in process ${process}`
        ),
        `(schedule ${schedule})`
      ],
      holds: ({ first, schedule, writes }, run) =>
        Effect.gen(function* () {
          const agents = [yield* run.openAs(0), yield* run.openAs(1)].map(({ agent }) => agent)
          const [here] = agents
          if (here === undefined) return
          yield* run.must("save", here.save(first))
          const committed: Array<{ readonly name: string; readonly process: number }> = []
          const got: Array<string> = []
          const nameOf = (change: { readonly _tag: string; readonly revision: Revision }) =>
            `${change._tag} ${change.revision}`
          const revisionIn = (name: string) => Number(name.split(" ").at(-1))
          yield* Effect.forkChild(
            Stream.runForEach(here.changes, (change) => Effect.sync(() => got.push(nameOf(change))))
          )
          yield* until(run.world.settings.patience / 4, () => got.length > 0)
          const begin = got.length
          for (const { process, state } of writes) {
            const agent = agents[process] ?? here
            run.count("commits")
            const before = yield* run.must("current", agent.current)
            if (state === undefined) {
              yield* run.must("delete", agent.delete)
              if (Option.isSome(before))
                committed.push({ process, name: nameOf({ _tag: "Deleted", revision: before.value.revision }) })
            } else {
              yield* run.must("save", agent.save(state))
              const { revision } = Option.getOrThrow(yield* run.must("current", agent.current))
              committed.push({ process, name: nameOf({ _tag: "Saved", revision }) })
            }
          }
          const last = committed.at(-1)
          if (last === undefined) return
          run.doing = "waiting for the last commit in changes"
          // Nobody can tell two deletions apart when both find and leave nothing.
          const isDeletion = (name: string | undefined) => name?.startsWith("Deleted") === true
          const isCurrent = () => got.at(-1) === last.name || (isDeletion(last.name) && isDeletion(got.at(-1)))
          // Of two deletions that look alike the one that is told may be the earlier one, with more to come.
          if (isDeletion(last.name)) yield* until(settling, () => got.at(-1) === last.name)
          yield* until(run.world.settings.patience / 2, isCurrent)
          yield* Effect.repeat(Effect.yieldNow, { times: 8 })
          run.count("schedules")
          const heard = got.slice(begin)
          const sinceDeletion = committed.findLastIndex(({ name }) => isDeletion(name))
          const isWhole = historyLength(world.carried.history) === Number.POSITIVE_INFINITY
          const due = committed.filter(({ process }, i) => process === 0 || (isWhole && i > sinceDeletion))
          const story = `it got [${heard.join(", ")}], the commits were [${committed.map(({ name, process }) => `${name} by process ${process}`).join(", ")}]`
          if (!isCurrent()) yield* broken(`the subscriber does not know what is current in the end: ${story}`)
          const missed = due.find(({ name }) => !heard.includes(name))
          if (missed !== undefined) yield* broken(`the subscriber missed "${missed.name}": ${story}`)
          // Which revision of a family's key others deleted, nobody may know any more: then it is the last one known here.
          const isTold = (name: string, commit: { readonly name: string; readonly process: number }) =>
            commit.name === name ||
            (here.key !== undefined &&
              commit.process !== 0 &&
              isDeletion(name) &&
              isDeletion(commit.name) &&
              revisionIn(name) <= revisionIn(commit.name))
          let place = -1
          const isInOrder = heard.every((name) => {
            place = committed.findIndex((commit, i) => i > place && isTold(name, commit))
            return place >= 0
          })
          if (!isInOrder) yield* broken(`the subscriber got a change twice, too late, or that never was: ${story}`)
        }).pipe(provide(schedule))
    })
  }
}
