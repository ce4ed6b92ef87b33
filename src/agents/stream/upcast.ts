import { Cause, Effect, Exit, type Schema } from "effect"
import { type CodecError, type Payload, toCodec } from "../../schema/Codec.ts"

/**
 * Makes of an event as one version of a type stored it the same event as the next version stores it: JSON in, JSON out, the tag
 * included. It must not change what it is given. What it throws is reported as `StateCorrupt`, with the position.
 */
export type Upcaster = (event: unknown) => unknown

/**
 * The upcasters of each type that has older versions: the first from version 1 to 2, the next from 2 to 3, and so on. New events
 * are stored as the version behind the last one. A type that is no longer in the schema ends as one that is.
 */
export type Upcasters = { readonly [type: string]: ReadonlyArray<Upcaster> }

/** An upcaster from the schema of one version to that of the next. */
export const upcast = <A, B>(
  from: Schema.Codec<A, unknown>,
  to: Schema.Codec<B, unknown>,
  f: (event: A) => B
): Upcaster => {
  const [old, next] = [toCodec(from), toCodec(to)]
  return (event) => {
    const text: Payload = orThrow(next.encode(f(orThrow(old.decode(JSON.stringify(event))))))
    return JSON.parse(text.toString())
  }
}

const orThrow = <A>(result: Effect.Effect<A, CodecError>): A => {
  // A JSON codec is synchronous.
  const exit = Effect.runSyncExit(Effect.mapError(result, ({ path, reason }) => new Misfit(path, reason)))
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}

/** An event that does not fit a schema of an upcaster. Its message holds nothing of it. */
export class Misfit extends Error {
  constructor(path: ReadonlyArray<PropertyKey>, reason: string) {
    super(path.length === 0 ? reason : `"${path.map(String).join(".")}": ${reason}`)
  }
}
