/** Histories written by hand. */
import type { History } from "dgents/testing"

type Step = readonly [action: History.Action, answer: History.Answer]

export const read = (value: string | null, revision?: number): Step => [
  { kind: "current" },
  { kind: "ok", value, ...(revision === undefined ? {} : { revision }) }
]
export const load = (value: string): Step => [{ kind: "load" }, { kind: "ok", value }]
export const save = (value: string): Step => [{ kind: "save", value }, { kind: "ok" }]
export const update = (read: string, wrote: string): Step => [{ kind: "update", ran: { read, wrote } }, { kind: "ok" }]
export const put = (value: string, expected: number, revision: number): Step => [
  { kind: "compareAndSave", value, expected },
  { kind: "ok", revision }
]
export const conflict = (value: string, expected: number, actual: number): Step => [
  { kind: "compareAndSave", value, expected },
  { kind: "refused", error: "RevisionConflict", actual }
]
export const failedSave = (value: string): Step => [
  { kind: "save", value },
  { kind: "refused", error: "StorageUnavailable" }
]

/** One operation of a client from a time to a time. */
export const op = (client: string, call: number, end: number, [action, answer]: Step): History.Operation => ({
  client,
  key: "",
  call,
  return: end,
  action,
  answer
})

/** One that was called and never returned. */
export const lost = (client: string, call: number, [action]: Step): History.Operation => ({
  client,
  key: "",
  call,
  action,
  answer: { kind: "open" }
})
