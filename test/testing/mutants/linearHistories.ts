/** Histories of a right register, what happens to them when somebody lies, and an oracle that tries every order. */
import { type History, SeededScheduler } from "dgents/testing"

type Operation = History.Operation

export interface Shape {
  readonly clients: number
  readonly operations: number
  readonly values: number
  /** Only operations that show revisions. */
  readonly shown?: boolean
  /** Operations that never return, a share of all. */
  readonly open?: number
  readonly deletes?: boolean
}

interface Running {
  readonly client: string
  readonly call: number
  readonly action: History.Action
  answer: History.Answer | undefined
}

/** What concurrent clients of a right register are told: each operation happens at one instant, at random. */
export const legal = (seed: number, shape: Shape): ReadonlyArray<Operation> => {
  const random = SeededScheduler.random(seed)
  const upTo = (n: number) => Math.floor(random() * n)
  const value = () => String.fromCharCode(97 + upTo(shape.values))
  let stored: { readonly value: string; readonly revision: number } | undefined
  let last = 0
  let now = 0
  const known = Array.from({ length: shape.clients }, () => 0)
  const running = new Map<number, Running>()
  const abandoned: Array<Running> = []
  const history: Array<Operation> = []

  const action = (client: number): History.Action => {
    const at = upTo(100)
    if (at < 35) return { kind: "current" }
    if (at < 65 || shape.shown === true) {
      const expected = upTo(4) === 0 ? upTo(last + 1) : (known[client] ?? 0)
      return { kind: "compareAndSave", value: value(), expected }
    }
    if (at < 75) return { kind: "load" }
    if (at < 85) return { kind: "save", value: value() }
    if (at < 88 && shape.deletes === true) return { kind: "delete" }
    return { kind: "update" }
  }
  const put = (value: string) => {
    last += 1 + upTo(2)
    stored = { value, revision: last }
    return last
  }
  const happen = (action: History.Action): readonly [History.Action, History.Answer] => {
    const missing = { kind: "refused", error: "StateNotFound" } as const
    switch (action.kind) {
      case "current":
        return [action, stored === undefined ? { kind: "ok", value: null } : { kind: "ok", ...stored }]
      case "load":
        return [action, stored === undefined ? missing : { kind: "ok", value: stored.value }]
      case "save":
        put(action.value)
        return [action, { kind: "ok" }]
      case "delete":
        stored = undefined
        return [action, { kind: "ok" }]
      case "compareAndSave": {
        const actual = stored?.revision ?? 0
        if (actual !== action.expected) return [action, { kind: "refused", error: "RevisionConflict", actual }]
        return [action, { kind: "ok", revision: put(action.value) }]
      }
      default: {
        if (stored === undefined) return [action, missing]
        const ran = { read: stored.value, wrote: value() }
        put(ran.wrote)
        return [{ ...action, ran }, { kind: "ok" }]
      }
    }
  }
  const leave = (client: number, operation: Running) => {
    running.delete(client)
    const revision = operation.answer?.kind === "ok" ? operation.answer.revision : undefined
    if (revision !== undefined) known[client] = revision
  }

  for (let begun = 0; begun < shape.operations || running.size > 0; ) {
    now++
    const late = abandoned[upTo(abandoned.length + 20)]
    if (late !== undefined && late.answer === undefined) late.answer = happen(late.action)[1]
    const client = upTo(shape.clients)
    const operation = running.get(client)
    if (operation === undefined) {
      if (begun++ >= shape.operations) continue
      running.set(client, { client: `client ${client + 1}`, call: now, action: action(client), answer: undefined })
    } else if (random() < (shape.open ?? 0)) {
      running.delete(client)
      const { client: name, call, action } = operation
      // What an abandoned update would write is not known before it runs.
      if (action.kind === "update" && operation.answer === undefined) continue
      if (operation.answer === undefined) abandoned.push(operation)
      history.push({ client: name, key: "", call, action, answer: { kind: "open" } })
    } else if (operation.answer === undefined) {
      const [done, answer] = happen(operation.action)
      running.set(client, { ...operation, action: done, answer })
    } else {
      const { action, answer, call, client: name } = operation
      history.push({ client: name, key: "", call, return: now, action, answer })
      leave(client, operation)
    }
  }
  return history.sort((a, b) => a.call - b.call)
}

/** The same with one thing changed: a revision, a value, a time, or an answer that was lost. */
export const mutated = (seed: number, history: ReadonlyArray<Operation>): ReadonlyArray<Operation> => {
  const random = SeededScheduler.random(seed)
  const upTo = (n: number) => Math.floor(random() * n)
  const place = upTo(history.length)
  return history.map((operation, i): Operation => {
    if (i !== place || operation.answer.kind === "open") return operation
    const { action, answer } = operation
    const by = upTo(2) === 0 ? 1 : -1
    if (answer.kind === "refused")
      return {
        ...operation,
        answer: { ...answer, ...(answer.actual === undefined ? {} : { actual: answer.actual + by }) }
      }
    switch (upTo(4)) {
      case 0:
        return answer.revision === undefined
          ? operation
          : { ...operation, answer: { ...answer, revision: Math.max(1, answer.revision + by) } }
      case 1:
        return answer.value == null ? operation : { ...operation, answer: { ...answer, value: "b" } }
      case 2:
        return action.kind === "compareAndSave"
          ? { ...operation, action: { ...action, expected: Math.max(0, action.expected + by) } }
          : operation
      default: {
        // Seen earlier or later than it was.
        const length = (operation.return ?? operation.call) - operation.call
        const call = Math.max(0, operation.call + (upTo(40) - 20)) + 0.5
        return { ...operation, call, return: call + length }
      }
    }
  })
}

/** Tries every order and every revision that nobody told: for histories of a few operations. */
export const bruteForce = (history: ReadonlyArray<Operation>): boolean => {
  const shown = history.flatMap(({ answer }) =>
    answer.kind === "ok" ? [answer.revision ?? 0] : answer.kind === "refused" ? [answer.actual ?? 0] : []
  )
  const expected = history.flatMap(({ action }) => (action.kind === "compareAndSave" ? [action.expected] : []))
  // Beyond what anybody mentions, one revision is as good as another.
  const largest = Math.max(0, ...shown, ...expected) + history.length
  const explain = (
    left: ReadonlyArray<Operation>,
    stored: { readonly value: string; readonly revision: number } | undefined,
    last: number
  ): boolean => {
    if (left.every(({ answer }) => answer.kind === "open")) return true
    return left.some((operation) => {
      const { action, answer } = operation
      const isOpen = answer.kind === "open"
      if (left.some((other) => other.answer.kind !== "open" && (other.return ?? 0) < operation.call)) return false
      const rest = left.filter((other) => other !== operation)
      const put = (value: string, told: number | undefined): boolean => {
        const from = told ?? last + 1
        const to = told ?? largest
        for (let revision = Math.max(from, last + 1); revision <= to; revision++)
          if (explain(rest, { value, revision }, revision)) return true
        return false
      }
      const refused = answer.kind === "refused" ? answer : undefined
      const ok = answer.kind === "ok" ? answer : undefined
      switch (action.kind) {
        case "current":
          if (isOpen) return false
          return (
            ok?.value === (stored?.value ?? null) && ok.revision === stored?.revision && explain(rest, stored, last)
          )
        case "load":
          if (isOpen) return false
          return (
            (refused === undefined ? ok?.value === stored?.value : stored === undefined) && explain(rest, stored, last)
          )
        case "save":
          return put(action.value, undefined)
        case "delete":
          return explain(rest, undefined, last)
        case "compareAndSave": {
          const actual = stored?.revision ?? 0
          if (refused !== undefined)
            return refused.actual === actual && actual !== action.expected && explain(rest, stored, last)
          return actual === action.expected && put(action.value, ok?.revision)
        }
        default:
          if (refused !== undefined) return stored === undefined && explain(rest, stored, last)
          return action.ran !== undefined && stored?.value === action.ran.read && put(action.ran.wrote, undefined)
      }
    })
  }
  return explain(history, undefined, 0)
}
