import { Effect, Exit, type Schema } from "effect"
import { type Codec, type CodecError, toCodec } from "../../schema/Codec.ts"
import type { NewEvent, Stored } from "./Log.ts"
import { type Tags, tagsOf } from "./tags.ts"
import { Misfit, type Upcaster, type Upcasters } from "./upcast.ts"

/** The type of the event that says that all before it is deleted; see `asDataAgent`. */
export const deletedType = "dgents/deleted"

/** Why a stored event cannot be read. */
export type EventProblem = CodecError | { readonly _tag: "Unknown" }

/** How events are stored and read: by the schema, and those of older versions through upcasters. */
export class EventCodec<in out E> {
  readonly #codec: Codec<E>
  readonly #tags: Tags<E>
  readonly #upcasters: ReadonlyMap<string, ReadonlyArray<Upcaster>>
  /** Stored types that the schema reads as they are, as far as they were seen. */
  readonly #current = new Set<string>()

  constructor(schema: Schema.Codec<E, unknown>, upcasters: Upcasters) {
    this.#codec = toCodec(schema)
    this.#tags = tagsOf(schema)
    this.#upcasters = new Map(Object.entries(upcasters))
  }

  encode(event: E): Exit.Exit<NewEvent, CodecError> {
    // A JSON codec is synchronous, and its payloads are text.
    return Exit.map(Effect.runSyncExit(this.#codec.encode(event)), (data) => {
      const type = this.#tags.of(event)
      return { type: storedType(type, this.#latest(type)), data: data.toString() }
    })
  }

  decode(stored: Stored): Exit.Exit<E, EventProblem> {
    // A JSON codec is synchronous.
    if (this.#current.has(stored.type)) return Effect.runSyncExit(this.#codec.decode(stored.data))
    const { type, version } = typeOf(stored.type)
    const latest = this.#latest(type)
    if (version < latest) return this.#upcast(stored.data, this.#upcasters.get(type)?.slice(version - 1) ?? [])
    const isKnown = version === latest && (this.#tags.known?.has(type) ?? true)
    if (!isKnown) return Exit.fail({ _tag: "Unknown" })
    this.#current.add(stored.type)
    return this.decode(stored)
  }

  #latest(type: string): number {
    return (this.#upcasters.get(type)?.length ?? 0) + 1
  }

  #upcast(data: string, chain: ReadonlyArray<Upcaster>): Exit.Exit<E, EventProblem> {
    try {
      const current = chain.reduce((event, upcaster) => upcaster(event), JSON.parse(data) as unknown)
      return Effect.runSyncExit(this.#codec.decode(JSON.stringify(current)))
    } catch (thrown) {
      // What else is thrown may tell what the event holds.
      const why = thrown instanceof Misfit ? `: ${thrown.message}` : ""
      return Exit.fail({ _tag: "CodecError", path: [], reason: `an upcaster of its type refused it${why}` })
    }
  }
}

const versioned = /^(.*)@([1-9]\d{0,8})$/s

/** The first version has the bare tag, unless that would be read as something else. */
const storedType = (type: string, version: number): string =>
  version > 1 || versioned.test(type) || type === deletedType ? `${type}@${version}` : type

const typeOf = (stored: string): { readonly type: string; readonly version: number } => {
  const [, type, version] = versioned.exec(stored) ?? []
  return type === undefined ? { type: stored, version: 1 } : { type, version: Number(version) }
}
