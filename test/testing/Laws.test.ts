import { expect, it } from "@effect/vitest"
import { Claims, VolatileAgent } from "dgents"
import { Laws, Report } from "dgents/testing"
import { Effect, Exit, Schema, Stream } from "effect"
import { claims, override, State, subject } from "./mutants/memory.ts"

const volatile = {
  name: "volatile",
  schema: State,
  open: () => VolatileAgent.make({ name: "volatile", schema: State })
}

it.effect("a report names every law, with what was tried or why it was not", () =>
  Effect.gen(function* () {
    const report = yield* Laws.check(volatile, { seed: 1 })
    expect(report.outcomes.map(({ law }) => law)).toEqual(Laws.names)
    const text = Report.format(report)
    expect(text).toContain("volatile (volatile, linearizable, shared by process, history none), budget quick, seed 1")
    expect(text).toMatch(/reopen round trip +skipped: the state does not outlive/)
    expect(text).toMatch(/hostile keys stay apart +skipped: the subject has no family/)
    expect(text).toMatch(/round trip +cases \d+, states \d+, undecided 0/)
  })
)

const hoarder = subject("forgets what is long", {
  agent: (agent) => ({ save: (state) => (state.tags.length > 1 ? Effect.void : agent.save(state)) })
})

it.effect("a violation tells the law, the smallest script, the evidence and how to repeat it", () =>
  Effect.gen(function* () {
    const violation = yield* Effect.flip(Laws.check(hoarder, { seed: 3 }))
    expect(violation.law).toBe("round trip")
    // Two tags are the fewest that break it, and nothing else of the state matters.
    expect(violation.script.join("\n")).toMatch(/save .*"tags":\[[^\],]*,[^\],]*\]/)
    expect(violation.message).toContain('"forgets what is long" breaks the law "round trip"')
    expect(violation.message).toContain(`LAWS_REPLAY=${violation.replay}`)
    const again = yield* Effect.flip(Laws.check(hoarder, { replay: violation.replay }))
    expect(again).toMatchObject({ law: violation.law, script: violation.script, evidence: violation.evidence })
    const right = yield* Laws.check(subject("right"), { replay: violation.replay })
    expect(right.outcomes).toMatchObject([{ _tag: "Kept", law: "round trip", counts: { cases: 1 } }])
  })
)

it.effect("an agent that does not open, or that carries less than it is sold as, breaks the first law", () =>
  Effect.gen(function* () {
    const closed = yield* Effect.flip(Laws.check({ ...volatile, open: () => Effect.fail("no such disk") }))
    expect(closed).toMatchObject({ law: Laws.names[0], evidence: "open failed: no such disk" })
    const sold = { ...VolatileAgent.claims(), durability: "power" } as const
    const weak = yield* Effect.flip(Laws.check({ ...volatile, claims: sold }))
    expect(weak.evidence).toContain(`"${Claims.describe(sold)}"`)
    const modest = yield* Laws.check({ ...subject("modest"), claims: { ...claims, history: "none" } }, { seed: 5 })
    expect(modest.claims).toContain("history none")
  })
)

it.effect("an operation that never ends is a violation, whatever the clock of the test", () =>
  Effect.gen(function* () {
    const stuck = {
      ...volatile,
      open: () => Effect.map(volatile.open(), (agent) => override(agent, { history: () => Stream.never }))
    }
    const violation = yield* Effect.flip(Laws.check(stuck, { patience: 200, laws: ["scripts against a model"] }))
    expect(violation.evidence).toContain("200 ms in: history")
  })
)

it.effect("a defect is a violation", () =>
  Effect.gen(function* () {
    const throwing = subject("throws", { register: () => ({ read: Effect.die(new Error("boom")) }) })
    const violation = yield* Effect.flip(Laws.check(throwing))
    expect(violation.evidence).toContain(
      "died, which no operation may (what a driver throws becomes StorageUnavailable): Error: boom"
    )
  })
)

it.effect("a text that is no token is told so", () =>
  Effect.gen(function* () {
    const violation = yield* Effect.flip(Laws.check(volatile, { replay: "nonsense" }))
    expect(violation.evidence).toBe("the replay token is not one of this suite")
  })
)

interface Registered {
  readonly name: string
  readonly test: (context: Laws.TestContext) => Promise<void>
}

const register = <S>(suite: (it: Laws.It) => S): ReadonlyArray<Registered> => {
  const tests: Array<Registered> = []
  suite((name, test) => tests.push({ name, test }))
  return tests
}

it("a suite registers one test a law, which fails, passes or is skipped with the reason", async () => {
  const tests = register((it) => Laws.suite(it, hoarder, { seed: 3 }))
  expect(tests.map(({ name }) => name)).toEqual(Laws.names.map((law) => `forgets what is long: ${law}`))
  const outcomes = new Map<string, string>()
  for (const { name, test } of tests.slice(0, 5)) {
    let skipped: string | undefined
    const skip = (note?: string) => {
      skipped = note
    }
    await test({ skip }).then(
      () => outcomes.set(name, skipped ?? "passed"),
      (error: unknown) => outcomes.set(name, String(error))
    )
  }
  expect(outcomes.get("forgets what is long: opens, and is as strong as it says")).toBe("passed")
  expect(outcomes.get("forgets what is long: round trip")).toContain('breaks the law "round trip"')
})

it("LAWS_REPLAY runs the one case of the one subject that it names", async () => {
  const violation = await Effect.runPromise(Effect.flip(Laws.check(hoarder, { seed: 3 })))
  process.env["LAWS_REPLAY"] = violation.replay
  try {
    const ran: Array<string> = []
    for (const suite of [hoarder, subject("another")]) {
      for (const { name, test } of register((it) => Laws.suite(it, suite))) {
        const skips: Array<string | undefined> = []
        const exit = await Effect.runPromiseExit(Effect.tryPromise(() => test({ skip: (note) => skips.push(note) })))
        if (skips.length === 0) ran.push(`${name}: ${Exit.isSuccess(exit) ? "kept" : "broken"}`)
      }
    }
    expect(ran).toEqual(["forgets what is long: round trip: broken"])
  } finally {
    delete process.env["LAWS_REPLAY"]
  }
})

/** Runs with a variable of the environment set. */
const withVariable = async <A>(name: string, value: string, use: () => Promise<A>): Promise<A> => {
  const before = process.env[name]
  process.env[name] = value
  try {
    return await use()
  } finally {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  }
}

// All that a run may draw, and so report.
for (const seed of [0, 12, 2 ** 31])
  it(`LAWS_SEED=${seed} makes the choices the same each time`, async () => {
    const checked = () => Effect.runPromise(Laws.check(volatile, { laws: ["round trip"] }))
    expect((await withVariable("LAWS_SEED", String(seed), checked)).seed).toBe(seed)
    expect((await withVariable("LAWS_SEED", "", checked)).outcomes).toHaveLength(1)
  })

it("a budget or a seed of the environment that is none is told, not ignored, before anything is tried", async () => {
  const open = () => Effect.die("it was opened")
  const check = () => Effect.runPromise(Laws.check({ ...volatile, open }))
  const suite = () => Promise.resolve().then(() => register((it) => Laws.suite(it, { ...volatile, open })))
  for (const seed of ["xx", "-1", "1.5", "1e3", " ", "4294967296"])
    for (const run of [check, suite])
      await withVariable("LAWS_SEED", seed, () =>
        expect(run()).rejects.toThrow(`LAWS_SEED is "${seed}": use a whole number from 0 to 4294967295`)
      )
  for (const budget of ["xx", "CI", " "])
    await withVariable("LAWS_BUDGET", budget, () =>
      expect(suite()).rejects.toThrow(`LAWS_BUDGET is "${budget}": use quick, ci or soak`)
    )
  for (const name of ["LAWS_BUDGET", "LAWS_SEED"]) await withVariable(name, "", suite)
})

it.effect("a schema with one state, and a state that is a bare value, have laws as well", () =>
  Effect.gen(function* () {
    const check = <S>(schema: Schema.Codec<S, unknown>) =>
      Laws.check({ name: "small", schema, open: () => VolatileAgent.make({ name: "small", schema }) })
    const one = yield* check(Schema.Literal("only"))
    expect(Report.format(one)).toMatch(/increments are all counted +skipped: the schema has one state only/)
    yield* check(Schema.NullOr(Schema.Number))
  })
)
