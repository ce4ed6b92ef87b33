import { Effect, Option, type Scope, Stream } from "effect"
import { survives } from "../../agents/Claims.ts"
import type { Family } from "../../agents/Family.ts"
import { type Answer, type Broken, broken, type Case } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { show } from "../internal/same.ts"
import { type Law, property, skip, type World } from "../internal/world.ts"
import { hostileKeys } from "./hostileKeys.ts"

type Step<S> =
  | { readonly _tag: "Save" | "Update"; readonly key: string; readonly state: S }
  | { readonly _tag: "Load" | "Has" | "Delete" | "Keys" | "History"; readonly key: string }
  | { readonly _tag: "SaveMany"; readonly keys: ReadonlyArray<string>; readonly state: S; readonly other: S }
  | { readonly _tag: "LoadMany" | "DeleteMany"; readonly keys: ReadonlyArray<string> }

const key = Gen.pick(hostileKeys)
const keys = Gen.array(key, { maxLength: 5 })

const steps = <S>(states: Gen.Gen<S>): Gen.Gen<Step<S>> => {
  const one: Gen.Gen<Step<S>> = Gen.record({ _tag: Gen.pick(["Load", "Has", "Keys", "History", "Delete"]), key })
  const write: Gen.Gen<Step<S>> = Gen.record({ _tag: Gen.pick(["Save", "Update"]), key, state: states })
  const many: Gen.Gen<Step<S>> = Gen.record({ _tag: Gen.pick(["LoadMany", "DeleteMany"]), keys })
  const tag = Gen.always("SaveMany" as const)
  const saveMany: Gen.Gen<Step<S>> = Gen.record({ _tag: tag, keys, state: states, other: states })
  return Gen.oneOf([one, write, write, many, saveMany])
}

const showStep = <S>(step: Step<S>): string => {
  switch (step._tag) {
    case "Save":
    case "Update":
      return `at(${show(step.key)}).${step._tag.toLowerCase()} ${show(step.state)}`
    case "SaveMany":
      return `saveMany ${show(step.keys)}, ${show(step.state)} and ${show(step.other)} by turns`
    case "LoadMany":
    case "DeleteMany":
      return `${step._tag} ${show(step.keys)}`
    default:
      return `${step._tag.toLowerCase()} ${show(step.key)}`
  }
}

const get = <S>(states: ReadonlyMap<string, S>, key: string): Option.Option<S> =>
  // Looked up by `has`, since undefined may be a state.
  states.has(key) ? Option.some(states.get(key) as S) : Option.none()

/** What a family must answer: a map from keys to states. */
class Player<in out S> {
  readonly #run: Case<S>
  readonly #initial: Answer<S>
  readonly #states = new Map<string, S>()
  family: Family<S>

  constructor(run: Case<S>, family: Family<S>, initial: Answer<S>) {
    this.#run = run
    this.family = family
    this.#initial = initial
  }

  play(step: Step<S>): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const run = this.#run
      const { family } = this
      const states = this.#states
      switch (step._tag) {
        case "Save":
          yield* run.must("save", family.at(step.key).save(step.state))
          states.set(step.key, step.state)
          return
        case "Update": {
          const answer = yield* run.attempt(
            "update",
            family.at(step.key).update(() => step.state)
          )
          if (answer.ok) states.set(step.key, step.state)
          else if (Option.isSome(this.#expected(step.key)) || answer.error._tag !== "StateNotFound")
            yield* broken(`update of ${show(step.key)} failed: ${String(answer.error)}`)
          return
        }
        case "Delete":
          yield* run.must("delete", family.at(step.key).delete)
          return void states.delete(step.key)
        case "Load":
          return yield* this.checkKey(step.key)
        case "Has": {
          const has = yield* run.must("has", family.has(step.key))
          if (has !== states.has(step.key)) yield* broken(`has(${show(step.key)}) is ${has}`)
          return
        }
        case "History": {
          const history = yield* run.must("history", Stream.runCollect(family.at(step.key).history()))
          const newest = Option.fromUndefinedOr(history[0])
          const expected = get(states, step.key)
          if (Option.isSome(newest) && Option.isSome(expected))
            return yield* run.same(`newest history entry of ${show(step.key)}`, expected.value, newest.value.state)
          if (Option.isSome(newest) || Option.isSome(expected))
            yield* broken(`the history of ${show(step.key)} has ${history.length} entries`)
          return
        }
        case "Keys":
          return yield* this.checkKeys(step.key)
        case "LoadMany": {
          const loaded = yield* run.must("loadMany", family.loadMany(step.keys))
          for (const key of step.keys) yield* this.#match(`loadMany, key ${show(key)}`, key, get(loaded, key))
          const surplus = [...loaded.keys()].find((key) => !step.keys.includes(key))
          if (surplus !== undefined) yield* broken(`loadMany answered ${show(surplus)}, which was not asked for`)
          return
        }
        case "SaveMany": {
          const entries = step.keys.map((key, i) => [key, i % 2 === 0 ? step.state : step.other] as const)
          yield* run.must("saveMany", family.saveMany(entries))
          for (const [key, state] of entries) states.set(key, state)
          return
        }
        case "DeleteMany":
          yield* run.must("deleteMany", family.deleteMany(step.keys))
          for (const key of step.keys) states.delete(key)
          return
      }
    })
  }

  #expected(key: string): Option.Option<S> {
    return Option.orElse(get(this.#states, key), () =>
      this.#initial.ok ? Option.some(this.#initial.value) : Option.none()
    )
  }

  #match(what: string, key: string, actual: Option.Option<S>): Effect.Effect<void, Broken> {
    const expected = this.#expected(key)
    if (Option.isSome(expected) && Option.isSome(actual)) return this.#run.same(what, expected.value, actual.value)
    if (Option.isNone(expected) && Option.isNone(actual)) return Effect.void
    return broken(`${what}: ${Option.isSome(actual) ? "a state where none is stored" : "no state where one is stored"}`)
  }

  checkKey(key: string): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const answer = yield* this.#run.attempt("load", this.family.at(key).load)
      if (!answer.ok && answer.error._tag !== "StateNotFound")
        return yield* broken(`load of ${show(key)} failed: ${String(answer.error)}`)
      yield* this.#match(`load of ${show(key)}`, key, answer.ok ? Option.some(answer.value) : Option.none())
    })
  }

  checkKeys(prefix: string): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const listed = yield* this.#run.must("keys", Stream.runCollect(this.family.keys({ prefix })))
      const expected = [...this.#states.keys()].filter((key) => key.startsWith(prefix))
      const missing = expected.find((key) => !listed.includes(key))
      const surplus = listed.find((key, i) => !expected.includes(key) || listed.indexOf(key) !== i)
      if (missing !== undefined) yield* broken(`keys({ prefix: ${show(prefix)} }) misses ${show(missing)}`)
      if (surplus !== undefined)
        yield* broken(`keys({ prefix: ${show(prefix)} }) has ${show(surplus)}, which is not to be there or twice`)
    })
  }

  /** Every way of reading agrees with the map. */
  get checkAll(): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const keys = this.keys
      yield* this.checkKeys("")
      for (const key of keys) yield* this.checkKey(key)
      yield* this.play({ _tag: "LoadMany", keys: [...keys, "never saved", ...keys] })
    })
  }

  get deleteAll(): Effect.Effect<void, Broken> {
    return Effect.andThen(
      this.play({ _tag: "DeleteMany", keys: ["never saved", ...this.keys] }),
      Effect.suspend(() => this.checkAll)
    )
  }

  get keys(): ReadonlyArray<string> {
    return [...this.#states.keys()]
  }
}

const noFamily = skip("the subject has no family")

const open = <S>(world: World<S>, run: Case<S>): Effect.Effect<Family<S>, Broken, Scope.Scope> =>
  world.subject.family === undefined
    ? broken("no family")
    : run.must("open the family", run.onDisk(world.subject.family(run.site)))

/** Scripts of single and batch operations on hostile keys agree with a map. */
export const familyScripts: Law = {
  name: "family scripts against a model",
  rule: "a family is a map from keys to states: batches do what the single operations do, and `keys` lists just those that have a state.",
  plan: (world) =>
    world.subject.family === undefined
      ? noFamily
      : property(world, {
          cases: Gen.script(steps(world.pooled)),
          show: (script) => [...script.map(showStep), "check all, delete all, check all"],
          holds: (script, run) =>
            Effect.gen(function* () {
              const durable = survives(world.claims.durability, "process")
              const player = yield* Effect.scoped(
                Effect.gen(function* () {
                  const family = yield* open(world, run)
                  const initial = yield* run.attempt("load", family.at("never saved").load)
                  const player = new Player(run, family, initial)
                  for (const step of script) {
                    run.count("commands")
                    yield* player.play(step)
                  }
                  yield* player.checkAll
                  if (!durable) yield* player.deleteAll
                  return player
                })
              )
              if (!durable) return
              player.family = yield* open(world, run)
              yield* player.checkAll
              yield* player.deleteAll
            })
        })
}

/** Every hostile key has a state of its own, which no write to another one touches; `keys` lists exactly what is asked. */
export const familyKeys: Law = {
  name: "hostile keys stay apart",
  rule: "any string is a key, and no two are one: keys are opaque data in paths, patterns and queries. Escape or hash them; do not replace characters.",
  plan: (world) =>
    world.subject.family === undefined
      ? noFamily
      : property(world, {
          cases: Gen.record<{ readonly first: number; readonly removed: number }>({
            first: Gen.int(0, 1_000),
            removed: Gen.int(0, hostileKeys.length - 1)
          }),
          show: ({ removed }) => [
            "save a state under each hostile key",
            `delete ${show(hostileKeys[removed])}`,
            "load all"
          ],
          atMost: world.settings.budget === "quick" ? 1 : 50,
          holds: ({ first, removed }, run) =>
            Effect.gen(function* () {
              const family = yield* open(world, run)
              const player = new Player(run, family, yield* run.attempt("load", family.at("never saved").load))
              for (const [i, key] of hostileKeys.entries()) {
                const state = Gen.nth(world.pool, first + i)
                yield* player.play({ _tag: "Save", key, state })
              }
              yield* player.play({ _tag: "Delete", key: hostileKeys[removed] ?? "" })
              run.count("keys", hostileKeys.length)
              for (const key of hostileKeys) yield* player.checkKey(key)
              for (const prefix of ["", "a", "a_", "a%", "_", "%", "*", "a:", "{", "../", "k", "é", "e", "nothing"])
                yield* player.checkKeys(prefix)
              const illFormed = "a\ud800"
              const answer = yield* run.attempt("save under a lone surrogate", family.at(illFormed).save(world.pool[0]))
              if (answer.ok || answer.error._tag !== "StateInvalid")
                yield* broken(`a key with a lone surrogate must be refused with StateInvalid: ${show(answer)}`)
              yield* player.checkKeys("")
            })
        })
}
