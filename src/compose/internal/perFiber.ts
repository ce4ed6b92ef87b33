import { Effect } from "effect"
import { StorageUnavailable } from "../../agents/StateError.ts"

/** Refuses an agent that is another state for each tenant, in the place of a combinator that holds states by their keys. */
export const refusePerFiber = (
  agent: { readonly name: string; readonly internals: { readonly isPerFiber?: boolean | undefined } },
  combinator: string
): Effect.Effect<void, StorageUnavailable> =>
  agent.internals.isPerFiber !== true
    ? Effect.void
    : Effect.fail(
        new StorageUnavailable({
          agent: agent.name,
          operation: "open",
          reason: `it is of a Tenant, and ${combinator} over it would show one tenant what another one has; put the Tenant over it: Tenant.make(yield* ${combinator}.family(family))`,
          retryable: false
        })
      )
