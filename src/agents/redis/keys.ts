/**
 * What the keys of a state are called. Names and keys are data: whatever they are, no two states share a key, none reaches
 * into another collection, and all keys of one state are in one slot of a Cluster, the one of what is in the braces.
 */

/** The keys of one state. */
export interface Keys {
  /** What the state is called in its collection. */
  readonly key: string
  /** The current state; also the channel that tells of its commits. */
  readonly state: string
  readonly history: string
  /** The last revision of a state that was removed. */
  readonly removed: string
  /** Whether there was a state when it was last written. Nobody relies on it. */
  isThere: boolean
}

// A brace would end the part that decides the slot, a slash the name of the collection.
const escapeKey = (key: string): string => key.replace(/[%{}]/g, encode)
const escapeCollection = (collection: string): string => collection.replace(/[%{}/]/g, encode)

const encode = (character: string): string => `%${character.charCodeAt(0).toString(16)}`

const begin = (prefix: string, collection: string): string =>
  `${escapeCollection(prefix)}:{${escapeCollection(collection)}/`

/** The keys of the states of one collection. */
export class Naming {
  readonly #begin: string

  constructor(prefix: string, collection: string) {
    this.#begin = begin(prefix, collection)
  }

  of(key: string): Keys {
    const state = this.state(key)
    return { key, state, history: `${state}:history`, removed: `${state}:removed`, isThere: false }
  }

  state(key: string): string {
    return `${this.#begin}${escapeKey(key)}}`
  }

  /** A glob that the states of all keys match that begin with a prefix, and nothing else. */
  pattern(prefix: string): string {
    return `${glob(this.#begin + escapeKey(prefix))}*}`
  }

  /** The key of a state that `pattern` found. */
  keyOf(state: string): string {
    return decode(state.slice(this.#begin.length, -1))
  }
}

const glob = (text: string): string => text.replace(/[*?[\]^\\-]/g, "\\$&")

const decode = (key: string): string =>
  key.replace(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
