import { Codec, DataAgent, Register, Revision } from "dgents"
import { Effect, Option, Schema } from "effect"

export const Counter = Schema.Struct({ n: Schema.Number })
export type Counter = typeof Counter.Type

/** A codec that counts its work. */
export const countingCodec = <S>(schema: Schema.Codec<S, unknown>) => {
  const json = Codec.json(schema)
  const count = { encodings: 0, decodings: 0 }
  const codec: Codec.Codec<S> = {
    ...json,
    encode: (state) =>
      Effect.suspend(() => {
        count.encodings++
        return json.encode(state)
      }),
    decode: (payload) =>
      Effect.suspend(() => {
        count.decodings++
        return json.decode(payload)
      })
  }
  return { codec, count }
}

/** A backend in memory that counts its work, and runs `onRead` and `onWrite` before and after it, say to wait or to fail. */
export const backend = <S>(options: {
  readonly schema: Schema.Codec<S, unknown> | Codec.Codec<S>
  readonly initial?: S
  readonly changes?: Register.Register["changes"]
}) => {
  const count = { reads: 0, writes: 0 }
  const hooks: {
    beforeRead: Effect.Effect<void>
    afterRead: Effect.Effect<void>
    beforeWrite: Effect.Effect<void>
    afterWrite: ReturnType<Register.Register["write"]> | undefined
  } = { beforeRead: Effect.void, afterRead: Effect.void, beforeWrite: Effect.void, afterWrite: undefined }
  let entry: Register.Entry | undefined
  let last = 0
  const register: Register.Register = {
    read: Effect.gen(function* () {
      count.reads++
      yield* hooks.beforeRead
      const found = Option.fromUndefinedOr(entry)
      yield* hooks.afterRead
      return found
    }),
    write: (next, expected) =>
      Effect.gen(function* () {
        count.writes++
        yield* hooks.beforeWrite
        yield* Register.check({ agent: "backend" }, expected, entry?.revision ?? Revision.absent)
        const revision = Revision.make(++last)
        entry = { ...next, revision }
        return hooks.afterWrite === undefined ? revision : yield* hooks.afterWrite
      }),
    remove: Effect.sync(() => {
      const removed = Option.fromUndefinedOr(entry?.revision)
      entry = undefined
      return removed
    }),
    changes: options.changes
  }
  const agent = DataAgent.fromRegister({
    name: "backend",
    schema: options.schema,
    initial: options.initial,
    register,
    claims: { durability: "power", consistency: "linearizable", sharing: "network", history: "none" }
  })
  /** A commit by another process: past the agent, and announced by nobody. */
  const commitElsewhere = (state: Codec.Payload) =>
    Effect.sync(() => {
      entry = { state, savedAt: 0, revision: Revision.make(++last) }
      return entry
    })
  return { agent, count, hooks, commitElsewhere }
}
