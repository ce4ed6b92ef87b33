import { Option, Schema } from "effect"

/** All that repeats one case: the law, the settings that its generators depend on, and the path of the shrinker. */
const Token = Schema.fromJsonString(
  Schema.Struct({
    subject: Schema.String,
    law: Schema.String,
    budget: Schema.Literals(["quick", "ci", "soak"]),
    seed: Schema.Number,
    case: Schema.String
  })
)

export type Token = typeof Token.Type

/** A token as text that is safe in a shell and in a URL. */
export const format = (token: Token): string => {
  const { subject, law, budget, seed } = token
  return Buffer.from(JSON.stringify({ subject, law, budget, seed, case: token.case })).toString("base64url")
}

/** A token from text; `null` when it is none. */
export const parse = (text: string): Token | null =>
  Option.getOrNull(Schema.decodeUnknownOption(Token)(Buffer.from(text, "base64url").toString("utf8")))
