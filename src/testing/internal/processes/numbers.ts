import { Effect } from "effect"
import { type Codec, json } from "../../../schema/Codec.ts"
import * as Same from "../same.ts"

/** States by number: processes speak of numbers, and compare the states themselves where they have them in hand. */
export class Numbers<in out S> {
  readonly #same: Same.Same<S>
  readonly #states: Array<S> = []
  readonly #byKey = new Map<string, number>()
  /** How many were spoken of; those after them were met later. */
  readonly size: number

  constructor(codec: Codec<S>, states: ReadonlyArray<S>) {
    this.#same = Same.make(codec)
    this.size = states.length
    for (const state of states) this.#add(state)
  }

  /** The state of a number, beginning again past the last. */
  state(n: number): S {
    // Sound: the index lies within the list, which is not empty. A default would take the place of states that are null.
    return this.#states[n % this.size] as S
  }

  /** The number of a state; -1 for one that was never heard of. */
  of(state: S): number {
    const n = this.#byKey.get(this.#same.key(state))
    // Sound: what the map holds are indices of the list.
    return n !== undefined && this.#same.differ(this.#states[n] as S, state) === undefined ? n : -1
  }

  /** The number of a state, which is heard of from now on. */
  learn(state: S): number {
    const known = this.of(state)
    return known >= 0 ? known : this.#add(state)
  }

  #add(state: S): number {
    this.#byKey.set(this.#same.key(state), this.#states.length)
    return this.#states.push(state) - 1
  }
}

/** States as text, for another process. */
export const toTexts = <S>(codec: Codec<S>, states: ReadonlyArray<S>): Effect.Effect<ReadonlyArray<string>> => {
  const { encode } = json(codec.schema)
  // The states were chosen for being storable, so what does not encode is a defect.
  return Effect.forEach(states, (state) => Effect.map(Effect.orDie(encode(state)), String))
}

/** The states of such texts. */
export const fromTexts = <S>(codec: Codec<S>, texts: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<S>> => {
  const { decode } = json(codec.schema)
  return Effect.forEach(texts, (text) => Effect.orDie(decode(text)))
}
