import { Schema } from "effect"

/** The state that is measured: a conversation, as agents keep it. */
export const Conversation = Schema.Struct({
  id: Schema.String,
  messages: Schema.Array(
    Schema.Struct({
      role: Schema.Literals(["user", "assistant"]),
      text: Schema.String,
      tokens: Schema.Number
    })
  )
})

export type Conversation = typeof Conversation.Type

/** A conversation of about `bytes` as JSON; another `i`, another conversation of the same size. */
export const conversation = (bytes: number, i = 0): Conversation => ({
  id: `thread-${i}`,
  messages: Array.from({ length: Math.max(1, Math.round(bytes / 125)) }, (_, n) => ({
    role: n % 2 === 0 ? "user" : "assistant",
    text: `turn ${n} of ${1_000_000 + i}: what we talked about, at the length of a short line of text`,
    tokens: 18 + (n % 7)
  }))
})

/** Conversations to take turns with, made beforehand: making them is not what is measured. */
export const conversations = (bytes: number): ((i: number) => Conversation) => {
  const all = Array.from({ length: bytes > 100_000 ? 4 : 64 }, (_, i) => conversation(bytes, i))
  const first = all[0] ?? conversation(bytes)
  return (i) => all[Math.abs(i) % all.length] ?? first
}
