import { Effect, Exit, Schema } from "effect"
import type { Codec, CodecError } from "../../schema/Codec.ts"
import { maxLevels } from "../../schema/internal/nesting.ts"

/**
 * A private copy of a state. Immutable data is copied and frozen once and then handed out as it is, so that a load costs
 * the same at any size; what JavaScript cannot freeze (Date, Map, Set, bytes) is copied again for each reader.
 */
export interface Owned<out S> {
  readonly get: Effect.Effect<S, CodecError>
}

/** Takes a private copy of a state that fits the codec's schema: by the call itself if it is plain data. */
export const own = <S>(codec: Codec<S>, state: S): Effect.Effect<Owned<S>, CodecError> => {
  const walk = new Walk()
  const copied = walk.tryCopy(state)
  if (copied === undefined) return ownByCodec(codec, state)
  return Effect.mapEager(codec.validate(state), () => ({
    get: walk.frozen ? Exit.succeed(copied.value) : Effect.sync(() => new Walk().copy(copied.value))
  }))
}

/**
 * Private copies of states that grow out of one another: what a state has in common with those before it is copied and frozen
 * once. States are not checked against the schema, unless it takes the schema to copy them.
 */
export class Growth<in out S> {
  readonly #codec: Codec<S>
  readonly #known = new WeakSet<object>()

  constructor(codec: Codec<S>) {
    this.#codec = codec
  }

  /** At once, if the state is plain data: then an exit is answered. */
  own(state: S): Effect.Effect<Owned<S>, CodecError> {
    const walk = new Walk(this.#known)
    const copied = walk.tryCopy(state)
    if (copied === undefined) return ownByCodec(this.#codec, state)
    const get = walk.frozen ? Exit.succeed(copied.value) : Effect.sync(() => new Walk().copy(copied.value))
    return Exit.succeed({ get })
  }
}

// Values with a class of their own (Schema classes, Option, DateTime, ...) are copied by the schema that knows them.
const ownByCodec = <S>(codec: Codec<S>, state: S): Effect.Effect<Owned<S>, CodecError> =>
  Effect.flatMapEager(codec.encode(state), (payload) =>
    Effect.mapEager(codec.decode(payload), (copy) => ({
      // A codec may decode eagerly, and each reader needs a copy of its own.
      get: tryFreeze(copy) ? Exit.succeed(copy) : Effect.suspend(() => codec.decode(payload))
    }))
  )

const notPlain = Symbol("notPlain")

class Walk {
  /** Whether all that was copied so far could be frozen. */
  frozen = true
  #levels = 0
  /** Copies made earlier that are frozen to the last leaf. */
  readonly #known: WeakSet<object> | undefined

  constructor(known?: WeakSet<object>) {
    this.#known = known
  }

  tryCopy<A>(value: A): { readonly value: A } | undefined {
    try {
      return { value: this.copy(value) }
    } catch {
      // Not plain, nested too deeply, or with a getter that throws: the codec decides, and its refusal is typed.
      return undefined
    }
  }

  copy<A>(value: A): A {
    // Sound: each branch of `node` gives a value of the same shape and class as the one it was given.
    return this.#node(value) as A
  }

  #node(value: unknown): unknown {
    switch (typeof value) {
      case "object":
        return value === null ? null : this.#object(value)
      case "function":
      case "symbol":
        throw notPlain
      default:
        return value
    }
  }

  #object(value: object): unknown {
    if (this.#known?.has(value) === true) return value
    // What a codec refuses is refused in memory too, and not just when the stack happens to be short.
    if (this.#levels === maxLevels) throw notPlain
    this.#levels++
    const copy = this.#known === undefined ? this.#copyObject(value) : this.#copyKnown(value, this.#known)
    this.#levels--
    return copy
  }

  #copyKnown(value: object, known: WeakSet<object>): unknown {
    const before = this.frozen
    this.frozen = true
    const copy = this.#copyObject(value)
    if (this.frozen) known.add(copy)
    this.frozen &&= before
    return copy
  }

  #copyObject(value: object): object {
    if (Array.isArray(value)) return this.#freeze(value.map((item) => this.#node(item)))
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) return this.#record(value, prototype)
    this.frozen = false
    if (prototype === Date.prototype && value instanceof Date) return new Date(value.getTime())
    if (prototype === Map.prototype && value instanceof Map)
      return new Map([...value].map(([k, v]) => [this.#node(k), this.#node(v)]))
    if (prototype === Set.prototype && value instanceof Set) return new Set([...value].map((item) => this.#node(item)))
    if (prototype === Uint8Array.prototype && value instanceof Uint8Array) return new Uint8Array(value)
    if (prototype === Float32Array.prototype && value instanceof Float32Array) return new Float32Array(value)
    throw notPlain
  }

  #record(value: object, prototype: object | null): object {
    if (Object.getOwnPropertySymbols(value).length > 0) throw notPlain
    const copy: Record<string, unknown> = {}
    if (prototype === null) Object.setPrototypeOf(copy, null)
    for (const [key, item] of Object.entries(value)) {
      // A plain assignment to `__proto__` would set the prototype.
      if (key === "__proto__")
        Object.defineProperty(copy, key, {
          value: this.#node(item),
          enumerable: true,
          writable: true,
          configurable: true
        })
      else copy[key] = this.#node(item)
    }
    return this.#freeze(copy)
  }

  #freeze<A extends object>(value: A): A {
    return Object.freeze(value)
  }
}

/** Freezes a tree of which nobody else holds a part, if each node is of a kind that freezing makes immutable. */
const tryFreeze = (root: unknown): boolean => {
  const nodes: Array<object> = []
  const visit = (value: unknown): boolean => {
    if (typeof value !== "object" || value === null) return typeof value !== "function"
    if (!Array.isArray(value) && !isPlain(value) && !isSchemaClassInstance(value)) return false
    nodes.push(value)
    return Object.values(value).every(visit)
  }
  if (!visit(root)) return false
  for (const node of nodes) Object.freeze(node)
  return true
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const isSchemaClassInstance = (value: object): boolean => Schema.isSchema(value.constructor)
