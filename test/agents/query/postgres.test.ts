import { expect, it } from "@effect/vitest"
import { Query } from "dgents"
import { Effect, Schema } from "effect"
import { compareAll } from "./compareAll.ts"
import { fillPostgres, inMemory, onPostgres, openPostgres } from "./families.ts"

// JSONB holds no NUL and no lone surrogate, and knows no -0: what becomes of them is the next test's.
it.effect("Postgres answers every query as memory does", () =>
  Effect.flatMap(openPostgres, (client) =>
    compareAll({ keepsAll: false }, 150, (stored, codec) =>
      Effect.andThen(
        Effect.promise(() => fillPostgres(client, stored)),
        onPostgres(client, codec)
      )
    )
  )
)

it.effect("what JSONB cannot hold is selected as it was saved, and compares as U+FFFD", () =>
  Effect.gen(function* () {
    const client = yield* openPostgres
    const Note = Schema.Struct({
      text: Schema.String,
      zero: Schema.Number,
      more: Schema.Record(Schema.String, Schema.Number)
    })
    const note = (text: string) => ({ text, zero: -0, more: { "\\": -0, "\n": 1, "": 2 } })
    const texts = ["a\0b", "a\ud800b", "\\u0000", "\ufffd"]
    const saved = texts.map((text, i) => [`k${i}`, note(text)] as const)
    // Sound: queries are about states of any type.
    const { family, stored } = yield* inMemory(Note as unknown as Schema.Codec<unknown, unknown>, [
      ...saved,
      ["k\0", note("NUL")],
      ["k\u0001", note("one")]
    ])
    yield* Effect.promise(() => fillPostgres(client, stored))
    const pushed = (yield* onPostgres(client, family.codec)) as unknown as Parameters<
      typeof Query.run<typeof Note.Type>
    >[0]
    const rows = yield* Query.run(pushed, {
      select: (p, row) => ({ key: row.key, state: p, text: p.text, zero: p.zero, more: p.more })
    })
    expect(rows).toStrictEqual(
      [["k\0", note("NUL")] as const, ["k\u0001", note("one")] as const, ...saved].map(([key, state]) => ({
        key,
        state,
        ...state
      }))
    )
    const found = (where: (p: Query.Fields<typeof Note.Type>, row: Query.Row) => Query.Predicate) =>
      Effect.map(Query.run(pushed, { where, select: (_p, row) => row.key }), (keys) => keys.join())
    expect(yield* found((p) => Query.eq(p.text, "a\0b"))).toBe("k0,k1")
    expect(yield* found((p) => Query.eq(p.text, "\\u0000"))).toBe("k2")
    expect(yield* found((p) => Query.eq(p.zero, 0))).toBe("k\0,k\u0001,k0,k1,k2,k3")
    expect(yield* found((_p, row) => Query.eq(row.key, "k\0"))).toBe("k\0")
    expect(yield* found((_p, row) => Query.and(Query.startsWith(row.key, "k"), Query.lt(row.key, "k0")))).toBe(
      "k\0,k\u0001"
    )
    expect(yield* Query.aggregate(pushed, { select: (_p, row) => ({ first: Query.min(row.key) }) })).toEqual({
      first: "k\0"
    })
  })
)
