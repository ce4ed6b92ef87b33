import { Effect, Exit } from "effect"
import { bind, type Codec, type CodecError, isCurrent, type Payload, type Place } from "../Codec.ts"

/** A payload of the codec below, and whether it was stored as the layer stores now. */
export interface Opened {
  readonly payload: Payload
  readonly isCurrent: boolean
}

/** What is done to the payloads of a codec. */
export interface Layer {
  /** Is added to the name of the format. */
  readonly name: string
  /** Whether payloads are bound to the place of their state. */
  readonly isBound: boolean
  readonly seal: (payload: Payload, place: Place | undefined) => Effect.Effect<Payload, CodecError>
  readonly open: (payload: Payload, place: Place | undefined) => Effect.Effect<Opened, CodecError>
}

/** A codec whose payloads go through a layer. */
export const over = <S>(below: Codec<S>, layer: Layer, place?: Place): Codec<S> => ({
  schema: below.schema,
  format: `${below.format}+${layer.name}`,
  fingerprint: below.fingerprint,
  encode: (state) => Effect.flatMapEager(below.encode(state), (payload) => layer.seal(payload, place)),
  decode: (payload) => Effect.flatMapEager(layer.open(payload, place), (opened) => below.decode(opened.payload)),
  validate: below.validate,
  isCurrent: (payload) =>
    Effect.flatMapEager(layer.open(payload, place), (opened) =>
      opened.isCurrent ? isCurrent(below, opened.payload) : Exit.succeed(false)
    ),
  at: layer.isBound || below.at !== undefined ? (place) => over(bind(below, place), layer, place) : undefined
})
