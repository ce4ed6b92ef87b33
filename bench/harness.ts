/**
 * Measures what an agent costs over the raw driver below it. Both sides run in turns in one process, so that a busy
 * machine slows both; the ratio of their medians is the result, and the times are only there to read it by.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"

/**
 * What is compared: two functions that do the same thing once, by an Effect, a promise, or at once. Each call is given a
 * number that grows, so that no two writes in a row store the same value: databases skip what did not change.
 */
export interface Sides {
  readonly ours: (i: number) => unknown
  readonly raw: (i: number) => unknown
}

/** How a benchmark is counted. */
export interface Options {
  /** How many things one call does; times are divided by it. Default: 1. */
  readonly per?: number | undefined
}

/** A named comparison. `setup` is scoped: what it acquires is released when the comparison is over. */
export interface Bench {
  readonly name: string
  readonly setup: Effect.Effect<Sides, unknown, Scope.Scope>
  readonly per: number
}

/** The result of one comparison: medians of one call in microseconds, and how many times `raw` ours takes. */
export interface Result {
  readonly name: string
  readonly ratio: number
  readonly ours: number
  readonly raw: number
  readonly unit: "us"
}

/** The benchmarks of what was imported, until somebody takes them. */
export const registered: Array<Bench> = []

/** Adds a benchmark: `bench("sqlite/load 1 KB", Effect.gen(...))`. The part before the slash is the primitive. */
export const bench = (name: string, setup: Effect.Effect<Sides, unknown, Scope.Scope>, options?: Options): void => {
  registered.push({ name, setup, per: options?.per ?? 1 })
}

/** A directory that is removed with the scope. Set TMPDIR to choose the disk that is measured. */
export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "dgents-bench-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const mostRounds = 501
const fewestRounds = 7
const measuringMillis = 5_000
// Short, so that a disk or a machine that slows down for a while slows both sides; long enough for the event loop to turn.
const roundMillis = 12
const warmUpMillis = 600
// V8 counts calls, not time, before it compiles: slow operations need longer.
const warmUpCalls = 20_000
const longestWarmUpMillis = 6_000

/** Runs one comparison. */
export const measure = ({ name, per, setup }: Bench): Effect.Effect<Result, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const sides = yield* setup
      const ours = yield* Effect.promise(() => warmUp(sides.ours))
      const raw = yield* Effect.promise(() => warmUp(sides.raw))
      // As many rounds as are worth while: of slow operations a few tell enough.
      const affordable = Math.round(measuringMillis / (ours.millis + raw.millis))
      const rounds = Math.min(mostRounds, Math.max(fewestRounds, affordable))
      globalThis.gc?.()
      for (let round = 0; round < rounds; round++) {
        // Each side goes first as often as second: neither always finds what the other left behind.
        const order = round % 2 === 0 ? [ours, raw] : [raw, ours]
        for (const side of order) yield* Effect.promise(() => side.round())
      }
      const [a, b] = [ours.median() / per, raw.median() / per]
      return { name, ratio: rounded(a / b), ours: rounded(a), raw: rounded(b), unit: "us" }
    })
  )

/** One side, with what was measured so far. */
interface Side {
  /** How long a round took when the side was warm. */
  readonly millis: number
  readonly round: () => Promise<void>
  readonly median: () => number
}

/** Runs a side until the JIT has seen enough of it, and finds how many calls make a round. */
const warmUp = async (call: (i: number) => unknown): Promise<Side> => {
  let next = 0
  const run = loopOf(call)
  const timed = async (count: number): Promise<number> => {
    const from = next
    next += count
    const started = performance.now()
    await run(from, count)
    return performance.now() - started
  }
  let count = 1
  let took = await timed(count)
  let spent = took
  const isWarm = () => (spent >= warmUpMillis && next >= warmUpCalls) || spent >= longestWarmUpMillis
  while (took < roundMillis || !isWarm()) {
    // Grows by ten at most, since the first calls are slower than those to come.
    count = Math.max(1, Math.round(count * Math.min(10, (1.1 * roundMillis) / Math.max(took, 0.01))))
    took = await timed(count)
    spent += took
    if (count === 1 && isWarm()) break
  }

  const micros: Array<number> = []
  return {
    millis: took,
    round: async () => {
      // In a turn of the event loop of its own: how long the other side has kept the loop is not this one's fault.
      await new Promise((resolve) => setImmediate(resolve))
      micros.push(((await timed(count)) * 1000) / count)
    },
    median: () => micros.toSorted((a, b) => a - b)[Math.floor(micros.length / 2)] ?? Number.NaN
  }
}

/** A loop over a side that adds as little as its kind allows; the kind is told by the first call. */
const loopOf = (call: (i: number) => unknown): ((from: number, count: number) => Promise<void>) => {
  const first = call(-1)
  if (Effect.isEffect(first)) {
    // A side that is an Effect needs no services: `Sides` is built inside the setup.
    const effect = call as (i: number) => Effect.Effect<unknown, unknown>
    return (from, count) => {
      let i = from
      return Effect.runPromise(
        Effect.whileLoop({ while: () => i < from + count, body: () => effect(i++), step: () => undefined })
      )
    }
  }
  if (first instanceof Promise)
    return async (from, count) => {
      await first
      for (let i = from; i < from + count; i++) await call(i)
    }
  return async (from, count) => {
    for (let i = from; i < from + count; i++) call(i)
  }
}

const rounded = (n: number): number => Number(n.toPrecision(3))
