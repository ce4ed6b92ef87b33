/** Random programs of transactions, and whether what came of them could have come of running them one after the other. */
import { type Family, Transactional } from "dgents"
import { SeededScheduler } from "dgents/testing"
import { Effect } from "effect"
import type { Counter } from "../support.ts"

type Op =
  | { readonly _tag: "Read" | "Delete"; readonly key: string }
  | { readonly _tag: "Add" | "Save"; readonly key: string; readonly n: number }
  | { readonly _tag: "Copy"; readonly key: string; readonly to: string }
  | { readonly _tag: "Inner"; readonly ops: ReadonlyArray<Op>; readonly fails: boolean }

export type Program = ReadonlyArray<Op>

/** What a program saw, and between which points of time it ran. */
interface Ran {
  readonly program: Program
  readonly saw: ReadonlyArray<number>
  readonly begun: number
  readonly ended: number
}

const keys = ["a", "b", "c"]

/** Some programs of a few operations each. */
export const programs = (seed: number): ReadonlyArray<Program> => {
  const random = SeededScheduler.random(seed)
  // Sound: none of what is picked from is empty.
  const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)] as A
  const ops = (depth: number): Program =>
    Array.from({ length: 1 + Math.floor(random() * 4) }, (): Op => {
      const [key, n] = [pick(keys), 1 + Math.floor(random() * 100)]
      const tag = pick(["Read", "Read", "Add", "Add", "Copy", "Save", "Delete", "Inner"] as const)
      if (tag === "Inner")
        return depth > 0 ? { _tag: tag, ops: ops(depth - 1), fails: random() < 0.5 } : { _tag: "Read", key }
      if (tag === "Copy") return { _tag: tag, key, to: pick(keys) }
      return tag === "Read" || tag === "Delete" ? { _tag: tag, key } : { _tag: tag, key, n }
    })
  return Array.from({ length: 2 + Math.floor(random() * 3) }, () => ops(1))
}

/** Runs it in a transaction of the family's; answers what it saw. */
const inTransaction = (family: Family.Family<Counter>, program: Program) => {
  const perform = (ops: Program, saw: Array<number>): Effect.Effect<void, unknown> =>
    Effect.forEach(
      ops,
      (op): Effect.Effect<unknown, unknown> => {
        switch (op._tag) {
          case "Read":
            return Effect.map(family.at(op.key).load, ({ n }) => saw.push(n))
          case "Delete":
            return family.at(op.key).delete
          case "Save":
            return family.at(op.key).save({ n: op.n })
          case "Add":
            return Effect.map(
              family.at(op.key).update(({ n }) => ({ n: n + op.n })),
              ({ n }) => saw.push(n)
            )
          case "Copy":
            return Effect.flatMap(family.at(op.key).load, (state) => family.at(op.to).save(state))
          case "Inner": {
            const inner = Effect.andThen(perform(op.ops, saw), op.fails ? Effect.fail("no") : Effect.void)
            return Effect.ignore(Transactional.run(inner))
          }
        }
      },
      { discard: true }
    )
  return Transactional.run(
    Effect.suspend(() => {
      const saw: Array<number> = []
      return Effect.as(perform(program, saw), saw)
    }),
    { retries: 1_000 }
  )
}

/** The same on a map. */
const onMap = (state: Map<string, number>, ops: Program): ReadonlyArray<number> => {
  const saw: Array<number> = []
  const at = (key: string) => state.get(key) ?? 0
  for (const op of ops)
    switch (op._tag) {
      case "Read":
        saw.push(at(op.key))
        break
      case "Delete":
        state.delete(op.key)
        break
      case "Save":
        state.set(op.key, op.n)
        break
      case "Copy":
        state.set(op.to, at(op.key))
        break
      case "Add":
        state.set(op.key, at(op.key) + op.n)
        saw.push(at(op.key))
        break
      case "Inner": {
        const inner = new Map(state)
        saw.push(...onMap(inner, op.ops))
        if (op.fails) break
        state.clear()
        for (const [key, n] of inner) state.set(key, n)
      }
    }
  return saw
}

/** Runs programs side by side, each with one of the families, and answers whether some order of them explains it all. */
export const check = (
  families: readonly [Family.Family<Counter>, ...ReadonlyArray<Family.Family<Counter>>],
  all: ReadonlyArray<Program>
) =>
  Effect.gen(function* () {
    let time = 0
    const ran = yield* Effect.forEach(
      all,
      (program, i) =>
        Effect.gen(function* () {
          const begun = time++
          const saw = yield* inTransaction(families[i % families.length] ?? families[0], program)
          return { program, saw, begun, ended: time++ }
        }),
      { concurrency: "unbounded" }
    )
    const left = yield* families[0].loadMany(keys)
    return explains(ran, new Map(), new Map([...left].map(([key, { n }]) => [key, n])))
  })

const explains = (
  ran: ReadonlyArray<Ran>,
  state: ReadonlyMap<string, number>,
  left: ReadonlyMap<string, number>
): boolean => {
  if (ran.length === 0) return keys.every((key) => (state.get(key) ?? 0) === (left.get(key) ?? 0))
  return ran.some((first) => {
    // Nobody comes before one that had ended when it began.
    if (ran.some(({ ended }) => ended < first.begun)) return false
    const next = new Map(state)
    const saw = onMap(next, first.program)
    const rest = ran.filter((one) => one !== first)
    return saw.length === first.saw.length && saw.every((n, i) => n === first.saw[i]) && explains(rest, next, left)
  })
}
