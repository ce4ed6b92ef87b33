import { it } from "@effect/vitest"
import { Effect } from "effect"
import { compareAll } from "./compareAll.ts"
import { fillSqlite, onSqlite, openSqlite } from "./families.ts"

it.effect("SQLite answers every query as memory does", () =>
  Effect.flatMap(openSqlite, (db) =>
    compareAll({ keepsAll: true }, 400, (stored, codec) =>
      Effect.suspend(() => {
        fillSqlite(db, stored)
        return onSqlite(db, codec)
      })
    )
  )
)
