import { Effect, Exit, Option } from "effect"
import type * as DataAgent from "../../agents/DataAgent.ts"
import type { Member, Part, Step, Storage } from "../../agents/internal/member.ts"
import { Draft, encodeEntry, invalid, type Where, write } from "../../agents/internal/stateRegister.ts"
import { check } from "../../agents/Register.ts"
import { absent, type Expected } from "../../agents/Revision.ts"
import { type CompareError, StorageUnavailable } from "../../agents/StateError.ts"
import * as Tenant from "../Tenant.ts"

class AlonePart implements Part {
  readonly where: Where
  readonly run: Effect.Effect<void, CompareError>

  constructor(where: Where, run: Effect.Effect<void, CompareError>) {
    this.where = where
    this.run = run
  }
}

/**
 * An agent of any kind as the one state of its storage: what it can do in one step is a compare-and-set. It does so as the
 * tenant who asked for it, whoever commits.
 */
export const alone = <S>(
  agent: DataAgent.DataAgent<S>,
  identity: Pick<Member, "key" | "place">,
  tenant: Option.Option<string>
): Member => {
  const { codec } = agent
  const { register } = agent.internals

  const named: Where = { agent: agent.name, key: agent.key }
  const read: Member["read"] = Effect.flatMap(register.read, (found) =>
    Option.isNone(found) ? Exit.succeed(Option.none()) : Effect.map(encodeEntry(codec, named, found.value), Option.some)
  )

  const compare = (where: Where, expected: Expected): Effect.Effect<void, CompareError> =>
    expected === "any"
      ? Effect.void
      : Effect.flatMap(register.read, (found) =>
          check(where, expected, Option.isSome(found) ? found.value.revision : absent)
        )

  const perform = (where: Where, step: Step): Effect.Effect<void, CompareError> => {
    switch (step._tag) {
      case "Expect":
        return compare(where, step.expected)
      case "Remove":
        // The lock of the state is held, which keeps away those who share it with this process alone; not as a tenant.
        return step.expected === "any" || (agent.claims.sharing === "process" && Option.isNone(tenant))
          ? Effect.andThen(compare(where, step.expected), register.remove)
          : refused(where, "delete", "others may write it between the comparison and the deletion")
      case "Put":
        if (step.isAfresh) return refused(where, "write", "it cannot be deleted and saved again in one step")
        return Effect.flatMap(
          Effect.mapError(codec.decode(step.next.state), (error) => invalid(where, error)),
          (state) => write(register, new Draft(where, state, step.next.savedAt), step.expected)
        )
    }
  }

  const storage: Storage = {
    write: (parts) =>
      Effect.forEach(
        parts,
        (part) =>
          part instanceof AlonePart ? part.run : Effect.die(new Error("a state of another storage is to be written")),
        { discard: true }
      )
  }
  const asTenant = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Option.isNone(tenant) ? effect : Tenant.as(effect, tenant.value)
  return {
    storage,
    place: identity.place,
    key: Option.isNone(tenant) ? identity.key : `${tenant.value.length}:${tenant.value}${identity.key}`,
    read,
    part: (step, where) => Effect.succeed(new AlonePart(where, asTenant(perform(where, step))))
  }
}

const refused = (where: Where, operation: string, reason: string): Effect.Effect<never, StorageUnavailable> =>
  Effect.fail(new StorageUnavailable({ ...where, operation, reason, retryable: false }))
