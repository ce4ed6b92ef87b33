import { dirname, join } from "node:path"
import { Effect, Option, type Scope } from "effect"
import { broken, type Case } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { show } from "../internal/same.ts"
import { type Law, property, skip } from "../internal/world.ts"
import { random } from "../SeededScheduler.ts"
import type { Tamper } from "../Subject.ts"

interface Corrupted<S> {
  readonly states: ReadonlyArray<S>
  readonly seed: number
}

const perCase = { quick: 8, ci: 100, soak: 2_000 }

/** One thing that is stored: the bytes of a subject that gives access to them, or a file of the simulated disk. */
interface Part extends Tamper {
  readonly name: string
}

/** What is stored of a closed agent. */
const partsOf = <S>(run: Case<S>): Effect.Effect<ReadonlyArray<Part>, unknown, Scope.Scope> => {
  const { subject } = run.world
  if (subject.tamper !== undefined)
    return Effect.map(subject.tamper(run.site), (bytes) => [{ ...bytes, name: "the stored bytes" }])
  const fs = run.site.disk.fileSystem
  const directory = dirname(run.site.path("x"))
  return Effect.flatMap(fs.readDirectory(directory, { recursive: true }), (names) =>
    Effect.map(
      Effect.filter(names, (name) =>
        Effect.map(fs.stat(join(directory, name)), ({ type, size }) => type === "File" && size > 0n)
      ),
      (files) =>
        files.sort().map((name) => ({
          name,
          read: fs.readFile(join(directory, name)),
          write: (bytes) => fs.writeFile(join(directory, name), bytes)
        }))
    )
  )
}

/** Every one-byte change and every truncation of what is stored is `StateCorrupt`, or shows a state that was saved. */
export const corruption: Law = {
  name: "damaged bytes are told",
  rule: "what is stored and then damaged is StateCorrupt, or shows a state that was saved (the last good one of a log, or none), and is never changed on opening. Without a checksum over all bytes, the header too, some flip stays unseen.",
  plan: (world) => {
    const { settings, subject } = world
    if (subject.tamper === undefined && !world.onFiles)
      return skip("the subject gives no access to its stored bytes (tamper)")
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
          for (const part of yield* run.must("look at what is stored", partsOf(run))) {
            const good = yield* run.must(`read ${part.name}`, part.read)
            for (const damage of damages(good.length, perCase[settings.budget], random(seed)))
              yield* damaged(run, states, part, good, damage)
            yield* run.must(`write ${part.name}`, part.write(good))
          }
          const again = yield* run.open
          for (const last of states.slice(-1))
            yield* run.same("load of the undamaged bytes", last, yield* run.must("load", again.agent.load))
        })
    })
  }
}

const damaged = <S>(run: Case<S>, states: ReadonlyArray<S>, part: Part, good: Uint8Array, damage: Damage) =>
  Effect.gen(function* () {
    const { subject } = run.world
    const bad = damage.truncate ? good.slice(0, damage.at) : good.map((b, i) => (i === damage.at ? b ^ damage.mask : b))
    const what = damage.truncate
      ? `${part.name} cut to ${damage.at} of ${good.length} bytes`
      : `byte ${damage.at} of ${good.length} of ${part.name} changed by ${damage.mask}`
    run.count(damage.truncate ? "truncations" : "flips")
    yield* run.must(`write ${part.name}`, part.write(bad))
    const loaded = Effect.flatMap(run.onDisk(subject.open(run.site)), (agent) =>
      Effect.gen(function* () {
        // A log's last record cannot be told from one that a crash cut short. What is loaded without one may be an initial state.
        if (subject.log === true && Option.isNone(yield* agent.current)) return Option.none<S>()
        return Option.some(yield* agent.load)
      })
    )
    const answer = yield* run.attempt(`open and load, ${what}`, Effect.scoped(loaded))
    if (answer.ok) {
      if (Option.isSome(answer.value)) yield* run.oneOf(`load, ${what}`, states, answer.value.value)
      return
    }
    if (answer.error._tag === "StateCorrupt") {
      const left = yield* run.must(`read ${part.name}`, part.read)
      if (!Buffer.from(left).equals(bad)) yield* broken(`${what}: the damaged bytes were changed on opening`)
    } else yield* broken(`${what}: failed with ${answer.error._tag}, expected StateCorrupt`)
  })

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
