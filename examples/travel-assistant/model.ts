// What the assistant keeps.
import { Migration, type StreamAgent } from "dgents"
import { Schema } from "effect"

/** As the program of last year stored it. */
export const ProfileV1 = Schema.Struct({ name: Schema.String, email: Schema.String })

export const Profile = Schema.Struct({
  name: Schema.String,
  email: Schema.String,
  homeCity: Schema.NullOr(Schema.String),
  preferences: Schema.Record(Schema.String, Schema.String),
  lastSeen: Schema.NullOr(Schema.Date)
})
export type Profile = typeof Profile.Type

export const profileVersions = Migration.from(1, ProfileV1).pipe(
  Migration.to(2, Profile, { up: (profile) => ({ ...profile, homeCity: null, preferences: {}, lastSeen: null }) })
)

export const Message = Schema.Struct({ at: Schema.Date, from: Schema.String, text: Schema.String })
export const Conversation = Schema.Struct({ messages: Schema.Array(Message) })
export type Conversation = typeof Conversation.Type

/** A question that was asked of the providers. */
export const Search = Schema.Struct({ user: Schema.String, route: Schema.String, at: Schema.Date })

/** What a provider answered, as long as it is good. */
export const Offers = Schema.Struct({
  until: Schema.Date,
  flights: Schema.Array(Schema.Struct({ flight: Schema.String, price: Schema.Finite }))
})

export const Session = Schema.Struct({ user: Schema.String, device: Schema.String, until: Schema.Date })

export const Trip = Schema.Struct({ user: Schema.String, city: Schema.String, notes: Schema.String })

export const BookingEvent = Schema.Union([
  Schema.TaggedStruct("Booked", { flight: Schema.String, route: Schema.String, price: Schema.Finite }),
  Schema.TaggedStruct("Moved", { flight: Schema.String, price: Schema.Finite }),
  Schema.TaggedStruct("Cancelled", { reason: Schema.String })
])
export const Booking = Schema.Struct({
  flight: Schema.NullOr(Schema.String),
  route: Schema.String,
  price: Schema.Finite,
  changes: Schema.Int
})

export const bookings: StreamAgent.FamilyOptions<typeof BookingEvent.Type, typeof Booking.Type> = {
  name: "bookings",
  events: BookingEvent,
  state: Booking,
  initial: { flight: null, route: "", price: 0, changes: 0 },
  fold: (booking, event) => {
    const changes = booking.changes + 1
    switch (event._tag) {
      case "Booked":
        return { flight: event.flight, route: event.route, price: event.price, changes }
      case "Moved":
        return { ...booking, flight: event.flight, price: event.price, changes }
      case "Cancelled":
        return { ...booking, flight: null, price: 0, changes }
    }
  }
}
