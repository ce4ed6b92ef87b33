import { Effect } from "effect"
import type { Law } from "../internal/world.ts"

/** The subject opens, accepts some of its schema's states, and carries at least the claims that it is said to keep. */
export const opens: Law = {
  name: "opens, and is as strong as it says",
  rule: "the agent opens, takes some of the states of its schema, and its `claims` are at least what the subject demands.",
  // Holds by the time there is a world: making one opens the agent and compares the claims.
  plan: (world) => ({
    check: () => Effect.succeed({ _tag: "Kept", counts: { "states accepted": world.pool.length } })
  })
}
