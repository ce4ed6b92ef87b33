import { Data, Effect, type Scope, Stream } from "effect"
import { survives } from "../../agents/Claims.ts"
import * as DataAgent from "../../agents/DataAgent.ts"
import * as Revision from "../../agents/Revision.ts"
import { type Answer, Broken, broken, type Case, type Opened } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { type Law, property } from "../internal/world.ts"
import { type Command, commands, showCommand } from "./commands.ts"
import { Model } from "./model.ts"

/** Random scripts of operations agree with a pure model, step by step. */
export const scripts: Law = {
  name: "scripts against a model",
  rule: "operations one after the other do what a pure model does: the last state saved is the one loaded; revisions grow with each commit and are never used again; history is newest first, tells what was current at a time, and goes with a delete; a conflict tells both revisions.",
  plan: (world) => {
    const withReopen = survives(world.claims.durability, "process")
    return property(world, {
      cases: Gen.script(commands(world.states, withReopen)),
      show: (script) => [...script.map(showCommand), "check all, delete, check all, save, check all"],
      holds: (script, run) =>
        Effect.gen(function* () {
          const player = new Player(run, yield* run.open)
          yield* player.learnInitial
          for (const command of script) {
            run.count("commands")
            yield* player.play(command)
          }
          yield* player.checkAll("at the end of the script")
          if (withReopen) {
            yield* player.play({ _tag: "Reopen" })
            yield* player.checkAll("after reopening")
          }
          // What a deletion leaves behind shows at once or with the next state.
          yield* player.play({ _tag: "Delete" })
          yield* player.checkAll("after the delete")
          yield* player.play({ _tag: "Save", state: run.world.pool[0] })
          yield* player.checkAll("after a save that follows a delete")
        })
    })
  }
}

class Oops extends Data.TaggedError("Oops")<{ readonly how: string }> {}

class Player<in out S> {
  readonly #run: Case<S>
  readonly #model: Model<S>
  #opened: Opened<S>
  #initial: Answer<S> | undefined

  constructor(run: Case<S>, opened: Opened<S>) {
    this.#run = run
    this.#opened = opened
    this.#model = new Model(run)
  }

  get #agent() {
    return this.#opened.agent
  }

  /** What an agent without a state loads, `StateNotFound` or its initial state, is what it must load ever after. */
  get learnInitial(): Effect.Effect<void, Broken> {
    return Effect.map(this.#run.attempt("load of a new agent", this.#agent.load), (answer) => {
      this.#initial = answer
    })
  }

  /** Every way of reading agrees with the model. */
  checkAll(when: string): Effect.Effect<void, Broken> {
    const said = Effect.gen({ self: this }, function* () {
      yield* this.#load
      yield* this.#model.matchCurrent(yield* this.#run.must("current", this.#agent.current))
      yield* this.#history({})
      for (const limit of [0, 1, 2]) yield* this.#history({ limit })
      for (const revision of this.#model.known.slice(-4)) {
        yield* this.#at(revision)
        yield* this.#history({ before: revision, limit: 2 })
      }
      yield* this.#asOf
    })
    return Effect.mapError(said, ({ evidence }) => new Broken({ evidence: `${when}: ${evidence}` }))
  }

  play(command: Command<S>): Effect.Effect<void, Broken, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const run = this.#run
      const agent = this.#agent
      const model = this.#model
      switch (command._tag) {
        case "Load":
          return yield* this.#load
        case "Current":
          return yield* model.matchCurrent(yield* run.must("current", agent.current))
        case "Exists": {
          const exists = yield* run.must("exists", DataAgent.exists(agent))
          const expected = model.current !== undefined
          if (exists !== expected) yield* broken(`exists is ${exists}, expected ${expected}`)
          return
        }
        case "Delete":
          yield* run.must("delete", agent.delete)
          return model.delete()
        case "Reopen":
          yield* this.#opened.close
          this.#opened = yield* run.open
          return
        case "Save":
          if (yield* run.save("save", agent.save(command.state))) model.commit(command.state)
          return
        case "Update":
          return yield* this.#update(command.state)
        case "Modify":
          return yield* this.#modify(command.state, command.end)
        case "CompareAndSave":
          return yield* this.#compareAndSave(command)
        case "History": {
          const before = command.before === undefined ? undefined : model.seen(command.before)
          // Revisions that were not seen yet cannot be told to lie before another one.
          if (before !== undefined) yield* this.#history({})
          return yield* this.#history({ limit: command.limit, before })
        }
        case "At":
          return yield* this.#at(model.seen(command.n) ?? model.future)
        case "Restore":
          return yield* this.#restore(model.seen(command.n) ?? model.future)
      }
    })
  }

  get #load() {
    return Effect.flatMap(this.#run.attempt("load", this.#agent.load), (answer) => this.#matchLoad("load", answer))
  }

  #matchLoad(what: string, answer: Answer<S>): Effect.Effect<void, Broken> {
    const current = this.#model.current
    const expected: Answer<S> | undefined = current === undefined ? this.#initial : { ok: true, value: current.state }
    if (answer.ok && expected?.ok === true) return this.#run.same(what, expected.value, answer.value)
    if (answer.ok) return broken(`${what} answered a state though nothing is stored`)
    if (answer.error._tag === "StateNotFound")
      return expected?.ok === false
        ? Effect.void
        : broken(
            `${what} found no state, though ${current === undefined ? "there is an initial one" : "a save was acknowledged"}`
          )
    return broken(`${what} failed: ${String(answer.error)}`)
  }

  #history(options: Revision.HistoryOptions) {
    return Effect.flatMap(this.#run.must("history", Stream.runCollect(this.#agent.history(options))), (shown) =>
      this.#model.matchHistory(`history(${JSON.stringify(options)})`, shown, options)
    )
  }

  /** Whether there is a state to work on: one that is stored, or an initial one. */
  get #hasState(): boolean {
    return this.#model.current !== undefined || this.#initial?.ok === true
  }

  #missing(what: string, answer: Answer<unknown>): Effect.Effect<void, Broken> {
    if (!answer.ok && answer.error._tag === "StateNotFound") return Effect.void
    return broken(`${what} without a state must fail with StateNotFound`)
  }

  #update(state: S) {
    return Effect.gen({ self: this }, function* () {
      const seen: Array<S> = []
      const effect = this.#agent.update((current) => {
        seen.push(current)
        return state
      })
      if (!this.#hasState) return yield* this.#missing("update", yield* this.#run.attempt("update", effect))
      const saved = yield* this.#run.save("update", effect)
      for (const value of seen) yield* this.#matchLoad("what update was given", { ok: true, value })
      if (saved) this.#model.commit(state)
    })
  }

  #modify(state: S, end: "succeed" | "fail" | "die") {
    return Effect.gen({ self: this }, function* () {
      const seen: Array<S> = []
      const effect = this.#agent.modify((current) => {
        seen.push(current)
        if (end === "fail") return Effect.fail(new Oops({ how: end }))
        if (end === "die") return Effect.die(new Oops({ how: end }))
        return Effect.succeed(["answer", state] as const)
      })
      if (!this.#hasState) return yield* this.#missing("modify", yield* this.#run.attempt("modify", effect))
      if (end === "succeed") {
        const saved = yield* this.#run.save(
          "modify",
          Effect.filterOrFail(
            effect,
            (answer) => answer === "answer",
            () => "modify did not answer what its function did"
          )
        )
        if (saved) this.#model.commit(state)
      } else {
        const ended = yield* Effect.catchDefect(Effect.flip(effect), (defect) => Effect.succeed(defect)).pipe(
          Effect.orElseSucceed(() => undefined)
        )
        if (!(ended instanceof Oops && ended.how === end))
          return yield* broken(`modify whose function ended in "${end}" ended otherwise: ${String(ended)}`)
      }
      if (seen.length !== 1)
        return yield* broken(`modify ran its function ${seen.length} times though nobody interfered`)
      if (end !== "succeed")
        for (const value of seen) yield* this.#matchLoad("what modify was given", { ok: true, value })
    })
  }

  #compareAndSave(command: Command<S> & { readonly _tag: "CompareAndSave" }) {
    return Effect.gen({ self: this }, function* () {
      const run = this.#run
      const model = this.#model
      // Reading first is what a caller does, and it tells the model the revision that a conflict must report.
      yield* model.matchCurrent(yield* run.must("current", this.#agent.current))
      // A cache on the way of `load` is filled, so that what does not pass it by shows.
      yield* this.#load
      const actual = model.current?.revision ?? Revision.absent
      const expected = {
        current: actual,
        absent: Revision.absent,
        future: model.future,
        stale: model.seen(command.n) ?? model.future
      }[command.expected]
      const answer = yield* run.attempt("compareAndSave", this.#agent.compareAndSave(command.state, expected))
      if (answer.ok) {
        if (expected !== actual)
          return yield* broken(`compareAndSave expecting revision ${expected} succeeded though it was ${actual}`)
        yield* model.reveal(model.commit(command.state), answer.value)
        return yield* this.#load
      }
      const { error } = answer
      if (error._tag === "StateTooLarge") return run.count("refused as too large")
      if (error._tag !== "RevisionConflict" || expected === actual)
        return yield* broken(`compareAndSave expecting ${expected} at ${actual} failed: ${String(error)}`)
      if (error.actual !== actual || error.expected !== expected)
        return yield* broken(
          `the conflict says expected ${error.expected}, actual ${error.actual}; it was ${expected} and ${actual}`
        )
    })
  }

  #at(revision: Revision.Revision) {
    return Effect.gen({ self: this }, function* () {
      const answer = yield* this.#run.attempt("at", this.#agent.at(revision))
      yield* this.#matchAt(`at(${revision})`, revision, answer)
    })
  }

  /** A state that was current at a time is the newest of those that the history shows as saved by then. */
  get #asOf() {
    return Effect.gen({ self: this }, function* () {
      const shown = yield* this.#run.must("history", Stream.runCollect(this.#agent.history({ limit: 4 })))
      for (const { savedAt } of shown) {
        const what = "at(the time of a save)"
        const answer = yield* this.#run.attempt(what, this.#agent.at(new Date(savedAt)))
        const expected = shown.find((entry) => entry.savedAt <= savedAt)?.revision
        if (!answer.ok || answer.value.revision !== expected)
          yield* broken(
            `${what} answered ${answer.ok ? `revision ${answer.value.revision}` : String(answer.error)}, expected revision ${expected}`
          )
      }
      const early = yield* this.#run.attempt("at(1970)", this.#agent.at(new Date(0)))
      if (early.ok)
        yield* broken(`at(1970) answered revision ${early.value.revision}, though nothing was saved by then`)
      else if (early.error._tag !== "StateNotFound") yield* broken(`at(1970) failed: ${String(early.error)}`)
    })
  }

  #matchAt(
    what: string,
    revision: Revision.Revision,
    answer: Answer<Revision.Revisioned<S>>
  ): Effect.Effect<void, Broken> {
    const found = this.#model.find(revision)
    if (answer.ok)
      return found === undefined
        ? broken(`${what} answered a state that must not be kept`)
        : this.#model.match(what, found.commit, answer.value)
    if (answer.error._tag === "StateNotFound" && found?.certain !== true) return Effect.void
    return broken(`${what} failed: ${String(answer.error)}`)
  }

  #restore(revision: Revision.Revision) {
    return Effect.gen({ self: this }, function* () {
      const found = this.#model.find(revision)
      const what = `restore(${revision})`
      const answer = yield* this.#run.attempt(what, DataAgent.restore(this.#agent, revision))
      if (!answer.ok) {
        if (answer.error._tag === "StateNotFound" && found?.certain !== true) return
        return yield* broken(`${what} failed: ${String(answer.error)}`)
      }
      if (found === undefined) return yield* broken(`${what} succeeded on a state that must not be kept`)
      yield* this.#run.same(what, found.commit.state, answer.value)
      this.#model.commit(found.commit.state)
    })
  }
}
