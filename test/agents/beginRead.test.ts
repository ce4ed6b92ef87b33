// Registers whose reads begin without an effect: what an agent promises holds for them as for all others.
import { expect, it } from "@effect/vitest"
import { type Claims, Codec, DataAgent, EntropyConstrained, type Register, Revision, StateError } from "dgents"
import { Effect, Exit, Fiber, Option, Schema, Scope } from "effect"

const Counter = Schema.Struct({ n: Schema.Number })

const claims: Claims.Claims = {
  durability: "volatile",
  consistency: "linearizable",
  sharing: "process",
  history: "none"
}

/** How a read goes: at once, when it is told to, or by `read`. */
type Way = "now" | "later" | "declined"

const setup = (schema: Schema.Codec<typeof Counter.Type> | Codec.Codec<typeof Counter.Type> = Counter) =>
  Effect.gen(function* () {
    let found: Effect.Effect<Option.Option<Register.Entry>, StateError.ReadError> = Exit.succeed(Option.none())
    let way: Way = "now"
    const begun: Array<Way> = []
    const answers: Array<() => void> = []
    let taken = 0
    const register: Register.Register = {
      read: Effect.suspend(() => {
        begun.push("declined")
        return found
      }),
      beginRead: (answer) => {
        if (way === "declined") return undefined
        begun.push(way)
        if (way === "now") answer(found)
        else answers.push(() => answer(found))
        return () => {
          taken++
        }
      },
      write: () => Effect.die("not written here"),
      remove: Exit.succeed(Option.none())
    }
    const stored = (state: string) => {
      found = Exit.succeed(Option.some({ state, revision: Revision.make(1), savedAt: 0 }))
    }
    const failing = (error: StateError.ReadError) => {
      found = Exit.fail(error)
    }
    const go = (next: Way) => {
      way = next
    }
    const agent = yield* DataAgent.fromRegister({ name: "counter", schema, claims, register })
    return { agent, answers, begun, failing, go, stored, taken: () => taken }
  })

/** Lets the fibers run that can. */
const settle = Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow, { discard: true })

it.effect("each load begins once, and is read in the common way where it does not begin", () =>
  Effect.gen(function* () {
    const { agent, answers, begun, go, stored } = yield* setup()
    stored(`{"n":1}`)
    expect(yield* agent.load).toEqual({ n: 1 })
    go("declined")
    expect(yield* agent.load).toEqual({ n: 1 })
    go("later")
    const loads = yield* Effect.forkChild(Effect.all([agent.load, agent.load], { concurrency: 2 }))
    yield* settle
    for (const answer of answers) answer()
    const [one, other] = yield* Fiber.join(loads)
    expect([one, other]).toEqual([{ n: 1 }, { n: 1 }])
    expect(one).not.toBe(other)
    expect(begun).toEqual(["now", "declined", "later", "later"])
  })
)

it.effect("what is missing, does not decode or cannot be read is told as of any other read", () =>
  Effect.gen(function* () {
    const { agent, failing, go, stored } = yield* setup()
    const expectError = (error: object) =>
      Effect.forEach(["now", "declined"] as const, (way) => {
        go(way)
        return Effect.map(Effect.flip(agent.load), (found) => expect(found).toMatchObject(error))
      })
    yield* expectError({ _tag: "StateNotFound", agent: "counter" })
    stored(`{"n":"no"}`)
    yield* expectError({ _tag: "StateCorrupt", agent: "counter", location: `revision 1, at "n"` })
    failing(new StateError.AgentClosed({ agent: "below" }))
    yield* expectError({ _tag: "AgentClosed", agent: "below" })
  })
)

it.effect("a load that is interrupted takes its read away, and is not disturbed by a late answer", () =>
  Effect.gen(function* () {
    const { agent, answers, go, stored, taken } = yield* setup()
    stored(`{"n":1}`)
    go("later")
    const load = yield* Effect.forkChild(agent.load)
    yield* settle
    yield* Fiber.interrupt(load)
    expect(taken()).toBe(1)
    for (const answer of answers) answer()
    go("now")
    expect(yield* agent.load).toEqual({ n: 1 })
    expect(taken()).toBe(1)
  })
)

it.effect("what a codec throws is a defect of its load, and not of who answers it", () =>
  Effect.gen(function* () {
    const { agent, answers, go, stored } = yield* setup({
      ...Codec.toCodec(Counter),
      decode: () => {
        throw new Error("a bug")
      }
    })
    stored(`{"n":1}`)
    go("later")
    const load = yield* Effect.forkChild(agent.load)
    yield* settle
    for (const answer of answers) answer()
    expect(Exit.hasDies(yield* Fiber.await(load))).toBe(true)
  })
)

it.effect("none begins after the scope of its agent", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const { agent, begun } = yield* Scope.provide(setup(), scope)
    yield* Scope.close(scope, Exit.void)
    expect(yield* Effect.flip(agent.load)).toMatchObject({ _tag: "AgentClosed", agent: "counter" })
    expect(begun).toEqual([])
  })
)

it.effect("a combinator over it is not gone past", () =>
  Effect.gen(function* () {
    const { agent, stored } = yield* setup()
    const constrained = EntropyConstrained.make(agent, { maxBytes: 8, onLoad: "fail" })
    stored(`{"n":1000}`)
    expect(yield* Effect.flip(constrained.load)).toMatchObject({ _tag: "StateTooLarge" })
  })
)
