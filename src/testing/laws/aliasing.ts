import { Effect, Fiber, Option, Stream } from "effect"
import { historyLength } from "../../agents/Claims.ts"
import type { Change } from "../../agents/Revision.ts"
import { broken } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { vandalise } from "../internal/mutate.ts"
import { show } from "../internal/same.ts"
import { type Law, property } from "../internal/world.ts"

interface Aliasing<S> {
  readonly first: S
  readonly second: S
}

/** Nothing that goes in or comes out can be used to change the state inside, or what another reader holds. */
export const aliasing: Law = {
  name: "no aliasing",
  rule: "nobody can change a state by changing an object that went in or came out. Keep a copy (or the encoded text), and hand out a new one.",
  plan: (world) =>
    property(world, {
      cases: Gen.record<Aliasing<(typeof world.pool)[0]>>({ first: world.pooled, second: world.pooled }),
      show: ({ first, second }) => [`save ${show(first)}, mutate it, load, mutate that`, `then with ${show(second)}`],
      holds: ({ first, second }, run) =>
        Effect.gen(function* () {
          const { agent } = yield* run.open
          const { copy } = world.same
          const loaded = (what: string, expected: typeof first) =>
            Effect.flatMap(run.must("load", agent.load), (actual) => run.same(`load after ${what}`, expected, actual))

          const initial = yield* run.attempt("load", agent.load)
          if (initial.ok) {
            const before = copy(initial.value)
            vandalise(initial.value)
            yield* loaded("mutating the initial state", before)
          }

          const mine = copy(first)
          yield* run.must("save", agent.save(mine))
          vandalise(mine)
          yield* loaded("mutating what was saved", first)

          const [one, other] = [yield* run.must("load", agent.load), yield* run.must("load", agent.load)]
          vandalise(one)
          yield* run.same("a load after another one was mutated", first, other)
          yield* loaded("mutating what was loaded", first)

          const current = yield* run.must("current", agent.current)
          if (Option.isSome(current)) vandalise(current.value.state)
          yield* loaded("mutating what current answered", first)

          yield* Effect.ignore(
            agent.modify((state) => {
              vandalise(state)
              return Effect.fail("changed my mind")
            })
          )
          yield* loaded("mutating what modify was given, then failing", first)

          const next = copy(second)
          const updated = yield* run.must(
            "update",
            agent.update(() => next)
          )
          vandalise(updated)
          vandalise(next)
          yield* loaded("mutating what update returned", second)

          const made = copy(first)
          const answered = yield* run.must(
            "modify",
            agent.modify(() => Effect.succeed([made, made] as const))
          )
          vandalise(answered)
          yield* loaded("mutating what modify stored", first)

          for (const entry of yield* run.must("history", Stream.runCollect(agent.history()))) vandalise(entry.state)
          yield* loaded("mutating the history", first)
          const kept = yield* run.must("history", Stream.runCollect(agent.history()))
          const expected = [first, second, first].slice(0, historyLength(world.claims.history))
          for (const [i, state] of expected.entries()) {
            const entry = kept[i]
            if (entry !== undefined)
              yield* run.same(`history entry ${i} after mutating an earlier read`, state, entry.state)
          }
        })
    })
}

/** Two subscribers to `changes` cannot disturb each other, nor the state, by mutating what they are given. */
export const aliasingOfChanges: Law = {
  name: "no aliasing in changes",
  rule: "two subscribers never share an object. Hand each of them a state of its own.",
  plan: (world) =>
    property(world, {
      cases: Gen.record<Aliasing<(typeof world.pool)[0]>>({ first: world.pooled, second: world.pooled }),
      show: ({ first, second }) => [`save ${show(first)}`, "subscribe twice, mutating", `save ${show(second)}`],
      holds: ({ first, second }, run) =>
        Effect.gen(function* () {
          const { agent } = yield* run.open
          const { copy } = world.same
          yield* run.must("save", agent.save(first))
          const ready = { count: 0 }
          const differences: Array<string | undefined> = []
          const watch = Stream.runForEach(Stream.take(agent.changes, 2), (change: Change<typeof first>) =>
            Effect.sync(() => {
              if (change._tag !== "Saved") return
              differences.push(world.same.differ(ready.count < 2 ? first : second, change.state))
              ready.count++
              vandalise(change.state)
            })
          )
          const fiber = yield* Effect.forkChild(Effect.all([watch, watch], { concurrency: "unbounded" }))
          run.doing = "waiting for the current state in changes"
          while (ready.count < 2) yield* Effect.sleep(1)
          const mine = copy(second)
          yield* run.must("save", agent.save(mine))
          vandalise(mine)
          run.doing = "waiting for a commit in changes"
          yield* run.must("changes", Fiber.join(fiber))
          const difference = differences.find((d) => d !== undefined)
          if (difference !== undefined) yield* broken(`a subscriber saw what another one had mutated: ${difference}`)
          yield* run.same("load", second, yield* run.must("load", agent.load))
        })
    })
}
