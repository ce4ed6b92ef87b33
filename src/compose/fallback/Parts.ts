import type { Option } from "effect"
import type { DataAgent } from "../../agents/DataAgent.ts"
import type { StateRegister, Where } from "../../agents/internal/stateRegister.ts"
import type { Codec } from "../../schema/Codec.ts"
import type { Link } from "./Link.ts"
import type { Standby } from "./Standby.ts"

/** What is made of the state that the first agent has, when it was written meanwhile, and of the one that waited. */
export type Merge<S> = (first: Option.Option<S>, second: Option.Option<S>) => Option.Option<S>

/** What one state is kept with. */
export interface Parts<in out S> {
  readonly where: Where
  readonly codec: Codec<S>
  readonly first: StateRegister<S>
  readonly second: DataAgent<Standby<S>>
  readonly link: Link
  readonly merge: Merge<S>
}
