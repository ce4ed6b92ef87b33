/** The events that are stored, and the state that they fold to. */
import { Schema } from "effect"

export const Event = Schema.Union([
  Schema.TaggedStruct("Deposited", { account: Schema.String, amount: Schema.Number }),
  Schema.TaggedStruct("Withdrawn", { account: Schema.String, amount: Schema.Number })
])
export type Event = typeof Event.Type

export const State = Schema.Struct({ balance: Schema.Number, events: Schema.Number })
export type State = typeof State.Type

export const initial: State = { balance: 0, events: 0 }

export const fold = ({ balance, events }: State, { _tag, amount }: Event): State => ({
  balance: _tag === "Deposited" ? balance + amount : balance - amount,
  events: events + 1
})

export const eventOf = (i: number): Event => ({
  _tag: i % 3 === 0 ? "Withdrawn" : "Deposited",
  account: `account-${i}`,
  amount: i
})
