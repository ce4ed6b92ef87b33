import * as Gen from "../internal/gen.ts"
import { show } from "../internal/same.ts"

/** One step of a script. Numbers point into what is known when the step is taken, so that any subset still makes sense. */
export type Command<S> =
  | { readonly _tag: "Load" | "Current" | "Exists" | "Delete" | "Reopen" }
  | { readonly _tag: "Save" | "Update"; readonly state: S }
  | { readonly _tag: "Modify"; readonly state: S; readonly end: "succeed" | "fail" | "die" }
  | {
      readonly _tag: "CompareAndSave"
      readonly state: S
      readonly expected: "current" | "absent" | "future" | "stale"
      readonly n: number
    }
  | { readonly _tag: "History"; readonly limit: number | undefined; readonly before: number | undefined }
  | { readonly _tag: "At" | "Restore"; readonly n: number }

/** Steps over the given states; `Reopen` among them where the state outlives the agent. */
export const commands = <S>(states: Gen.Gen<S>, withReopen: boolean): Gen.Gen<Command<S>> => {
  const n = Gen.int(0, 7)
  const simple = (_tag: "Load" | "Current" | "Exists" | "Delete" | "Reopen") => Gen.always<Command<S>>({ _tag })
  const tagged = (tags: readonly ["Save", "Update"]): Gen.Gen<Command<S>> =>
    Gen.record({ _tag: Gen.pick(tags), state: states })
  const save = tagged(["Save", "Update"])
  const modify: Gen.Gen<Command<S>> = Gen.record({
    _tag: Gen.always("Modify" as const),
    state: states,
    end: Gen.pick(["succeed", "succeed", "fail", "die"])
  })
  const compareAndSave: Gen.Gen<Command<S>> = Gen.record({
    _tag: Gen.always("CompareAndSave" as const),
    state: states,
    expected: Gen.pick(["current", "absent", "future", "stale"]),
    n
  })
  const history: Gen.Gen<Command<S>> = Gen.record({
    _tag: Gen.always("History" as const),
    limit: Gen.pick([undefined, 0, 1, 2, 3, 100]),
    before: Gen.pick([undefined, undefined, 0, 1, 2, 3])
  })
  const atRestore: Gen.Gen<Command<S>> = Gen.record({ _tag: Gen.pick(["At", "Restore"] as const), n })
  return Gen.oneOf([
    simple("Load"),
    simple("Current"),
    simple("Exists"),
    save,
    save,
    modify,
    compareAndSave,
    history,
    atRestore,
    simple("Delete"),
    simple(withReopen ? "Reopen" : "Load")
  ])
}

const seen = (n: number): string => `the revision that was seen ${n === 0 ? "last" : `${n} before the last`}`

const expecting = {
  current: () => "the current revision",
  absent: () => "that nothing is stored",
  future: () => "a revision that was never given out",
  stale: seen
}

/** A command as one line. */
export const showCommand = <S>(command: Command<S>): string => {
  switch (command._tag) {
    case "Save":
    case "Update":
      return `${command._tag.toLowerCase()} ${show(command.state)}`
    case "Modify":
      return `modify to ${show(command.state)}, then ${command.end}`
    case "CompareAndSave":
      return `compareAndSave ${show(command.state)}, expecting ${expecting[command.expected](command.n)}`
    case "History":
      return `history${command.limit === undefined ? "" : `, at most ${command.limit}`}${command.before === undefined ? "" : `, before ${seen(command.before)}`}`
    case "At":
    case "Restore":
      return `${command._tag.toLowerCase()} ${seen(command.n)}`
    default:
      return command._tag.toLowerCase()
  }
}
