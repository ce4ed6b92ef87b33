import { Cause, Effect, Exit, Predicate, type Scope } from "effect"
import type { Payload } from "../../schema/Codec.ts"
import type { Conflict, Current, Failure } from "../internal/backend.ts"
import type { Notice, Rows } from "../internal/follower.ts"
import type { Entry, NewEntry } from "../Register.ts"
import type { Expected } from "../Revision.ts"
import { kindOf, parse, type Stored } from "./entry.ts"
import { increment } from "./incrementScript.ts"
import { type Keys, Naming } from "./keys.ts"
import { nextOperation } from "./operation.ts"
import { Puts } from "./puts.ts"
import type { Reply, Script, Server } from "./Server.ts"
import * as Scripts from "./scripts.ts"
import type { StoreOptions } from "./store.ts"
import { together } from "./together.ts"

/** A number inside a state, and what is added to it. */
export interface Increment {
  /** A property's name or an index, outermost first. */
  readonly path: ReadonlyArray<string | number>
  readonly by: number
  /** Whether the sum has to be a safe integer. */
  readonly isInteger: boolean
  /** Whether a property that is missing begins at 0. */
  readonly mayBeMissing: boolean
  /** The encoded state to begin with when there is none. */
  readonly initial: string | undefined
}

/** What became of a number. */
export interface Incremented {
  readonly revision: number
  readonly sum: number
  /** The whole state, if it was asked for. */
  readonly state: string | undefined
}

/** A state that was looked for. */
export type Found = Effect.Effect<Stored | undefined, Failure>

type FoundNow = Exit.Exit<Stored | undefined, Failure>

/** The states of one collection as the server has them. */
export class RedisRows implements Rows {
  readonly naming: Naming
  readonly #server: Server
  readonly #puts: Puts
  readonly #options: StoreOptions
  /** Whether a write has a state to put down, and nothing else to see to. */
  readonly #isPlain: boolean
  /** Whether a state that is read is left as it is. */
  readonly #isReadByGet: boolean
  readonly #alarms = new Map<string, NodeJS.Timeout>()
  #notice: Notice | undefined

  constructor(server: Server, options: StoreOptions) {
    this.naming = new Naming(options.prefix, options.collection)
    this.#server = server
    this.#puts = new Puts(server)
    this.#options = options
    this.#isReadByGet = options.expiry.from !== "read" || options.expiry.millis === 0
    this.#isPlain = options.retention.count === 1 && options.expiry.millis === 0
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Reading

  /** The current state, which lives on where it does so by being read. */
  read(keys: Keys): Found {
    return Effect.callback((resume) => {
      const stop = this.beginRead(keys, resume)
      if (stop !== undefined) return Effect.sync(stop)
      const reply = this.#run("read", Scripts.touch, keys.key, [Math.ceil(this.#options.expiry.millis)])
      return resume(Effect.flatMap(reply, (reply) => stored(keys.key, reply)))
    })
  }

  /** The same for who calls; `undefined` where it takes a script. What comes back takes the read away. */
  beginRead({ key, state }: Keys, answer: (found: FoundNow) => void): (() => void) | undefined {
    const { expiry, retention } = this.#options
    const told = (reply: Exit.Exit<Reply, Failure>) => answer(found(key, reply))
    if (this.#isReadByGet) return this.#server.get(state, told)
    if (retention.count !== 1) return undefined
    return this.#server.begin("read", "getex", [state, "PX", Math.ceil(expiry.millis)], told)
  }

  /** The same for those who only look on. */
  look(key: string): Found {
    const name = this.naming.state(key)
    return Effect.callback((resume) => Effect.sync(this.#server.get(name, (reply) => resume(found(key, reply)))))
  }

  /** In milliseconds; not above 0 when there is no state, or none that expires. */
  timeToLive(key: string): Effect.Effect<number, Failure> {
    return Effect.map(this.#server.command("read", "pttl", [this.naming.state(key)]), Number)
  }

  /** Many states at once, which live on where they do so by being read; those that are missing are left out. */
  readAll(keys: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, Stored>, Failure> {
    const found = this.#isReadByGet
      ? Effect.flatMap(
          together<Reply, Failure>(keys.length, (i, answer) =>
            this.#server.get(this.naming.state(keys[i] ?? ""), answer)
          ),
          (replies) =>
            Effect.forEach(replies, (reply, i) => {
              const key = keys[i] ?? ""
              return Effect.flatMapEager(Effect.mapErrorEager(reply, ofType(key)), (reply) => stored(key, reply))
            })
        )
      : Effect.forEach(keys, (key) => this.read(this.naming.of(key)), { concurrency: "unbounded" })
    return Effect.map(found, (states) => byKey(keys, states))
  }

  /** The current state, and superseded ones with a revision below `before`, newest first, at most `limit`; one moment. */
  page(
    key: string,
    before: number,
    limit: number
  ): Effect.Effect<{ readonly current: Stored | undefined; readonly past: ReadonlyArray<Stored> }, Failure> {
    const first = Number.isFinite(before) ? Math.max(0, Math.ceil(before)) : "+"
    return Effect.flatMap(this.#run("read", Scripts.history, key, [first, limit]), (reply) =>
      Effect.gen(function* () {
        const [head, ...rest] = Array.isArray(reply) ? reply : [reply]
        const current = yield* stored(key, head ?? null)
        const past: Array<Stored> = []
        for (const one of rest) {
          const state = yield* stored(key, one)
          if (state !== undefined) past.push(state)
        }
        return { current, past }
      })
    )
  }

  /** The newest revision saved at or before a time, in milliseconds since the epoch; 0 for none. */
  revisionAt(key: string, time: number): Effect.Effect<number, Failure> {
    return Effect.flatMap(this.#run("read", Scripts.revisionAt, key, [time]), (reply) => number(key, reply))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Writing

  write(keys: Keys, next: NewEntry, expected: Expected): Effect.Effect<number, Failure | Conflict> {
    return Effect.flatten(
      Effect.callback((resume) => this.begin(keys, next, expected, (written) => resume(Exit.succeed(written))))
    )
  }

  /** The same for who calls. Nothing interrupts it. */
  begin(
    keys: Keys,
    { savedAt, state }: NewEntry,
    expected: Expected,
    answer: (written: Effect.Effect<number, Failure | Conflict>) => void
  ): void {
    const { history, key, removed, state: current } = keys
    const operation = nextOperation()
    const end = `${savedAt} ${operation} ${kindOf(state)}`
    const told = (reply: Effect.Effect<Reply, Failure>) => {
      const found = this.#settled(Effect.mapErrorEager(reply, ofType(key)), () => this.#written(key, operation))
      answer(Effect.flatMapEager(found, (reply) => revisionIn(key, reply)))
    }
    const commit = { expected, end, payload: bytesOf(state) }
    if (this.#isPlain) this.#puts.begin({ keys, commit, answer: told })
    else {
      const args = [...Scripts.commitArguments(commit), ...this.#keeping(savedAt)]
      this.#server.beginScript("write", Scripts.write, [current, history, removed], args, told)
    }
  }

  /** Answers the revision removed; 0 for none. */
  remove(key: string): Effect.Effect<number, Failure> {
    const operation = nextOperation()
    return Effect.flatMap(
      this.#settled(this.#run("write", Scripts.remove, key, [operation]), () => this.#removed(key, operation)),
      (reply) => number(key, reply)
    )
  }

  /** `undefined` when there is no state and none to begin with. */
  increment(
    key: string,
    { by, initial, isInteger, mayBeMissing, path }: Increment,
    savedAt: number,
    wantsState: boolean
  ): Effect.Effect<Incremented | undefined, Failure> {
    const end = `${savedAt} ${nextOperation()} t`
    const args = [
      ...Scripts.commitArguments({ expected: "any", end, payload: initial ?? "" }),
      ...this.#keeping(savedAt),
      // As text it would lose its sign.
      Object.is(by, -0) ? "-0" : by,
      isInteger ? 1 : 0,
      mayBeMissing ? 1 : 0,
      wantsState ? 1 : 0,
      ...path.map((step) => (typeof step === "number" ? `i${step}` : `k${JSON.stringify(step)}`))
    ]
    return Effect.flatMap(this.#run("write", increment, key, args), (reply) => {
      if (Array.isArray(reply)) {
        const [revision, sum, state] = reply
        return Exit.succeed({
          revision: Number(revision),
          sum: Number(String(sum)),
          state: wantsState ? String(state) : undefined
        })
      }
      const problem = String(reply)
      if (problem === "absent") return Exit.succeed(undefined)
      const reason = problems[problem]
      return Effect.fail<Failure>(
        reason === undefined ? notOurs(key) : { _tag: "Invalid", reason: `the number to increment ${reason}` }
      )
    })
  }

  #keeping(savedAt: number) {
    const { expiry, retention } = this.#options
    return Scripts.keepingArguments({
      count: Number.isFinite(retention.count) ? retention.count : 0,
      from: Number.isFinite(retention.millis) ? savedAt - retention.millis : "",
      timeToLive: Math.ceil(expiry.millis),
      fromCreation: expiry.from === "creation" ? 1 : 0
    })
  }

  /** What became of a write whose answer was lost, as far as the server still knows. */
  #settled(write: Effect.Effect<Reply, Failure>, lookUp: () => Effect.Effect<number | undefined, Failure>) {
    return Effect.catchEager(write, (failure): Effect.Effect<Reply, Failure> => {
      if (failure._tag !== "Indeterminate") return Exit.fail(failure)
      return Effect.matchEffect(lookUp(), {
        onFailure: () => Exit.fail(failure),
        onSuccess: (revision) => (revision === undefined ? Exit.fail(failure) : Exit.succeed(revision))
      })
    })
  }

  #written(key: string, operation: string): Effect.Effect<number | undefined, Failure> {
    return Effect.map(
      this.page(key, Number.POSITIVE_INFINITY, 16),
      ({ current, past }) =>
        [...(current === undefined ? [] : [current]), ...past].find((state) => state.operation === operation)?.revision
    )
  }

  #removed(key: string, operation: string): Effect.Effect<number | undefined, Failure> {
    return Effect.map(this.#server.command("read", "get", [this.naming.of(key).removed]), (reply) => {
      const [revision, by] = String(reply).split(" ")
      return by === operation ? Number(revision) : undefined
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Following

  readonly readMany = (keys: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, Current>, Failure> =>
    Effect.map(
      Effect.forEach(
        keys,
        (key) =>
          Effect.map(
            // Whoever wrote the state decided whether it expires.
            Effect.all([this.look(key), this.timeToLive(key)], { concurrency: "unbounded" }),
            ([state, millis]) => {
              this.#wake(key, millis)
              return state
            }
          ),
        { concurrency: "unbounded" }
      ),
      (states) => byKey(keys, states)
    )

  readonly between = (key: string, from: number, to: number): Effect.Effect<ReadonlyArray<Entry>, Failure> =>
    Effect.map(this.page(key, to + 1, to - from), ({ past }) =>
      past.filter(({ revision }) => revision > from && revision <= to).toReversed()
    )

  readonly deleted = (): Effect.Effect<number> => Exit.succeed(0)

  readonly watch = (notice: Notice): Effect.Effect<void, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => {
        this.#notice = notice
      }),
      () =>
        Effect.sync(() => {
          this.#notice = undefined
          for (const alarm of this.#alarms.values()) clearTimeout(alarm)
          this.#alarms.clear()
        })
    )

  readonly listen = (key: string, notice: Notice): Effect.Effect<void, Failure, Scope.Scope> =>
    this.#server.subscribe(this.naming.state(key), () => notice([key]))

  /** Looks again when a state that is followed is due to expire: the server tells nobody unless it is set up to. */
  #wake(key: string, millis: number): void {
    clearTimeout(this.#alarms.get(key))
    this.#alarms.delete(key)
    if (!(millis > 0) || this.#notice === undefined) return
    const alarm = setTimeout(
      () => {
        this.#alarms.delete(key)
        this.#notice?.([key])
      },
      // Timers hold no more; a look that finds the state alive sets the next one.
      Math.min(millis + 1, 2 ** 31 - 1)
    )
    alarm.unref()
    this.#alarms.set(key, alarm)
  }

  #run(
    kind: "read" | "write",
    script: Script,
    key: string,
    args: ReadonlyArray<string | number | Uint8Array>
  ): Effect.Effect<Reply, Failure> {
    const { history, removed, state } = this.naming.of(key)
    return Effect.mapError(this.#server.script(kind, script, [state, history, removed], args), ofType(key))
  }
}

const byKey = (keys: ReadonlyArray<string>, states: ReadonlyArray<Stored | undefined>): ReadonlyMap<string, Stored> => {
  const found = new Map<string, Stored>()
  for (const [i, key] of keys.entries()) {
    const state = states[i]
    if (state !== undefined) found.set(key, state)
  }
  return found
}

const problems: Readonly<Record<string, string>> = {
  bytes: "is in a state that is stored as bytes; the server can read JSON alone",
  shape: "is not at that place of the state that is stored",
  missing: "is missing in the state that is stored; save it with a number there first",
  number: "is not stored as a number",
  large: "would become larger than a number can be"
}

const notOurs = (key: string): Failure => ({
  _tag: "Corrupt",
  location: key === "" ? "its key" : `key ${JSON.stringify(key)}`,
  reason: "what is stored there was not written by dgents, or was changed"
})

/** A key of another type is not ours either. */
const ofType =
  (key: string) =>
  (failure: Failure): Failure =>
    failure._tag === "Unavailable" && Predicate.hasProperty(failure.cause, "code") && failure.cause.code === "WRONGTYPE"
      ? notOurs(key)
      : failure

const stored = (key: string, reply: Reply): Exit.Exit<Stored | undefined, Failure> => {
  if (reply === null) return Exit.succeed(undefined)
  const found = Buffer.isBuffer(reply) ? parse(reply) : undefined
  return found === undefined ? Exit.fail(notOurs(key)) : Exit.succeed(found)
}

const found = (key: string, reply: Exit.Exit<Reply, Failure>): FoundNow =>
  Exit.isSuccess(reply) ? stored(key, reply.value) : Exit.failCause(Cause.map(reply.cause, ofType(key)))

const revisionIn = (key: string, reply: Reply): Exit.Exit<number, Failure | Conflict> => {
  if (typeof reply !== "number") return Exit.fail(notOurs(key))
  return reply < 0 ? Exit.fail({ _tag: "Conflict", actual: -reply - 1 }) : Exit.succeed(reply)
}

const number = (key: string, reply: Reply): Exit.Exit<number, Failure> =>
  typeof reply === "number" ? Exit.succeed(reply) : Exit.fail(notOurs(key))

// A view of the same bytes: the client sends a `Buffer` as it is, and the text of anything else.
const bytesOf = (state: Payload): string | Buffer =>
  typeof state === "string" ? state : Buffer.from(state.buffer, state.byteOffset, state.byteLength)
