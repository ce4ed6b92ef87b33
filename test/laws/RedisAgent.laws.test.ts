import { it } from "@effect/vitest"
import { Laws } from "dgents/testing"
import { accounts, everything, kept, persons, synced, trees } from "./RedisAgent.subjects.ts"

Laws.suite(it, accounts)
Laws.suite(it, everything)
Laws.suite(it, persons)
Laws.suite(it, trees)
Laws.suite(it, synced)
Laws.suite(it, kept)
