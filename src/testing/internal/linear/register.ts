import type { History, Operation } from "../../History.ts"
import type { Model, Timed } from "./model.ts"
import { unseen } from "./unseen.ts"

/**
 * What an operation says about its register, whatever it is called: at one instant between call and return it saw this
 * and wrote that.
 */
export interface RegisterOperation extends Timed {
  readonly key: string
  /** What was there: a value (`null`: nothing), a revision (0: nothing), or both. */
  readonly seen?: Seen | undefined
  /** What was put there (`null`: it was deleted), and the revision told of it. */
  readonly wrote?: { readonly value: string | null; readonly revision?: number | undefined } | undefined
  /** The value of a write that failed: it says that it did not happen, and so nothing about the register. */
  readonly failed?: string | undefined
  /** What was called, and what it answered. */
  readonly source: Operation
}

/** What an operation found. */
export interface Seen {
  readonly value?: string | null | undefined
  readonly revision?: number | undefined
  /** Not this revision: it was refused for that. */
  readonly unlike?: number | undefined
}

/** What a history says about its registers. Reads that never returned, and what did not happen, say nothing. */
export const registerOperations = (history: History): ReadonlyArray<RegisterOperation> =>
  history.flatMap((source): ReadonlyArray<RegisterOperation> => {
    const { call, client, key } = source
    const effect = source.answer.kind === "open" ? possible(source) : answered(source)
    if (effect === undefined) return []
    return [{ client, key, call, return: source.answer.kind === "open" ? undefined : source.return, source, ...effect }]
  })

type Effect = Pick<RegisterOperation, "seen" | "wrote" | "failed">

/** What an open operation does if it happens. */
const possible = ({ action }: Operation): Effect | undefined => {
  switch (action.kind) {
    case "save":
      return { wrote: { value: action.value } }
    case "delete":
      return { wrote: { value: null } }
    case "compareAndSave":
      return { seen: { revision: action.expected }, wrote: { value: action.value } }
    case "update":
    case "modify":
      // Before its function has run, it has written nothing.
      return action.ran && { seen: { value: action.ran.read }, wrote: { value: action.ran.wrote } }
    case "load":
    case "current":
      return undefined
  }
}

const answered = (operation: Operation): Effect | undefined => {
  const { action, answer } = operation
  if (answer.kind === "refused") {
    if (answer.error === "RevisionConflict" && action.kind === "compareAndSave" && answer.actual !== undefined)
      return { seen: { revision: answer.actual, unlike: action.expected }, failed: action.value }
    // A function that ran had something to run on; the error is then its own, of another agent.
    const missed = action.kind === "load" || ((action.kind === "update" || action.kind === "modify") && !action.ran)
    if (missed && answer.error === "StateNotFound") return { seen: { value: null } }
    const failed = possible(operation)?.wrote?.value
    return failed == null ? undefined : { failed }
  }
  if (answer.kind === "open") return undefined
  switch (action.kind) {
    case "load":
      return { seen: { value: answer.value } }
    case "current":
      return { seen: answer.value === null ? { value: null } : { value: answer.value, revision: answer.revision } }
    case "compareAndSave":
      return { seen: { revision: action.expected }, wrote: { value: action.value, revision: answer.revision } }
    default:
      return possible(operation)
  }
}

/**
 * A value and its revision. Where the revision is not known it is above `revision`; where there is no value, the next one
 * is above `revision`.
 */
export interface RegisterState {
  readonly value: string | null
  readonly revision: number
  readonly known: boolean
}

export interface RegisterOptions {
  /** What a load answers while nothing is stored. */
  readonly initial?: string | undefined
  /** What was stored before the history began. Default: nothing, ever. */
  readonly before?: { readonly value: string | null; readonly revision: number } | undefined
}

/** The state of a register before its history. */
export const startOf = ({ before }: RegisterOptions): RegisterState => ({
  value: before?.value ?? null,
  revision: before?.revision ?? 0,
  known: before !== undefined && before.value !== null
})

/**
 * A register with compare-and-set whose revisions grow with every write and are never used again. `save` and `update`
 * show no revision: whoever reads it next tells.
 */
export const registerModel = (options: RegisterOptions = {}): Model<RegisterState, RegisterOperation> => ({
  initial: startOf(options),
  step: (state, { seen, wrote }) => {
    const found = seen === undefined ? state : see(state, seen, options.initial)
    if (found === undefined || wrote === undefined) return found
    return write(found, wrote.value, wrote.revision)
  },
  key: ({ known, revision, value }) => `${revision}${known ? "=" : "<"}${value === null ? "" : `:${value}`}`,
  part: ({ key }) => key,
  isRead: ({ wrote }) => wrote === undefined,
  unseenIsNothing: true,
  shrink: {
    simpler: (history) => {
      const isUnseen = unseen(history, options)
      return (operation) => {
        const { seen, wrote, ...rest } = operation
        if (wrote === undefined || isUnseen(operation)) return [undefined]
        return seen === undefined ? [] : [{ ...rest, wrote }]
      }
    },
    unfinished: ({ wrote, ...operation }) =>
      wrote === undefined ? undefined : { ...operation, return: undefined, wrote: { value: wrote.value } }
  }
})

const see = (state: RegisterState, seen: Seen, initial: string | undefined): RegisterState | undefined => {
  const { revision, unlike, value } = seen
  if (value !== undefined && value !== state.value && !(state.value === null && value === initial)) return undefined
  if (revision === undefined) return state
  if (revision === unlike) return undefined
  if (revision === 0 || state.value === null) return revision === 0 && state.value === null ? state : undefined
  if (state.known) return revision === state.revision ? state : undefined
  return revision > state.revision ? { value: state.value, revision, known: true } : undefined
}

/** The largest revision that was certainly passed: an unknown one is at least one above its bound. */
const passed = ({ known, revision, value }: RegisterState): number =>
  known || value === null ? revision : revision + 1

const write = (state: RegisterState, value: string | null, told: number | undefined): RegisterState | undefined => {
  const above = passed(state)
  if (value === null) return state.value === null ? state : { value: null, revision: above, known: false }
  if (told === undefined) return { value, revision: above, known: false }
  return told > above ? { value, revision: told, known: true } : undefined
}
