import { createHash } from "node:crypto"
import { Cause, Effect, Exit, Option } from "effect"
import type { DataAgent } from "../../../agents/DataAgent.ts"
import type { Revision } from "../../../agents/Revision.ts"
import { isStateError } from "../../../agents/StateError.ts"
import type { Action, Answer, Event } from "../../History.ts"
import * as Same from "../same.ts"

/** The machine's monotonic clock in nanoseconds: comparable among the processes of one machine. */
// Above 2^53, after 104 days, it rounds: never out of order, and what looks simultaneous counts as concurrent.
export const monotonic = (): number => Number(process.hrtime.bigint())

/** How the operations of one client are recorded. */
export interface Recording<in S> {
  /** Called synchronously: with a call before the operation begins, with a return before its caller goes on. */
  readonly record: (event: Event) => void
  /** Default: the machine's monotonic clock. */
  readonly clock?: (() => number) | undefined
  /** Which state, in a family. */
  readonly key?: string | undefined
  /** Equal text for equal states. Default: what the schema's JSON form says, cut and hashed when it is long. */
  readonly fingerprint?: ((state: S) => string) | undefined
}

const longest = 24

/** A text that is equal for equal states, and short. */
const fingerprints = <S>(agent: DataAgent<S>): ((state: S) => string) => {
  const { key } = Same.make(agent.codec)
  return (state) => {
    const text = key(state)
    if (text.length <= longest) return text
    return `${text.slice(0, longest - 12)}...${createHash("sha256").update(text).digest("hex").slice(0, 16)}`
  }
}

/**
 * The same agent, with the operations of one client recorded: `load`, `current`, `save`, `update`, `modify`,
 * `compareAndSave` and `delete`. The other members are the agent's own, and not recorded.
 */
export const recording = <S>(agent: DataAgent<S>, client: string, options: Recording<S>): DataAgent<S> => {
  const { key = "", record } = options
  const clock = options.clock ?? monotonic
  const fingerprint = options.fingerprint ?? fingerprints(agent)
  let calls = 0

  const recorded = <A, E, R>(
    action: Action,
    effect: (id: string) => Effect.Effect<A, E, R>,
    tell: (answer: A) => Answer
  ): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const id = `${client}#${calls++}`
      record({ id, at: clock(), client, key, action })
      return Effect.onExit(effect(id), (exit) =>
        Effect.sync(() => {
          const at = clock()
          record({ id, at, answer: Exit.isSuccess(exit) ? tell(exit.value) : failure(exit.cause) })
        })
      )
    })
  const ran = (id: string, read: string, after: S) =>
    record({ id, at: clock(), ran: { read, wrote: fingerprint(after) } })
  const done = (): Answer => ({ kind: "ok" })

  const members: Partial<DataAgent<S>> = {
    load: recorded(
      { kind: "load" },
      () => agent.load,
      (state) => ({ kind: "ok", value: fingerprint(state) })
    ),
    current: recorded(
      { kind: "current" },
      () => agent.current,
      (current) =>
        Option.isNone(current)
          ? { kind: "ok", value: null }
          : { kind: "ok", value: fingerprint(current.value.state), revision: current.value.revision }
    ),
    delete: recorded({ kind: "delete" }, () => agent.delete, done),
    save: (state) =>
      Effect.suspend(() => recorded({ kind: "save", value: fingerprint(state) }, () => agent.save(state), done)),
    compareAndSave: (state, expected: Revision) =>
      Effect.suspend(() =>
        recorded(
          { kind: "compareAndSave", value: fingerprint(state), expected },
          () => agent.compareAndSave(state, expected),
          (revision) => ({ kind: "ok", revision })
        )
      ),
    update: (f, options) =>
      recorded(
        { kind: "update" },
        (id) =>
          agent.update((state) => {
            // Before the function, which might change what it was given.
            const read = fingerprint(state)
            const next = f(state)
            ran(id, read, next)
            return next
          }, options),
        done
      ),
    modify: (f, options) =>
      recorded(
        { kind: "modify" },
        (id) =>
          agent.modify((state) => {
            const read = fingerprint(state)
            return Effect.tap(f(state), ([, next]) => Effect.sync(() => ran(id, read, next)))
          }, options),
        done
      )
  }
  return new Proxy(agent, {
    get: (target, name) => (name in members ? Reflect.get(members, name) : Reflect.get(target, name, target))
  })
}

/** A defect or an interrupt says nothing about what happened; every error but one says that nothing did. */
const failure = (cause: Cause.Cause<unknown>): Answer => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (error === undefined) return { kind: "open", error: Cause.hasInterruptsOnly(cause) ? "interrupted" : "a defect" }
  if (isStateError(error)) {
    if (error._tag === "WriteIndeterminate") return { kind: "open", error: error._tag }
    if (error._tag === "RevisionConflict") return { kind: "refused", error: error._tag, actual: error.actual }
  }
  return { kind: "refused", error: nameOf(error) }
}

const nameOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "its own error"
