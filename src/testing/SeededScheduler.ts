/**
 * A scheduler that explores interleavings: fibers are made to yield at random, and whoever runs next is picked at random.
 * The same seed gives the same choices, so that an interleaving of in-process code repeats exactly.
 */
import { Effect, Scheduler } from "effect"

/** A small generator of numbers in [0, 1) (mulberry32). */
export const random = (seed: number): (() => number) => {
  let a = seed | 0
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

// Without some progress at each resume, fibers that only reach their next yield could live-lock.
const floor = 2
const probability = 0.2
// Between two turns of the event loop, so that timers and files make progress as well.
const tasksPerTurn = 64

/** A scheduler whose choices follow from the seed. */
export const make = (seed: number): Scheduler.Scheduler => {
  const next = random(seed)
  const tasks: Array<() => void> = []
  let running = false
  const runOne = () => {
    const last = tasks.pop()
    if (last === undefined) return
    const i = Math.floor(next() * (tasks.length + 1))
    const chosen = tasks[i]
    if (chosen === undefined) return last()
    tasks[i] = last
    chosen()
  }
  const turn = () => {
    running = false
    for (let i = 0; i < tasksPerTurn && tasks.length > 0; i++) runOne()
    if (tasks.length > 0) start()
  }
  const start = () => {
    if (running) return
    running = true
    setImmediate(turn)
  }
  // One queue for all fibers: a queue a fiber would keep the order that is to be explored.
  const dispatcher: Scheduler.SchedulerDispatcher = {
    scheduleTask: (task) => {
      tasks.push(task)
      start()
    },
    flush: () => {
      while (tasks.length > 0) runOne()
    }
  }
  return {
    executionMode: "async",
    shouldYield: (fiber) => fiber.currentOpCount > floor && next() < probability,
    makeDispatcher: () => dispatcher
  }
}

/** Runs an effect, and the fibers it forks, under the schedule of a seed; 0 is Effect's own scheduler. */
export const provide =
  (seed: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    seed === 0 ? effect : Effect.provideService(effect, Scheduler.Scheduler, make(seed))
