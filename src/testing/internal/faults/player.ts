import { Effect, Exit, FileSystem, Option, Scope, Stream } from "effect"
import type { DataAgent } from "../../../agents/DataAgent.ts"
import { absent, type Revisioned } from "../../../agents/Revision.ts"
import type { StateError } from "../../../agents/StateError.ts"
import type * as Site from "../../Site.ts"
import { type Answer, type Broken, broken, type Case, type Opened } from "../case.ts"
import * as Gen from "../gen.ts"
import { show } from "../same.ts"
import type { Injector } from "./injector.ts"
import { Knowledge } from "./knowledge.ts"
import type { Step } from "./steps.ts"

/** What is opened, and what makes it fail. */
export interface Rig<in out S> {
  readonly faults: Injector
  readonly open: Effect.Effect<DataAgent<S>, unknown, Scope.Scope>
}

/** An agent of files over a disk that fails. */
export const onDisk = <S>(run: Case<S>, site: Site.Site, faults: Injector, fs: FileSystem.FileSystem): Rig<S> => ({
  faults,
  open: Effect.provideService(run.world.subject.open(site), FileSystem.FileSystem, fs)
})

/** Takes steps on an agent whose storage fails, and holds what it answers against what it answered before. */
export class Player<in out S> {
  readonly knowledge: Knowledge<S>
  readonly #run: Case<S>
  readonly #rig: Rig<S>
  readonly #indices: ReadonlyMap<string, number>
  #opened: Opened<S> | undefined
  /** How many writes were not acknowledged. */
  #unanswered = 0

  constructor(run: Case<S>, rig: Rig<S>) {
    this.#run = run
    this.#rig = rig
    this.knowledge = new Knowledge(run)
    this.#indices = new Map(run.world.pool.map((state, i) => [run.world.same.key(state), i]))
  }

  /** The state that `update` and `modify` make of a state. */
  next(state: S): S {
    return Gen.nth(this.#run.world.pool, (this.#indices.get(this.#run.world.same.key(state)) ?? -1) + 1)
  }

  /** Opens the agent; whether it opened. Unless a fault struck, it must. */
  get open(): Effect.Effect<boolean, Broken, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
      const close = this.#run.must("close", Scope.close(scope, Exit.void))
      const answer = yield* this.#attempt("open", Effect.provideService(this.#rig.open, Scope.Scope, scope))
      if (answer.ok) {
        this.#opened = { agent: answer.value, close }
        return true
      }
      yield* close
      if (answer.error._tag !== "StorageUnavailable") yield* this.#wrong("open", answer.error)
      return false
    })
  }

  get close(): Effect.Effect<void, Broken> {
    return Effect.suspend(() => {
      const opened = this.#opened
      this.#opened = undefined
      return opened?.close ?? Effect.void
    })
  }

  play(step: Step<S>): Effect.Effect<void, Broken, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      if (step._tag === "reopen") {
        yield* this.close
        if (yield* this.open) return
        this.#rig.faults.lift()
        yield* this.open
        return
      }
      const agent = this.#opened?.agent
      if (agent === undefined) return yield* broken("the agent is not open")
      switch (step._tag) {
        case "save":
          return yield* this.#wrote(Option.some(step.state), yield* this.#write("save", agent.save(step.state)), agent)
        case "delete":
          return yield* this.#wrote(Option.none(), yield* this.#write("delete", agent.delete), agent)
        case "update":
        case "modify":
          return yield* this.#change(step._tag, agent)
        case "compareAndSave":
          return yield* this.#compareAndSave(step.state, agent)
        case "load":
          yield* this.look("current", agent)
          return yield* this.#load(agent)
        case "history":
          return yield* this.#history(agent)
      }
    })
  }

  /** When nothing goes wrong any more: the state is one that may be stored, and everything works, also after reopening. */
  recover(withReopen: boolean): Effect.Effect<void, Broken, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      this.#rig.faults.lift()
      const { pool } = this.#run.world
      yield* this.play({ _tag: "load" })
      yield* this.play({ _tag: "history" })
      if (withReopen) {
        yield* this.play({ _tag: "reopen" })
        yield* this.play({ _tag: "load" })
        yield* this.play({ _tag: "history" })
      }
      for (const state of [Gen.nth(pool, 1), pool[0]]) {
        yield* this.play({ _tag: "save", state })
        yield* this.play({ _tag: "load" })
      }
      yield* this.play({ _tag: "update" })
      yield* this.play({ _tag: "history" })
    })
  }

  /** What is stored, with its revision, if that can be read. */
  look(what: string, agent: DataAgent<S>): Effect.Effect<Answer<Option.Option<Revisioned<S>>>, Broken> {
    return Effect.gen({ self: this }, function* () {
      const answer = yield* this.#read(what, agent.current)
      if (!answer.ok) return answer
      yield* this.knowledge.sawCurrent(what, answer.value)
      const stored = this.#rig.faults.stored
      if (stored === undefined) return answer
      const shown = Option.getOrUndefined(answer.value)?.revision
      const actual = Option.getOrUndefined(yield* this.#run.must("what is stored below", stored))?.revision
      if (shown !== actual)
        yield* broken(`${what}: shows ${revisionText(shown)} while ${revisionText(actual)} is stored below`)
      return answer
    })
  }

  #load(agent: DataAgent<S>): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      // Of an agent without a state, `load` answers its initial one or none.
      if (this.knowledge.mayBeAbsent) return
      const answer = yield* this.#read("load", agent.load)
      if (answer.ok) yield* this.knowledge.saw("load", Option.some(answer.value))
    })
  }

  #history(agent: DataAgent<S>): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const answer = yield* this.#read("history", Stream.runCollect(agent.history()))
      if (answer.ok) yield* this.knowledge.sawHistory("history", answer.value)
    })
  }

  #change(how: "update" | "modify", agent: DataAgent<S>): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const seen: Array<S> = []
      const next = (state: S) => {
        seen.push(state)
        return this.next(state)
      }
      const hadNone = this.knowledge.mayBeAbsent
      const answer = yield* this.#attempt<unknown>(
        how,
        how === "update" ? agent.update(next) : agent.modify((state) => Effect.sync(() => [0, next(state)] as const))
      )
      // With an initial state there is no telling what was there.
      for (const [i, state] of seen.entries()) {
        if (hadNone) continue
        const what = i === 0 ? `the state that ${how} was given` : `the state that ${how} was given when it ran again`
        yield* this.knowledge.saw(what, Option.some(state))
      }
      const last = seen.at(-1)
      if (last === undefined) {
        if (answer.ok) return yield* broken(`${how} succeeded without running its function`)
        if (answer.error._tag === "StateNotFound" && hadNone) return
        if (answer.error._tag !== "StorageUnavailable") return yield* this.#wrong(how, answer.error)
        return
      }
      yield* this.#wrote(Option.some(this.next(last)), yield* this.#honest(how, answer), agent)
    })
  }

  #compareAndSave(state: S, agent: DataAgent<S>): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const current = yield* this.look("current", agent)
      if (!current.ok) return
      const expected = Option.isSome(current.value) ? current.value.value.revision : absent
      const outcome = yield* this.#write("compareAndSave", agent.compareAndSave(state, expected))
      yield* this.#wrote(Option.some(state), outcome, agent)
    })
  }

  #wrote(next: Option.Option<S>, outcome: "yes" | "no" | "perhaps", agent: DataAgent<S>): Effect.Effect<void, Broken> {
    this.#run.count(outcome === "yes" ? "acknowledged" : outcome === "no" ? "failed" : "indeterminate")
    if (outcome === "yes") this.knowledge.acknowledged(next)
    if (outcome === "perhaps") this.knowledge.indeterminate(next)
    // What a failure leaves shows at once if at all, and not always: a look may hide what would show without one.
    if (outcome === "yes" || this.#unanswered++ % 2 === 1) return Effect.void
    return Effect.andThen(this.look("current", agent), this.#load(agent))
  }

  #write(what: string, effect: Effect.Effect<unknown, unknown>): Effect.Effect<"yes" | "no" | "perhaps", Broken> {
    return Effect.flatMap(this.#attempt(what, effect), (answer) => this.#honest(what, answer))
  }

  /** Whether a write happened, by its answer. */
  #honest(what: string, answer: Answer<unknown>): Effect.Effect<"yes" | "no" | "perhaps", Broken> {
    if (answer.ok) {
      this.knowledge.answered(what, "was acknowledged")
      return Effect.succeed("yes")
    }
    switch (answer.error._tag) {
      case "StorageUnavailable":
      case "StateTooLarge":
        this.knowledge.answered(
          what,
          `failed with ${answer.error._tag}, which says that it did not happen; if that cannot be known, it is WriteIndeterminate`
        )
        return Effect.succeed("no")
      case "WriteIndeterminate":
        this.knowledge.answered(what, "was indeterminate")
        return Effect.succeed("perhaps")
      default:
        return this.#wrong(what, answer.error)
    }
  }

  /** A read, which may fail with `StorageUnavailable` while something goes wrong. */
  #read<A>(what: string, effect: Effect.Effect<A, unknown>): Effect.Effect<Answer<A>, Broken> {
    return Effect.flatMap(this.#attempt(what, effect), (answer) =>
      answer.ok || answer.error._tag === "StorageUnavailable" ? Effect.succeed(answer) : this.#wrong(what, answer.error)
    )
  }

  /** Without a fault that struck, there is nothing to fail with. */
  #attempt<A>(what: string, effect: Effect.Effect<A, unknown>): Effect.Effect<Answer<A>, Broken> {
    return Effect.suspend(() => {
      const { faults } = this.#rig
      const struck = faults.struck
      return Effect.flatMap(this.#run.attempt(what, effect), (answer) => {
        if (answer.ok || faults.struck > struck || answer.error._tag === "StateTooLarge") return Effect.succeed(answer)
        if (answer.error._tag === "StateNotFound" && this.knowledge.mayBeAbsent) return Effect.succeed(answer)
        return broken(
          `${what} failed though nothing went wrong in it (the last fault was: ${faults.last}): ${String(answer.error)}`
        )
      })
    })
  }

  #wrong(what: string, error: StateError): Effect.Effect<never, Broken> {
    return broken(`${what} failed with ${error._tag}, which is not what went wrong: ${show(error.message)}`)
  }
}

const revisionText = (revision: number | undefined) => (revision === undefined ? "no state" : `revision ${revision}`)
