import { expect, it } from "@effect/vitest"
import { type History, Linearizability } from "dgents/testing"
import { bruteForce, legal, mutated, type Shape } from "./mutants/linearHistories.ts"
import { conflict, failedSave, load, lost, op, put, read, save, update } from "./mutants/linearHistory.ts"

const { check, judge, byRevision, registerModel, registerOperations } = Linearizability

const seeds = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

const small: Shape = { clients: 3, operations: 6, values: 2, deletes: true, open: 0.1 }
const shown: Shape = { clients: 4, operations: 30, values: 3, shown: true }

it("what a right register answers has an order, with and without operations that never returned", () => {
  for (const seed of seeds(300))
    for (const open of [0, 0.05]) {
      const history = legal(seed, { clients: 8, operations: 200, values: 4, deletes: true, open })
      expect(byRevision(history)).toBeUndefined()
      expect(judge(history)).toEqual({ _tag: "Linearizable" })
    }
})

it("the search agrees with a trial of all orders and all revisions, on right histories and on wrong ones", () => {
  const count = { right: 0, wrong: 0 }
  for (const seed of seeds(6_000)) {
    const right = legal(seed, { ...small, operations: 2 + (seed % 5) })
    const history = seed % 4 === 0 ? right : mutated(seed, mutated(seed + 7, right))
    const isRight = bruteForce(history)
    const verdict = check(registerModel(), registerOperations(history))
    expect([seed, verdict._tag]).toEqual([seed, isRight ? "Linearizable" : "NotLinearizable"])
    count[isRight ? "right" : "wrong"]++
  }
  expect(count.right).toBeGreaterThan(1_000)
  expect(count.wrong).toBeGreaterThan(1_000)
})

it("the order that the search gives keeps to the times, and each answer fits", () => {
  for (const seed of seeds(100)) {
    const model = registerModel()
    const operations = registerOperations(legal(seed, { clients: 5, operations: 60, values: 3, open: 0.05 }))
    const verdict = check(model, operations)
    if (verdict._tag !== "Linearizable") throw new Error(verdict._tag)
    let state: Linearizability.RegisterState | undefined = model.initial
    for (const [i, operation] of verdict.order.entries()) {
      state = state && model.step(state, operation)
      const later = verdict.order.slice(i + 1)
      expect(later.every((other) => (other.return ?? Number.POSITIVE_INFINITY) >= operation.call)).toBe(true)
    }
    expect(state).toBeDefined()
    const closed = operations.filter((operation) => operation.return !== undefined)
    expect(closed.every((operation) => verdict.order.includes(operation))).toBe(true)
  }
})

it("what the revisions say is wrong is wrong, whatever the history", () => {
  let found = 0
  for (const seed of seeds(3_000)) {
    const shape = { clients: 2 + (seed % 4), operations: 12, values: 3, deletes: seed % 2 === 0, open: (seed % 3) / 30 }
    const history = mutated(seed, legal(seed, shape))
    const violation = byRevision(history)
    if (violation === undefined) continue
    found++
    expect([seed, violation.reason, check(registerModel(), registerOperations(history))._tag]).toEqual([
      seed,
      violation.reason,
      "NotLinearizable"
    ])
  }
  expect(found).toBeGreaterThan(500)
})

it("where every operation shows its revision, the revisions tell all that the search finds", () => {
  let wrong = 0
  for (const seed of seeds(2_000)) {
    const history = mutated(seed, legal(seed, shown))
    const isWrong = check(registerModel(), registerOperations(history))._tag === "NotLinearizable"
    expect([seed, byRevision(history) !== undefined]).toEqual([seed, isWrong])
    if (isWrong) wrong++
  }
  expect(wrong).toBeGreaterThan(500)
})

it("an open write matters only to the operation after it: the quick search agrees with the patient one", () => {
  const patient = { ...registerModel(), unseenIsNothing: false }
  const eachOrder = { ...patient, isRead: () => false }
  const count = { Linearizable: 0, NotLinearizable: 0, Undecided: 0 }
  for (const seed of seeds(3_000)) {
    const right = legal(seed, { clients: 3, operations: 10, values: 2, deletes: seed % 2 === 0, open: 0.12 })
    const operations = registerOperations(seed % 3 === 0 ? right : mutated(seed, right))
    const { _tag } = check(registerModel(), operations)
    expect([seed, check(patient, operations)._tag, check(eachOrder, operations)._tag]).toEqual([seed, _tag, _tag])
    count[_tag]++
  }
  expect(count.Linearizable).toBeGreaterThan(1_000)
  expect(count.NotLinearizable).toBeGreaterThan(400)
})

it("each step by which a history is made smaller keeps it possible", () => {
  let steps = 0
  for (const seed of seeds(600)) {
    const model = registerModel()
    const { shrink } = model
    if (shrink === undefined) throw new Error("the register has steps")
    const operations = registerOperations(
      legal(seed, { clients: 2 + (seed % 3), operations: 12, values: 1 + (seed % 2), deletes: true, open: 0.05 })
    )
    const isPossible = (candidate: ReadonlyArray<Linearizability.RegisterOperation>) =>
      expect([seed, check(model, candidate)._tag]).toEqual([seed, "Linearizable"])
    const simpler = shrink.simpler(operations)
    const droppable = operations.filter((operation) => simpler(operation).includes(undefined))
    isPossible(operations.filter((operation) => !droppable.includes(operation)))
    for (const operation of operations)
      for (const replacement of simpler(operation)) {
        isPossible(operations.flatMap((other) => (other === operation ? (replacement ?? []) : other)))
        steps++
      }
    for (const { return: end } of operations)
      isPossible(
        operations.flatMap((operation) =>
          operation.call > (end ?? 0)
            ? []
            : (operation.return ?? 0) <= (end ?? 0)
              ? operation
              : (shrink.unfinished(operation) ?? [])
        )
      )
  }
  expect(steps).toBeGreaterThan(1_000)
})

it("histories of a thousand operations by eight clients are all decided", () => {
  for (const seed of seeds(12)) {
    const right = legal(seed, { clients: 8, operations: 1_000, values: 8, deletes: true, open: (seed % 3) / 200 })
    expect(judge(right)._tag).toBe("Linearizable")
    expect(judge(mutated(seed, right))._tag).not.toBe("Undecided")
  }
})

it("a search that takes too many steps says so instead of hanging", () => {
  const history = legal(1, { clients: 8, operations: 300, values: 8 })
  expect(judge(history, { budget: 10 })).toEqual({ _tag: "Undecided", steps: 10 })
})

it("what returns and what is called at the same instant is concurrent", () => {
  const at = (call: number) => [op("client 1", 1, 2, put("a", 0, 1)), op("client 2", call, 4, read(null))]
  expect([byRevision(at(2)), judge(at(2))._tag]).toEqual([undefined, "Linearizable"])
  expect([byRevision(at(3))?.operations.length, judge(at(3))._tag]).toEqual([2, "Violation"])
})

it("a revision that was read before its write began is found by the revisions alone", () => {
  const history = [op("client 2", 1, 2, read("a", 1)), op("client 1", 3, 4, put("a", 0, 1))]
  expect(byRevision(history)?.reason).toBe("client 1 was given revision 1 after client 2 had read revision 1")
})

it("the keys of a family are judged apart", () => {
  const history = [op("client 1", 1, 2, put("a", 0, 1)), { ...op("client 2", 3, 4, put("b", 0, 1)), key: "other" }]
  expect(judge(history)._tag).toBe("Linearizable")
  expect(judge(history.map((operation) => ({ ...operation, key: "" })))._tag).toBe("Violation")
})

it("what was there before, and what an agent without a state loads, is taken into account", () => {
  expect(judge([op("client 1", 1, 2, load("zero"))], { initial: "zero" })._tag).toBe("Linearizable")
  expect(judge([op("client 1", 1, 2, load("zero"))])._tag).toBe("Violation")
  const history = [op("client 1", 1, 2, put("b", 7, 8))]
  expect(judge(history, { before: { value: "a", revision: 7 } })._tag).toBe("Linearizable")
  expect(judge(history)._tag).toBe("Violation")
})

it.each<[string, ReadonlyArray<History.Operation>]>([
  [
    "client 2 read revision 3 after client 1 had been told of revision 4",
    [op("client 1", 1, 2, put("c", 0, 3)), op("client 1", 3, 4, put("d", 3, 4)), op("client 2", 5, 6, read("c", 3))]
  ],
  [
    "client 1 and client 2 both replaced revision 1, by revision 2 and by 3: one of the two is lost",
    [op("client 1", 1, 2, put("a", 0, 1)), op("client 1", 3, 8, put("b", 1, 2)), op("client 2", 4, 9, put("c", 1, 3))]
  ],
  [
    "client 1 and client 2 were both told that revision 1 is theirs",
    [op("client 1", 1, 4, put("a", 0, 1)), op("client 2", 2, 3, put("b", 0, 1))]
  ],
  [
    "client 2 read b as revision 1, under which client 1 wrote a",
    [op("client 1", 1, 2, put("a", 0, 1)), op("client 2", 3, 4, read("b", 1))]
  ],
  [
    "client 2 read b as revision 1, but the save of client 1 that would have written it failed with StorageUnavailable, which says that it did not happen",
    [op("client 1", 1, 4, failedSave("b")), op("client 2", 2, 3, read("b", 1))]
  ],
  [
    "client 2 found nothing after the save of client 1 had returned: revision 1 or a later one was there",
    [op("client 1", 1, 2, save("a")), op("client 2", 3, 4, read(null))]
  ],
  [
    "client 2 was refused though it found revision 1, the very one that it expected",
    [op("client 1", 1, 2, put("a", 0, 1)), op("client 2", 3, 4, conflict("b", 1, 1))]
  ],
  [
    "client 2 read a, last written as revision 1, after client 1 had been told of revision 2",
    [op("client 1", 1, 2, put("a", 0, 1)), op("client 1", 3, 4, put("b", 1, 2)), op("client 2", 5, 6, load("a"))]
  ],
  [
    "client 2 read a as revision 1, which nobody had begun to write",
    [op("client 2", 1, 2, read("a", 1)), op("client 1", 3, 4, put("a", 0, 1))]
  ],
  [
    'no order explains these operations: the best one (client 1: save a; client 1: update a to b) leaves b, a revision above 1, after which the "update a to c" of client 2 is not possible',
    [op("client 1", 1, 2, save("a")), op("client 1", 3, 6, update("a", "b")), op("client 2", 4, 7, update("a", "c"))]
  ]
])("a violation is told in a sentence: %s", (reason, history) => {
  expect(judge(history)).toMatchObject({ _tag: "Violation", reason })
})

it("the smallest history that fails is drawn, one lane a client, the offending operation underlined", () => {
  const noise = Array.from({ length: 40 }, (_, i) => op(`client ${3 + (i % 5)}`, 100 + i, 103 + i, read("d", 4)))
  const history = [
    op("client 1", 1, 2, put("c", 0, 3)),
    op("client 1", 3, 90, put("d", 3, 4)),
    op("client 2", 80, 85, read("c", 3)),
    ...noise,
    op("client 2", 200, 210, read("c", 3)),
    op("client 1", 300, 310, put("e", 4, 5))
  ]
  const judgement = judge(history)
  if (judgement._tag !== "Violation") throw new Error(judgement._tag)
  expect(`\n${Linearizability.show(judgement)}\n`).toBe(`
client 2 read revision 3 after client 1 had been told of revision 4

client 1  [ compareAndSave c: revision 3 ] [ compareAndSave d on 3: revision 4 ]
client 2                                                                         [ current: c, revision 3 ]
                                                                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^
`)
})

it("lanes that take too much room are numbered, and a list says what the numbers are", () => {
  const spans = Array.from({ length: 6 }, (_, i) => ({
    client: `client ${1 + (i % 2)}`,
    call: i * 2,
    return: i === 5 ? undefined : i * 2 + 3,
    label: `an operation with a rather long name, number ${i}`,
    marked: i === 4
  }))
  expect(`\n${Linearizability.timeline(spans)}\n`).toBe(`
client 1  [ 1 ] [ 3 --] [ 5 --]
                        ^^^^^^^
client 2    [ 2 --] [ 4 --] [ 6 ...

  1  client 1  an operation with a rather long name, number 0
  2  client 2  an operation with a rather long name, number 1
  3  client 1  an operation with a rather long name, number 2
  4  client 2  an operation with a rather long name, number 3
  5  client 1  an operation with a rather long name, number 4
  6  client 2  an operation with a rather long name, number 5
`)
})

// A queue, for objects that are no registers.
interface Queued extends Linearizability.Timed {
  readonly put?: string
  readonly took?: string | null
}

const queue: Linearizability.Model<ReadonlyArray<string>, Queued> = {
  initial: [],
  step: (state, { put, took }) => {
    if (put !== undefined) return [...state, put]
    if (took === null) return state.length === 0 ? state : undefined
    return state[0] === took ? state.slice(1) : undefined
  },
  key: (state) => state.join(",")
}

it("any sequential object can be modelled, with operations that never returned", () => {
  const operations: ReadonlyArray<Queued> = [
    { client: "1", call: 1, return: 5, put: "a" },
    { client: "2", call: 2, return: 4, put: "b" },
    { client: "3", call: 3, put: "c" },
    { client: "1", call: 6, return: 7, took: "b" },
    { client: "1", call: 8, return: 9, took: "c" },
    { client: "1", call: 10, return: 11, took: "a" },
    { client: "1", call: 12, return: 13, took: null }
  ]
  expect(check(queue, operations)._tag).toBe("Linearizable")
  expect(
    check(
      queue,
      operations.filter(({ put }) => put !== "c")
    )._tag
  ).toBe("NotLinearizable")
  const twice = operations.map((operation) => (operation.took === null ? { ...operation, took: "a" } : operation))
  expect(check(queue, twice)).toMatchObject({ _tag: "NotLinearizable", blocked: [{ call: 12 }] })
})

it("two at a time: a client's open operation may still happen after its later ones", () => {
  const history = [
    lost("client 1", 1, save("late")),
    op("client 1", 2, 3, put("a", 0, 1)),
    op("client 2", 4, 5, read("a", 1)),
    op("client 2", 6, 7, read("late", 2))
  ]
  expect(judge(history)._tag).toBe("Linearizable")
  expect(judge(history.slice(1))._tag).toBe("Violation")
})
