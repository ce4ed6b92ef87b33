/** States in the memory of this process, whatever agents they are of, written together. */
import { Effect, Exit, Option } from "effect"
import { byteLength, type Codec } from "../../schema/Codec.ts"
import { check } from "../Register.ts"
import type { Expected, Revision } from "../Revision.ts"
import type { Member, Part, Storage } from "./member.ts"
import { type Owned, own } from "./owned.ts"
import { encodeEntry, invalid, type StateRegister, type Where } from "./stateRegister.ts"

/** A state in memory, and what is done to it in one step of the event loop. */
export interface Cell<S> {
  readonly place: object
  readonly key: string
  readonly codec: Codec<S>
  readonly where: Where
  readonly read: StateRegister<S>["read"]
  readonly revision: () => Revision
  readonly save: (state: Owned<S>, savedAt: number, bytes: number) => void
  readonly remove: () => void
}

class MemoryPart implements Part {
  readonly where: Where
  readonly expected: Expected
  readonly revision: () => Revision
  readonly commit: () => void

  constructor(where: Where, expected: Expected, revision: () => Revision, commit: () => void) {
    this.where = where
    this.expected = expected
    this.revision = revision
    this.commit = commit
  }
}

// Nothing yields between the first comparison and the last commit, which is what makes it one step.
const storage: Storage = {
  write: (parts) =>
    Effect.suspend(() => {
      const own = parts.filter((part) => part instanceof MemoryPart)
      if (own.length < parts.length) return Effect.die(new Error("a state of another storage is to be written"))
      for (const { expected, revision, where } of own) {
        const checked = check(where, expected, revision())
        if (Exit.isFailure(checked)) return checked
      }
      for (const { commit } of own) commit()
      return Exit.void
    })
}

/** A state in memory as a member of all that there are. */
export const memoryMember = <S>({ codec, key, place, read, remove, revision, save, where }: Cell<S>): Member => ({
  storage,
  place,
  key,
  read: Effect.flatMap(read, (found) =>
    Option.isNone(found) ? Exit.succeed(Option.none()) : Effect.map(encodeEntry(codec, where, found.value), Option.some)
  ),
  part: (step, named) => {
    const part = (commit: () => void) => new MemoryPart(named, step.expected, revision, commit)
    if (step._tag === "Expect") return Effect.succeed(part(() => undefined))
    if (step._tag === "Remove") return Effect.succeed(part(remove))
    const { next, isAfresh } = step
    const owned = Effect.flatMap(codec.decode(next.state), (state) => own(codec, state))
    return Effect.mapBoth(owned, {
      onSuccess: (state) =>
        part(() => {
          if (isAfresh) remove()
          save(state, next.savedAt, byteLength(next.state))
        }),
      onFailure: (error) => invalid(named, error)
    })
  }
})
