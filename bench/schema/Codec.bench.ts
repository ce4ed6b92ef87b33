import { Codec } from "dgents"
import { Effect } from "effect"
import { bench } from "../harness.ts"
import { Conversation, conversations } from "../states.ts"

const codec = Codec.json(Conversation)

for (const [size, bytes] of [
  ["1 KB", 1_000],
  ["100 KB", 100_000]
] as const) {
  const next = conversations(bytes)
  const text = JSON.stringify(next(0))
  bench(
    `codec/encode ${size}, against JSON.stringify`,
    Effect.succeed({ ours: (i) => codec.encode(next(i)), raw: (i) => JSON.stringify(next(i)) })
  )
  bench(
    `codec/decode ${size}, against JSON.parse`,
    Effect.succeed({ ours: () => codec.decode(text), raw: () => JSON.parse(text) })
  )
}
