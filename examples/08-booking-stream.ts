// A booking as a fold over what happened. Any earlier state can be asked for, a question that nobody thought of is answered by a
// fold that comes later, and the audit trail is the data itself.
import { MemoryLog, StreamAgent } from "dgents"
import { Console, Effect, Schema, Stream } from "effect"

const Event = Schema.Union([
  Schema.TaggedStruct("Requested", { traveller: Schema.String, city: Schema.String }),
  Schema.TaggedStruct("Offered", { by: Schema.String, hotel: Schema.String, price: Schema.Number }),
  Schema.TaggedStruct("Booked", { hotel: Schema.String }),
  Schema.TaggedStruct("Cancelled", { reason: Schema.String })
])

const Booking = Schema.Struct({
  city: Schema.String,
  offers: Schema.Record(Schema.String, Schema.Number),
  booked: Schema.NullOr(Schema.String)
})

const bookings = {
  name: "bookings",
  events: Event,
  state: Booking,
  initial: { city: "", offers: {}, booked: null },
  fold: (booking: typeof Booking.Type, event: typeof Event.Type): typeof Booking.Type => {
    if (event._tag === "Requested") return { ...booking, city: event.city }
    if (event._tag === "Offered") return { ...booking, offers: { ...booking.offers, [event.hotel]: event.price } }
    return { ...booking, booked: event._tag === "Booked" ? event.hotel : null }
  }
}

export const program = Effect.gen(function* () {
  const trip = (yield* StreamAgent.family(bookings)).at("ada/lisbon")
  yield* trip.append({ _tag: "Requested", traveller: "Ada", city: "Lisbon" })
  yield* trip.append([
    { _tag: "Offered", by: "agent-1", hotel: "Tejo", price: 120 },
    { _tag: "Offered", by: "agent-2", hotel: "Alfama", price: 90 }
  ])
  const hotel = yield* trip.decide(({ offers }) => {
    const [cheapest = "none"] = Object.keys(offers).sort((a, b) => (offers[a] ?? 0) - (offers[b] ?? 0))
    return Effect.succeed([cheapest, [{ _tag: "Booked" as const, hotel: cheapest }]] as const)
  })
  yield* trip.append({ _tag: "Cancelled", reason: "rain" }, { id: "cancel-1" })
  yield* trip.append({ _tag: "Cancelled", reason: "rain" }, { id: "cancel-1" }) // a retry: nothing is appended
  yield* Console.log(`booked ${hotel}, now ${(yield* trip.load).booked}, then ${(yield* trip.at(4)).state.booked}`)

  const perAgent = yield* StreamAgent.projection(trip, {
    name: "offers by agent",
    state: Schema.Record(Schema.String, Schema.Number),
    initial: {},
    fold: (counts, event) =>
      event._tag === "Offered" ? { ...counts, [event.by]: (counts[event.by] ?? 0) + 1 } : counts
  })
  yield* Console.log("added later:", yield* perAgent.load)
  yield* Stream.runForEach(trip.history(), ({ event, position, state }) =>
    Console.log(`${position} ${event._tag}: ${state.booked ?? "nothing booked"}`)
  )
}).pipe(Effect.scoped, Effect.provide(MemoryLog.layer))

if (import.meta.main) await Effect.runPromise(program)
