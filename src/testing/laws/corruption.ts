import { Effect } from "effect"
import { broken } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { show } from "../internal/same.ts"
import { type Law, property, skip } from "../internal/world.ts"
import { random } from "../SeededScheduler.ts"

interface Corrupted<S> {
  readonly states: ReadonlyArray<S>
  readonly seed: number
}

const perCase = { quick: 8, ci: 100, soak: 2_000 }

/** Every one-byte change and every truncation of what is stored is `StateCorrupt`, or shows a state that was saved. */
export const corruption: Law = {
  name: "damaged bytes are told",
  plan: (world) => {
    const { settings, subject } = world
    const { tamper } = subject
    if (tamper === undefined) return skip("the subject gives no access to its stored bytes (tamper)")
    return property(world, {
      cases: Gen.record<Corrupted<(typeof world.pool)[0]>>({
        states: Gen.array(world.pooled, { minLength: 1, maxLength: 3 }),
        seed: Gen.int(0, 1_000_000)
      }),
      show: ({ seed, states }) => [
        ...states.map((state) => `save ${show(state)}`),
        "close, damage, open, load",
        `(damage of seed ${seed})`
      ],
      holds: ({ seed, states }, run) =>
        Effect.gen(function* () {
          const opened = yield* run.open
          for (const state of states) yield* run.must("save", opened.agent.save(state))
          yield* opened.close
          const bytes = yield* run.must("tamper", tamper(run.site))
          const good = yield* run.must("read the bytes", bytes.read)
          for (const damage of damages(good.length, perCase[settings.budget], random(seed))) {
            const bad = damage.truncate
              ? good.slice(0, damage.at)
              : good.map((b, i) => (i === damage.at ? b ^ damage.mask : b))
            const what = damage.truncate
              ? `cut to ${damage.at} of ${good.length} bytes`
              : `byte ${damage.at} of ${good.length} changed by ${damage.mask}`
            run.count(damage.truncate ? "truncations" : "flips")
            yield* run.must("write the bytes", bytes.write(bad))
            const answer = yield* run.attempt(
              `open and load, ${what}`,
              Effect.scoped(Effect.flatMap(subject.open(run.site), (agent) => agent.load))
            )
            if (answer.ok) yield* run.oneOf(`load, ${what}`, states, answer.value)
            else if (answer.error._tag === "StateCorrupt") {
              const left = yield* run.must("read the bytes", bytes.read)
              if (!Buffer.from(left).equals(bad)) yield* broken(`${what}: the damaged bytes were changed on opening`)
            } else if (!(damage.truncate && bytes.log === true && answer.error._tag === "StateNotFound"))
              yield* broken(`${what}: failed with ${answer.error._tag}, expected StateCorrupt`)
          }
          yield* run.must("write the bytes", bytes.write(good))
          const again = yield* run.open
          for (const last of states.slice(-1))
            yield* run.same("load of the undamaged bytes", last, yield* run.must("load", again.agent.load))
        })
    })
  }
}

type Damage = { readonly truncate: boolean; readonly at: number; readonly mask: number }

/** All truncations and a flip of each byte where they are few enough, else a sample with both ends in it. */
const damages = (length: number, most: number, next: () => number): ReadonlyArray<Damage> => {
  const position = (i: number) => (length * 2 <= most ? i : i < 2 ? i * (length - 1) : Math.floor(next() * length))
  const each = Math.min(length, Math.ceil(most / 2))
  return Array.from({ length: each }, (_, i) => [
    { truncate: true, at: position(i), mask: 0 },
    { truncate: false, at: position(i), mask: 1 << Math.floor(next() * 8) }
  ]).flat()
}
