import { Context, Effect, Fiber } from "effect"

/** How deep the running fiber is nested; 0 at the outset. Forked fibers inherit it. */
export const depth = Context.Reference<number>("dgents/compose/EntropyConstrained/depth", { defaultValue: () => 0 })

const shareAt = (depth: number): number => 1 / (Math.max(0, depth) + 1)

/** The share of the limits that the running fiber may use: 1/(depth + 1). */
export const budget: Effect.Effect<number> = Effect.map(depth, shareAt)

/** The same from inside of a fiber's step; undefined outside of any. */
export const budgetNow = (): number | undefined => {
  const fiber = Fiber.getCurrent()
  return fiber && shareAt(Context.get(fiber.context, depth))
}

/** Runs an effect one level deeper, with the next smaller budget. May be nested as often as one likes. */
export const child = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateService(effect, depth, (depth) => depth + 1)
