import { Effect, Option, Stream } from "effect"
import type { StateRegister, Where } from "../../../agents/internal/stateRegister.ts"
import type { Entry, Register, Store } from "../../../agents/Register.ts"
import { type ReadError, StorageUnavailable, WriteIndeterminate } from "../../../agents/StateError.ts"
import { damagePayload } from "./damage.ts"
import type { Injector, Operation } from "./injector.ts"
import type { Fault } from "./plan.ts"

const reasons: Partial<Record<Fault["does"], string>> = {
  refuse: "the request was refused (injected fault)",
  loseRequest: "the request was lost (injected fault)",
  loseReply: "the reply was lost (injected fault)"
}

const unavailable = (where: Where, operation: string, fault: Fault): StorageUnavailable =>
  new StorageUnavailable({ ...where, operation, reason: reasons[fault.does] ?? fault.does, retryable: true })

/** A write that was refused did not happen; whether one happened that nobody answered, nobody can tell. */
const unwritten = (where: Where, operation: string, fault: Fault): StorageUnavailable | WriteIndeterminate =>
  fault.does === "refuse"
    ? unavailable(where, operation, fault)
    : new WriteIndeterminate({ ...where, reason: reasons[fault.does] ?? fault.does })

/** The parts of a register that do not depend on what it stores. */
class Struck {
  readonly #injector: Injector
  readonly #where: Where

  constructor(injector: Injector, where: Where) {
    this.#injector = injector
    this.#where = where
  }

  reading<A, R>(
    name: string,
    below: () => Effect.Effect<A, ReadError, R>,
    damage?: Operation<A, ReadError, R>["damage"]
  ): Effect.Effect<A, ReadError, R> {
    const failure = (fault: Fault) => unavailable(this.#where, name, fault)
    const run = Effect.suspend(below)
    return this.#injector.run({ name, target: this.#where.key, run, failure, damage })
  }

  writing<A, E, R>(
    name: string,
    below: () => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StorageUnavailable | WriteIndeterminate, R> {
    const failure = (fault: Fault) => unwritten(this.#where, name, fault)
    return this.#injector.run<A, E | StorageUnavailable | WriteIndeterminate, R>({
      name,
      target: this.#where.key,
      run: Effect.suspend(below),
      failure
    })
  }

  /** A stream fails, hangs or is late when it begins. */
  streaming<A>(name: string, stream: () => Stream.Stream<A, ReadError>): Stream.Stream<A, ReadError> {
    return Stream.unwrap(this.reading(name, () => Effect.sync(stream)))
  }
}

const damageEntry = (found: Option.Option<Entry>, fault: Fault, where: number): Option.Option<Entry> =>
  Option.map(found, (entry) => ({ ...entry, state: damagePayload(entry.state, fault, where) }))

/** A register of payloads whose operations are struck: `read`, `write`, `remove`, `history`, `at`, `asOf`, `changes`. */
export const faultyRegister = (below: Register, injector: Injector, where: Where): Register => {
  const struck = new Struck(injector, where)
  const { asOf, at, history } = below
  return {
    place: below.place,
    read: struck.reading("read", () => below.read, damageEntry),
    write: (next, expected) => struck.writing("write", () => below.write(next, expected)),
    remove: struck.writing("remove", () => below.remove),
    ...(history === undefined
      ? {}
      : { history: (options) => struck.streaming("history", () => history.call(below, options)) }),
    ...(at === undefined
      ? {}
      : { at: (revision) => struck.reading("at", () => at.call(below, revision), damageEntry) }),
    ...(asOf === undefined
      ? {}
      : { asOf: (time) => struck.reading("asOf", () => asOf.call(below, time), damageEntry) }),
    get changes() {
      const { changes } = below
      return changes === undefined ? undefined : struck.streaming("changes", () => changes)
    }
  }
}

/** The same for a register of states, which an agent has. A state in memory has no bytes that could be damaged. */
export const faultyStateRegister = <S>(below: StateRegister<S>, injector: Injector, where: Where): StateRegister<S> => {
  const struck = new Struck(injector, where)
  return {
    read: struck.reading("read", () => below.read),
    write: (next, expected) => struck.writing("write", () => below.write(next, expected)),
    remove: struck.writing("remove", () => below.remove),
    history: (options) => struck.streaming("history", () => below.history(options)),
    at: (revision) => struck.reading("at", () => below.at(revision)),
    asOf: (time) => struck.reading("asOf", () => below.asOf(time)),
    changes: struck.streaming("changes", () => below.changes)
  }
}

/** A store whose operations are struck: those of its registers, `keys`, `readMany`, `writeMany` and `removeMany`. */
export const faultyStore = (below: Store, injector: Injector, agent: string): Store => {
  const struck = new Struck(injector, { agent })
  const { readMany, removeMany, writeMany } = below
  return {
    place: below.place,
    at: (key) => faultyRegister(below.at(key), injector, { agent, key }),
    keys: (prefix) => struck.streaming("keys", () => below.keys(prefix)),
    readMany: readMany && ((keys) => struck.reading("readMany", () => readMany.call(below, keys))),
    writeMany: writeMany && ((all) => struck.writing("writeMany", () => writeMany.call(below, all))),
    removeMany: removeMany && ((keys) => struck.writing("removeMany", () => removeMany.call(below, keys)))
  }
}
