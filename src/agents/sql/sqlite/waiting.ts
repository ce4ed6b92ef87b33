import { Effect } from "effect"

/** Between two attempts to get the lock of a database, in milliseconds: short, and not the same for all who wait. */
export const pauseMillis = (): number => 1 + Math.random() * 3

/** Real time, whatever clock the program runs by: it is another process that is waited for. */
export const pause: Effect.Effect<void> = Effect.callback<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), pauseMillis())
  return Effect.sync(() => clearTimeout(timer))
})
