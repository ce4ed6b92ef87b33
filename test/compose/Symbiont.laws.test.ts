import { expect, it } from "@effect/vitest"
import { type DataAgent, Symbiont, VolatileAgent } from "dgents"
import { Effect, Schema, Stream } from "effect"
import * as Arbitrary from "effect/Arbitrary"

const Log = Schema.Array(Schema.Number)
type Log = typeof Log.Type

/** Answers how many there are, and refuses what is not below 50. */
const logic = (n: number, log: Log) =>
  n < 50 ? Effect.succeed([log.length, [...log, n]] as const) : Effect.fail("too much" as const)

const inputs = Arbitrary.schema(Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60 }))))

/** What runs on one memory answer and leave, by the logic alone. */
const model = (all: ReadonlyArray<number>) => {
  let log: Log = []
  const answers = all.map((n) => {
    const exit = Effect.runSync(Effect.result(logic(n, log)))
    if (exit._tag === "Failure") return exit.failure
    log = exit.success[1]
    return exit.success[0]
  })
  return { answers, log }
}

const merge = ({ mine }: Symbiont.Merging<Log>): Log => mine

/** Every way to run the logic on one input. */
const kinds: ReadonlyArray<
  readonly [
    name: string,
    of: (
      memory: DataAgent.DataAgent<Log>
    ) => (n: number) => ReturnType<Symbiont.Symbiont<number, number, "too much">["run"]>
  ]
> = [
  ["make", (memory) => Symbiont.make({ memory, logic }).run],
  ["optimistic", (memory) => Symbiont.make({ memory, logic, mode: "optimistic" }).run],
  ["merge", (memory) => Symbiont.make({ memory, logic, mode: { merge } }).run],
  [
    "choose of one",
    (memory) => Symbiont.choose({ memory, candidates: [logic], choose: ([outcome]) => Effect.succeed(outcome) }).run
  ],
  [
    "batch of one",
    (memory) =>
      Symbiont.batch({ memory, logic }).pipe(
        Symbiont.mapInput((n: number) => [n]),
        Symbiont.map(([a]) => a ?? -1)
      ).run
  ],
  [
    "stream, read to its end",
    (memory) => {
      const one = Symbiont.stream({
        memory,
        logic: (n: number, log) => Stream.fromEffect(logic(n, log)),
        next: (_, [outcome]) => outcome?.[1] ?? []
      })
      return (n) => Effect.map(Stream.runCollect(one.run(n)), ([outcome]) => outcome?.[0] ?? -1)
    }
  ],
  [
    "use, by another one",
    (memory) => {
      const tool = Symbiont.make({ memory, logic })
      return (n) =>
        Effect.catchTag(
          Effect.flatMap(VolatileAgent.make({ name: "user", schema: Schema.Number, initial: 0 }), (other) =>
            Symbiont.make({
              memory: other,
              logic: (n: number, uses) => Effect.map(Symbiont.use(tool, n), (answer) => [answer, uses + 1] as const)
            }).run(n)
          ).pipe(Effect.scoped),
          "MemoryBusy",
          Effect.die
        )
    }
  ]
]

const memory = VolatileAgent.make({ name: "log", schema: Log, initial: [] })

for (const [name, of] of kinds)
  it.effect(`${name}: is the logic on the memory's state, whatever the inputs`, () =>
    Effect.gen(function* () {
      const result = yield* Arbitrary.checkEffect(
        inputs,
        (all) =>
          Effect.scoped(
            Effect.gen(function* () {
              const log = yield* memory
              const run = of(log)
              const answers = yield* Effect.forEach(all, (n) =>
                Effect.catchIf(run(n), (e) => e === "too much", Effect.succeed)
              )
              expect({ answers, log: yield* log.load }).toEqual(model(all))
              return true
            })
          ),
        { runs: 40 }
      )
      expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
    })
  )

it.effect("batch: is one run after the other, or nothing", () =>
  Effect.gen(function* () {
    const result = yield* Arbitrary.checkEffect(
      inputs,
      (all) =>
        Effect.scoped(
          Effect.gen(function* () {
            const log = yield* memory
            const answers = yield* Effect.catchIf(
              Symbiont.batch({ memory: log, logic }).run(all),
              (e) => e === "too much",
              Effect.succeed
            )
            const wanted = model(all)
            expect({ answers, log: yield* log.load }).toEqual(
              wanted.answers.includes("too much") ? { answers: "too much", log: [] } : wanted
            )
            return true
          })
        ),
      { runs: 40 }
    )
    expect(Arbitrary.formatCheckFailure(result)).toBeUndefined()
  })
)
