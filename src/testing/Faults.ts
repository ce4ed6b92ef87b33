/**
 * What goes wrong between a program and its storage, on demand: wrappers that make an agent, a register, a store or a
 * file system fail, hang, lag, answer twice or lie, as a plan says. A plan is plain data under one seed, so that the same
 * plan does the same to the same operations.
 *
 * ```ts
 * const flaky = Faults.agent(agent, Faults.plan(1, Faults.flaky(0.2, "loseReply")))
 *
 * const faults = Faults.make() // nothing goes wrong yet
 * const disk = Faults.fileSystem(fs, faults)
 * faults.arm(Faults.plan(1, Faults.diskFull()))
 * ```
 *
 * The fault that finds most is `loseReply`: the operation happened, and the caller is told that it cannot be known.
 */
import type { Effect, FileSystem } from "effect"
import * as DataAgent from "../agents/DataAgent.ts"
import type { Register, Store } from "../agents/Register.ts"
import { faultyFileSystem, needRoom } from "./internal/faults/fileSystem.ts"
import { Injector, type Operation } from "./internal/faults/injector.ts"
import { type Does, type Fault, none, type Plan, show as showPlan } from "./internal/faults/plan.ts"
import { faultyRegister, faultyStateRegister, faultyStore } from "./internal/faults/registers.ts"

export type { Does, Fault, Injector, Operation, Plan }

// ---------------------------------------------------------------------------------------------------------------------
// Plans

/** Faults under one seed. One operation may be struck by several: the first of them is the outermost. */
export const plan = (seed: number, ...faults: ReadonlyArray<Fault | ReadonlyArray<Fault>>): Plan => ({
  seed,
  faults: faults.flat()
})

/** A plan as one line. */
export const show: (plan: Plan) => string = showPlan

/** Which operations a fault is about. */
export type Which = Pick<Fault, "from" | "until" | "only" | "share">

/** What an operation may end with that fails. */
export type Failing = "refuse" | "loseRequest" | "loseReply"

/** A share of the operations, above 0 and at most 1, fails. */
export const flaky = (share: number, does: Failing = "refuse", which: Which & Pick<Fault, "code"> = {}): Fault => ({
  ...which,
  does,
  share
})

/** The nth operation fails, counted from 0; with `forever` all later ones too. */
export const failNth = (
  n: number,
  does: Failing = "refuse",
  options: Pick<Fault, "only" | "code"> & { readonly forever?: boolean | undefined } = {}
): Fault => {
  const { forever, ...more } = options
  return { ...more, does, from: n, ...(forever === true ? {} : { until: n + 1 }) }
}

/** Operations take some yields, or milliseconds, longer. */
export const slow = (by: Pick<Fault, "yields" | "millis"> = {}, which: Which = {}): Fault => ({
  ...which,
  ...by,
  does: "slow"
})

/** Operations give no answer until they are interrupted; `after` says that they happen all the same. */
export const hang = (when: "before" | "after" = "before", which: Which = {}): Fault => ({
  ...which,
  does: when === "before" ? "hang" : "hangAfter"
})

/** The network loses what goes one way. The caller cannot tell which: a write is indeterminate either way. */
export const partition = (direction: "requests" | "replies", which: Which = {}): Fault => ({
  ...which,
  does: direction === "requests" ? "loseRequest" : "loseReply"
})

/** Operations happen twice, as when a request is sent again, and the first answer is given. */
export const duplicate = (which: Which = {}): Fault => ({ ...which, does: "duplicate" })

/** What is read has one bit flipped, or has lost its tail. */
export const corrupt = (how: "flip" | "cut" = "flip", which: Which = {}): Fault => ({
  ...which,
  does: how === "flip" ? "corrupt" : "cut"
})

/** A write takes the first half of what it is given: `write` says so, and for all others it is an error. */
export const shortWrite = (which: Omit<Which, "only"> = {}): Fault => ({
  ...which,
  does: "short",
  only: ["write", "writeFile"]
})

/**
 * There is no room from the nth operation on that needs some. If that is a write, half of it still finds room. The
 * disk is full until the faults are lifted: what is deleted meanwhile makes no room.
 */
export const diskFull = (n = 0): ReadonlyArray<Fault> => [
  { does: "short", from: n, until: n + 1, only: needRoom },
  { does: "refuse", from: n + 1, code: "ENOSPC", only: needRoom }
]

// ---------------------------------------------------------------------------------------------------------------------
// Injectors

/**
 * An injector: what shares one shares plan and count. `arm` puts a plan in force, `lift` ends all faults, `count` and
 * `struck` say how many operations there were since the last `arm`, and how many of them a fault struck.
 */
export const make = (plan: Plan = none): Injector => new Injector(plan)

const injectorOf = (faults: Plan | Injector): Injector => (faults instanceof Injector ? faults : make(faults))

// ---------------------------------------------------------------------------------------------------------------------
// What can be made to fail

/**
 * An agent whose storage fails. Operations are `read`, `write`, `remove`, `history`, `at` and `changes`: an `update` is
 * a read and a write. A fault before is `StorageUnavailable`, one that nobody can tell from success
 * `WriteIndeterminate`. The lock and the announcements are shared with the agent given, which goes on without faults.
 */
export const agent = <S>(agent: DataAgent.DataAgent<S>, faults: Plan | Injector): DataAgent.DataAgent<S> => {
  const injector = injectorOf(faults)
  const where = { agent: agent.name, key: agent.key }
  injector.stored = agent.internals.register.read
  return DataAgent.wrap(agent, (register) => faultyStateRegister(register, injector, where))
}

/** A register that fails, with the operations and errors of `agent`. */
export const register = (register: Register, faults: Plan | Injector): Register => {
  const injector = injectorOf(faults)
  injector.stored = register.read
  return faultyRegister(register, injector, { agent: "faults" })
}

/** A store that fails, with the operations of its registers and `keys`, `readMany`, `writeMany` and `removeMany`. */
export const store = (store: Store, faults: Plan | Injector): Store => faultyStore(store, injectorOf(faults), "faults")

/**
 * A file system that fails, with errors of the system. Operations are named as the system calls: `open` (`create` where
 * the file may be made), `read`, `write`, `fsync`, `close`, `rename`, `unlink`, `mkdir`, `readdir`, `stat`, ... An
 * fsync that is refused loses the bytes, as on a real disk.
 */
export const fileSystem = (fs: FileSystem.FileSystem, faults: Plan | Injector): FileSystem.FileSystem =>
  faultyFileSystem(fs, injectorOf(faults))

/** Any operation: of a driver, a client, a server of your own. It says what its failure is. */
export const operation = <A, E, R>(operation: Operation<A, E, R>, faults: Injector): Effect.Effect<A, E, R> =>
  faults.run(operation)
