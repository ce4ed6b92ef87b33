/** Three versions of a profile, and the steps between them. */
import { Migration } from "dgents"
import { Schema } from "effect"

export const V1 = Schema.Struct({ name: Schema.String, born: Schema.Date })
export const V2 = Schema.Struct({ first: Schema.String, last: Schema.String, born: Schema.Date })
export const V3 = Schema.Struct({
  first: Schema.String,
  last: Schema.String,
  born: Schema.Date,
  tags: Schema.Array(Schema.String)
})

export type V1 = typeof V1.Type
export type V2 = typeof V2.Type
export type V3 = typeof V3.Type

export const first = Migration.from(1, V1)

export const second = Migration.to(first, 2, V2, {
  up: ({ born, name }) => {
    const [first = "", ...rest] = name.split(" ")
    return { first, last: rest.join(" "), born }
  },
  down: ({ born, first, last }) => ({ name: `${first} ${last}`, born })
})

export const third = second.pipe(
  Migration.to(3, V3, { up: (profile) => ({ ...profile, tags: [] }), down: ({ tags: _, ...profile }) => profile })
)
