import { Effect, Option, type Scope } from "effect"
import { type DataAgent, loadOption } from "../../agents/DataAgent.ts"
import * as Revision from "../../agents/Revision.ts"
import * as History from "../History.ts"
import { type Broken, broken, type Case } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { show } from "../internal/same.ts"
import { type Law, type Plan, type Property, property, skip, type World } from "../internal/world.ts"
import * as Linearizability from "../Linearizability.ts"
import { provide, random } from "../SeededScheduler.ts"

type Step =
  | { readonly does: "load" | "current" | "delete" }
  | { readonly does: "save" | "update"; readonly state: number }
  | { readonly does: "modify"; readonly state: number; readonly yields: number }
  | { readonly does: "compareAndSave"; readonly state: number; readonly expects: Expects }

/** A revision that the client knows: the last one it heard of, the one before, or none at all. */
type Expects = "last" | "earlier" | "absent"

interface Running {
  /** How many open agents the clients share. */
  readonly agents: number
  /** What each client does, one after the other. */
  readonly clients: ReadonlyArray<ReadonlyArray<Step>>
  /** The first of the schedules that are tried one after the other, and how many there are. */
  readonly schedule: number
  readonly schedules: number
}

// Leaving a step out changes what a schedule does, so a case that shrinks has to be given several.
const schedulesOfShort = { quick: 4, ci: 8, soak: 8 }

// ---------------------------------------------------------------------------------------------------------------------
// Cases

const states = 1_000
const kinds = ["current", "compareAndSave", "current", "compareAndSave", "load", "save", "update", "modify"] as const
const expectations = ["last", "last", "last", "earlier", "absent"] as const

const stepOf = (does: (typeof kinds)[number] | "delete", state: number, n: number): Step => {
  switch (does) {
    case "load":
    case "current":
    case "delete":
      return { does }
    case "save":
    case "update":
      return { does, state }
    case "modify":
      return { does, state, yields: n % 3 }
    case "compareAndSave":
      return { does, state, expects: Gen.nth(expectations, n) }
  }
}

const step: Gen.Gen<Step> = Gen.map(
  Gen.record<{ does: Parameters<typeof stepOf>[0]; state: number; n: number }>({
    // Deletes are rare, since little is checked of a state that is not there.
    does: Gen.pick([...kinds, ...kinds, "delete"]),
    state: Gen.int(0, states),
    n: Gen.int(0, 29)
  }),
  ({ does, n, state }) => stepOf(does, state, n)
)

const mostClients = 8

const shortCases = (agents: Gen.Gen<number>, schedules: number): Gen.Gen<Running> =>
  Gen.record<Running>({
    agents,
    clients: Gen.map(Gen.array(Gen.array(step)), (clients) =>
      clients.filter((script) => script.length > 0).slice(0, mostClients)
    ),
    schedule: Gen.int(0, 1_000_000),
    schedules: Gen.always(schedules)
  })

/** Long scripts are chosen by a seed: such a case shrinks in its history, and by trying a short one. */
const longCases = (agents: Gen.Gen<number>, length: number): Gen.Gen<Running> =>
  Gen.map(
    Gen.record<{ agents: number; seed: number; size: number; schedule: number }>({
      agents,
      seed: Gen.int(0, 1_000_000),
      size: Gen.int(0, 19),
      schedule: Gen.int(0, 1_000_000)
    }),
    ({ agents, schedule, seed, size }) => {
      const next = random(seed)
      const upTo = (n: number) => Math.floor(next() * n)
      const long = Math.ceil((size === 0 ? length / 20 : length) / mostClients)
      const script = () =>
        Array.from({ length: long }, () =>
          stepOf(upTo(60) === 0 ? "delete" : Gen.nth(kinds, upTo(kinds.length)), upTo(states), upTo(30))
        )
      return { agents, clients: Array.from({ length: mostClients }, script), schedule, schedules: 1 }
    }
  )

const showStep = (step: Step, states: number): string => {
  const state = "state" in step ? `#${step.state % states}` : ""
  switch (step.does) {
    case "compareAndSave":
      return `compareAndSave ${state} on the ${step.expects === "absent" ? "absent" : `${step.expects} revision known`}`
    case "modify":
      return `modify to ${state}, yielding ${step.yields} times`
    case "update":
      return `update to ${state}`
    default:
      return `${step.does} ${state}`.trim()
  }
}

const plural = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`

const showRunning = (running: Running, states: number): ReadonlyArray<string> => [
  `${plural(running.clients.length, "client")} on ${plural(running.agents, "open agent")} (schedule ${running.schedule}${running.schedules > 1 ? " and the next ones" : ""})`,
  ...running.clients.map((script, i) => {
    const steps = script.slice(0, 12).map((step) => showStep(step, states))
    const more = script.length > steps.length ? `, and ${script.length - steps.length} more` : ""
    return `client ${i + 1}: ${steps.join(", ") || "nothing"}${more}`
  })
]

// ---------------------------------------------------------------------------------------------------------------------
// Running and judging one

const yields = (n: number) => (n === 0 ? Effect.void : Effect.repeat(Effect.yieldNow, { times: n - 1 }))

// What may happen to an operation although nothing is wrong with its storage.
const expected = new Set([
  "RevisionConflict",
  "StateNotFound",
  "StateTooLarge",
  "StorageUnavailable",
  "WriteIndeterminate"
])

const perform = <S>(step: Step, agent: DataAgent<S>, world: World<S>, heard: Array<Revision.Revision>) => {
  const state = "state" in step ? Gen.nth(world.pool, step.state) : world.pool[0]
  switch (step.does) {
    case "load":
      return agent.load
    case "current":
      return Effect.tap(agent.current, (current) =>
        Effect.sync(() => heard.push(Option.isSome(current) ? current.value.revision : Revision.absent))
      )
    case "delete":
      return agent.delete
    case "save":
      return agent.save(state)
    case "update":
      return agent.update(() => state)
    case "modify":
      return agent.modify(() => Effect.as(yields(step.yields), [undefined, state]), { retries: 1_000 })
    case "compareAndSave": {
      const known = step.expects === "absent" ? Revision.absent : heard.at(step.expects === "last" ? -1 : -2)
      return Effect.tap(agent.compareAndSave(state, known ?? Revision.absent), (revision) =>
        Effect.sync(() => heard.push(revision))
      )
    }
  }
}

const runScript = <S>(script: ReadonlyArray<Step>, agent: DataAgent<S>, client: string, run: Case<S>) => {
  const heard: Array<Revision.Revision> = []
  return Effect.forEach(
    script,
    (step) =>
      Effect.gen(function* () {
        const answer = yield* run.attempt(
          `${step.does} of ${client}`,
          Effect.suspend((): Effect.Effect<unknown, unknown> => perform(step, agent, run.world, heard))
        )
        if (answer.ok) return
        const { error } = answer
        if (error._tag === "RevisionConflict") heard.push(error.actual)
        if (!expected.has(error._tag))
          yield* broken(`${step.does} of ${client} failed with ${error._tag}: ${error.message}`)
      }),
    { discard: true }
  )
}

/** Names for the states of the pool, and a list of those that a text mentions. */
const namesOf = <S>(world: World<S>) => {
  const numbers = new Map(world.pool.map((state, i) => [world.same.key(state), i]))
  const others: Array<S> = []
  const name = (state: S): string => {
    const number = numbers.get(world.same.key(state)) ?? world.pool.length + others.length
    if (number === world.pool.length + others.length) {
      numbers.set(world.same.key(state), number)
      others.push(state)
    }
    return `#${number}`
  }
  const legend = (text: string): string =>
    [...world.pool, ...others]
      .flatMap((state, i) => (new RegExp(`#${i}(?!\\d)`).test(text) ? [`#${i} is ${show(state)}`] : []))
      .join("\n")
  return { name, legend }
}

const holds = <S>(
  { agents, clients, schedule, schedules }: Running,
  run: Case<S>
): Effect.Effect<void, Broken, Scope.Scope> =>
  Effect.gen(function* () {
    const opened = yield* Effect.forEach(
      Array.from({ length: agents }, (_, i) => i),
      (process) => Effect.map(run.openAs(process), ({ agent }) => agent)
    )
    const first = opened[0]
    if (first === undefined) return
    const { legend, name } = namesOf(run.world)
    const found = yield* run.must("current", first.current)
    const loaded = Option.isNone(found) ? yield* run.must("load", loadOption(first)) : Option.none()
    const recorder = History.recorder()
    const record = (agent: DataAgent<S>, client: string) =>
      History.recording(agent, client, { ...recorder, fingerprint: name })
    for (let i = 0; i < schedules; i++) {
      if (i > 0) yield* run.attempt("delete", record(first, "clean-up").delete)
      const concurrently = Effect.forEach(
        clients,
        (script, i) => {
          const client = `client ${i + 1}`
          return runScript(script, record(opened[i % opened.length] ?? first, client), client, run)
        },
        { concurrency: "unbounded", discard: true }
      )
      yield* provide(schedule + i)(concurrently)
      for (const agent of opened) yield* run.must("current", record(agent, "last reader").current)
    }
    const history = recorder.history()
    run.count("schedules", schedules)
    run.count("histories")
    run.count("operations", history.length)
    const judgement = Linearizability.judge(history, {
      initial: Option.getOrUndefined(Option.map(loaded, name)),
      before: Option.getOrUndefined(Option.map(found, ({ revision, state }) => ({ value: name(state), revision })))
    })
    if (judgement._tag === "Undecided") {
      run.count("undecided")
      return yield* broken(`undecided after ${judgement.steps} steps: ${history.length} operations`)
    }
    if (judgement._tag === "Linearizable") return
    const text = Linearizability.show(judgement)
    yield* broken(`${text}\n\n${legend(text)}`)
  })

// ---------------------------------------------------------------------------------------------------------------------
// Laws

const plan = <S>(
  world: World<S>,
  cases: (agents: Gen.Gen<number>) => Gen.Gen<Running>,
  effort: Property<S, Running>["effort"]
): Plan => {
  const { consistency, sharing } = world.claims
  if (consistency !== "linearizable") return skip(`the claim is ${consistency}, not linearizable`)
  return property(world, {
    cases: cases(sharing === "process" ? Gen.always(1) : Gen.int(1, 3)),
    show: (running) => showRunning(running, world.pool.length),
    holds,
    effort
  })
}

/** Concurrent operations look as if each happened at one instant between its call and its return. */
export const linearizable: Law = {
  name: "operations are linearizable",
  rule: "operations that run at once look as if each happened at one instant between its call and its return: who was told of a write, or read it, never finds an older state afterwards. Breaks: a cache that others' writes do not reach, a check before a pause, a write shown before it is committed.",
  plan: (world) => plan(world, (agents) => shortCases(agents, schedulesOfShort[world.settings.budget]), {})
}

const longest = 1_000

/** The same in histories of a thousand operations by eight clients, for what builds up over time. */
export const linearizableLong: Law = {
  name: "long histories are linearizable",
  rule: "the same over a thousand operations of eight clients.",
  plan: (world) =>
    plan(world, (agents) => longCases(agents, world.settings.budget === "quick" ? longest / 20 : longest), {
      quick: { runs: 2 },
      ci: { runs: 216, millis: 20_000 },
      soak: { runs: 1_000 }
    })
}
