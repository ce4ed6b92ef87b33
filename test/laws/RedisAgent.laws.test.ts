import { it } from "@effect/vitest"
import { Laws } from "dgents/testing"
import { accounts, everything, persons, trees } from "./RedisAgent.subjects.ts"

Laws.suite(it, accounts)
Laws.suite(it, everything)
Laws.suite(it, persons)
Laws.suite(it, trees)
