// A backend of your own is a register: read, write if the revision is still the expected one, remove. This one is a plain
// Map behind an artificial delay; schema, atomic modify, changes and the rest are derived, and the laws check all of it.
import { DataAgent, Register, Revision, VolatileAgent } from "dgents"
import { Laws, Report } from "dgents/testing"
import { Console, Effect, Exit, Option, Schema } from "effect"

const makeSlowAgent = <S>(options: DataAgent.Options<S>) => {
  const pause = Effect.sleep("1 millis")
  let entry: Register.Entry | undefined
  let last = 0 // survives a delete: revision numbers are never used again
  const register: Register.Register = {
    read: Effect.map(pause, () => Option.fromUndefinedOr(entry)),
    write: (next, expected) =>
      Effect.flatMap(pause, () =>
        Exit.map(Register.check({ agent: options.name }, expected, entry?.revision ?? Revision.absent), () => {
          entry = { ...next, revision: Revision.make(++last) }
          return entry.revision
        })
      ),
    remove: Effect.sync(() => {
      const removed = Option.fromUndefinedOr(entry?.revision)
      entry = undefined
      return removed
    })
  }
  return DataAgent.fromRegister({ ...options, register, claims: VolatileAgent.claims() })
}

const Counter = Schema.Struct({ count: Schema.Int })

export const program = Laws.check({
  name: "slow agent",
  schema: Counter,
  open: () => makeSlowAgent({ name: "slow", schema: Counter })
}).pipe(Effect.flatMap((report) => Console.log(Report.format(report))))

if (import.meta.main) await Effect.runPromise(program)
