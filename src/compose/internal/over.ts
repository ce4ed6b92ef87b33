import type { Member } from "../../agents/internal/member.ts"
import type { StateRegister } from "../../agents/internal/stateRegister.ts"

/**
 * A register with some of its operations replaced. The others are asked of the one below when they are used: its members
 * may be getters of a class, which a spread would lose. What goes past `write` is left out where it is not replaced as well.
 */
export const over = <S>(
  below: StateRegister<S>,
  replaced: Partial<Pick<StateRegister<S>, "read" | "write" | "begin" | "remove">>,
  member?: (below: Member) => Member
): StateRegister<S> => ({
  get read() {
    return replaced.read ?? below.read
  },
  write: replaced.write ?? ((next, expected) => below.write(next, expected)),
  begin: replaced.begin,
  get remove() {
    return replaced.remove ?? below.remove
  },
  history: (options) => below.history(options),
  at: (revision) => below.at(revision),
  asOf: (time) => below.asOf(time),
  get changes() {
    return below.changes
  },
  listen: (listener) => below.listen?.(listener),
  get member() {
    return below.member && member?.(below.member)
  }
})
