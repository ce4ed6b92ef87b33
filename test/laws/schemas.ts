/** State schemas that between them hold every kind of value the codecs promise to keep. */
import { Schema } from "effect"

export const Account = Schema.Struct({
  owner: Schema.String,
  balance: Schema.Number,
  opened: Schema.Date,
  note: Schema.optionalKey(Schema.NullOr(Schema.String)),
  tags: Schema.Array(Schema.String)
})

export const Rich = Schema.Struct({
  number: Schema.Number,
  text: Schema.String,
  date: Schema.Date,
  big: Schema.BigInt,
  blobs: Schema.ReadonlyMap(Schema.String, Schema.Uint8Array),
  seen: Schema.ReadonlySet(Schema.Number),
  scores: Schema.Record(Schema.String, Schema.Number),
  maybe: Schema.Option(Schema.Date)
})

export class Person extends Schema.Class<Person>("Person")({
  name: Schema.String,
  born: Schema.Date,
  friends: Schema.Array(Schema.String)
}) {}

export interface Tree {
  readonly value: number
  readonly children: ReadonlyArray<Tree>
}

export const Tree = Schema.Struct({
  value: Schema.Number,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})
