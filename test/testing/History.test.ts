import { execFileSync } from "node:child_process"
import { expect, it } from "@effect/vitest"
import { DataAgent, Revision, StateError, VolatileAgent } from "dgents"
import { History } from "dgents/testing"
import { Effect, Exit, Fiber, Schema } from "effect"
import { legal } from "./mutants/linearHistories.ts"
import { override } from "./mutants/memory.ts"

const make = VolatileAgent.make({ name: "counter", schema: Schema.Number })

const recorded = (use: (agent: DataAgent.DataAgent<number>) => Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    const recorder = History.recorder()
    yield* use(History.recording(yield* make, "client 1", recorder))
    return recorder.history()
  })

it.effect("each operation is recorded with what it was given and what it answered", () =>
  Effect.gen(function* () {
    const history = yield* recorded((agent) =>
      Effect.gen(function* () {
        yield* Effect.exit(agent.load)
        yield* agent.current
        yield* agent.save(1)
        yield* agent.load
        yield* agent.current
        yield* agent.update((n) => n + 1)
        yield* agent.modify((n) => Effect.succeed(["answer", n + 1]))
        yield* agent.compareAndSave(10, Revision.make(3))
        yield* Effect.exit(agent.compareAndSave(11, Revision.make(3)))
        yield* agent.delete
      })
    )
    expect(history.map(({ action, answer }) => [action, answer])).toEqual([
      [{ kind: "load" }, { kind: "refused", error: "StateNotFound" }],
      [{ kind: "current" }, { kind: "ok", value: null }],
      [{ kind: "save", value: "1" }, { kind: "ok" }],
      [{ kind: "load" }, { kind: "ok", value: "1" }],
      [{ kind: "current" }, { kind: "ok", value: "1", revision: 1 }],
      [{ kind: "update", ran: { read: "1", wrote: "2" } }, { kind: "ok" }],
      [{ kind: "modify", ran: { read: "2", wrote: "3" } }, { kind: "ok" }],
      [
        { kind: "compareAndSave", value: "10", expected: 3 },
        { kind: "ok", revision: 4 }
      ],
      [
        { kind: "compareAndSave", value: "11", expected: 3 },
        { kind: "refused", error: "RevisionConflict", actual: 4 }
      ],
      [{ kind: "delete" }, { kind: "ok" }]
    ])
    for (const { call, return: end } of history) expect(end).toBeGreaterThan(call)
    expect(history.every(({ client, key }) => client === "client 1" && key === "")).toBe(true)
  })
)

it.effect("what is indeterminate, interrupted or a defect is open; what failed is refused", () =>
  Effect.gen(function* () {
    const lost = new StateError.WriteIndeterminate({ agent: "counter", reason: "no reply" })
    const recorder = History.recorder()
    const agent = yield* make
    const save = (effect: Effect.Effect<void, StateError.WriteError>) =>
      History.recording(override(agent, { save: () => effect }), "client 1", recorder).save(1)
    yield* Effect.exit(save(Effect.fail(lost)))
    const fiber = yield* Effect.forkChild(save(Effect.never), { startImmediately: true })
    yield* Fiber.interrupt(fiber)
    yield* Effect.exit(save(Effect.die("broken")))
    yield* Effect.exit(History.recording(agent, "client 1", recorder).modify(() => Effect.fail("mine")))
    yield* agent.save(1)
    yield* Effect.exit(History.recording(agent, "client 1", recorder).modify(() => Effect.fail("mine")))
    expect(recorder.history().map(({ answer }) => answer)).toEqual([
      { kind: "open", error: "WriteIndeterminate" },
      { kind: "open", error: "interrupted" },
      { kind: "open", error: "a defect" },
      { kind: "refused", error: "StateNotFound" },
      { kind: "refused", error: "its own error" }
    ])
  })
)

it.effect(
  "an update that runs again is recorded with what it saw last, also when its function changes what it is given",
  () =>
    Effect.gen(function* () {
      const agent = yield* VolatileAgent.make({ name: "list", schema: Schema.mutable(Schema.Array(Schema.Number)) })
      const recorder = History.recorder()
      const again = override(agent, {
        update: (f) =>
          Effect.sync(() => {
            f([1])
            return f([1, 2])
          })
      })
      yield* History.recording(again, "client 1", recorder).update((list) => {
        list.push(9)
        return list
      })
      expect(recorder.history()[0]?.action).toEqual({ kind: "update", ran: { read: "[1,2]", wrote: "[1,2,9]" } })
    })
)

it.effect("long states have short fingerprints, which differ when they do", () =>
  Effect.gen(function* () {
    const agent = yield* VolatileAgent.make({ name: "text", schema: Schema.String })
    const recorder = History.recorder()
    const client = History.recording(agent, "client 1", recorder)
    for (const end of ["a", "b"]) yield* client.save(`${"x".repeat(1_000)}${end}`)
    const values = recorder.history().map(({ action }) => ("value" in action ? action.value : ""))
    expect(new Set(values).size).toBe(2)
    expect(values.every((value) => value.length < 40)).toBe(true)
  })
)

it("a call is recorded before the operation begins", () => {
  const events: Array<History.Event> = []
  const seen: Array<number> = []
  Effect.runSync(
    Effect.scoped(
      Effect.gen(function* () {
        const agent = yield* make
        const watched = override(agent, { save: () => Effect.sync(() => seen.push(events.length)) })
        yield* History.recording(watched, "client 1", { record: (event) => events.push(event) }).save(1)
      })
    )
  )
  expect(seen).toEqual([1])
  expect(events.length).toBe(2)
})

it("a history comes back from its lines", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const history = legal(seed, { clients: 4, operations: 40, values: 3, deletes: true, open: 0.05 })
    const called = history.map((operation) =>
      operation.answer.kind === "open" ? { ...operation, answer: { kind: "open" } } : operation
    )
    expect(History.fromLines(History.toLines(history))).toEqual(called)
  }
})

it("a process that is killed leaves an open operation, and at most the beginning of a line", () => {
  const lines = [
    { id: "1", at: 1, client: "p1", key: "", action: { kind: "save", value: "a" } },
    { id: "1", at: 2, answer: { kind: "ok" } },
    { id: "2", at: 3, client: "p1", key: "", action: { kind: "update" } },
    { id: "2", at: 4, ran: { read: "a", wrote: "b" } }
  ] satisfies ReadonlyArray<History.Event>
  const text = `${lines.map(History.toLine).join("")}{"id":"2","at":5,"ans`
  expect(History.fromLines(text)).toEqual([
    { client: "p1", key: "", call: 1, return: 2, action: { kind: "save", value: "a" }, answer: { kind: "ok" } },
    {
      client: "p1",
      key: "",
      call: 3,
      action: { kind: "update", ran: { read: "a", wrote: "b" } },
      answer: { kind: "open" }
    }
  ])
  expect(() => History.fromLines(`{"id":1}\n${text}`)).toThrow("Line 1 of the history")
})

it("an id that a restarted process uses again leaves the operation before it open", () => {
  const called = { id: "1", client: "p1", key: "", action: { kind: "save", value: "a" } } as const
  const history = History.fromEvents([
    { ...called, at: 1 },
    { ...called, at: 5 },
    { id: "1", at: 6, answer: { kind: "ok" } }
  ])
  expect(history.map(({ answer, call }) => [call, answer.kind])).toEqual([
    [1, "open"],
    [5, "ok"]
  ])
})

it("histories of several processes become one, in the order of the machine's clock", () => {
  const before = History.monotonic()
  const other = Number(execFileSync(process.execPath, ["-p", "String(process.hrtime.bigint())"], { encoding: "utf8" }))
  expect([before, other, History.monotonic()].sort((a, b) => a - b)[1]).toBe(other)
  const at = (client: string, call: number): History.Operation => ({
    client,
    key: "",
    call,
    action: { kind: "load" },
    answer: { kind: "open" }
  })
  const merged = History.merge([at("p1", 1), at("p1", 4)], [at("p2", 2), at("p2", 3)])
  expect(merged.map(({ client }) => client)).toEqual(["p1", "p2", "p2", "p1"])
})

it.effect("what is not recorded is the agent's own", () =>
  Effect.gen(function* () {
    const agent = yield* make
    const client = History.recording(agent, "client 1", History.recorder())
    expect(DataAgent.isDataAgent(client)).toBe(true)
    expect([client.name, client.codec, client.claims]).toEqual([agent.name, agent.codec, agent.claims])
    expect(Exit.isSuccess(yield* Effect.exit(client.save(1)))).toBe(true)
    expect(yield* agent.load).toBe(1)
  })
)
