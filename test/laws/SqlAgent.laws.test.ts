import { it } from "@effect/vitest"
import { Laws } from "dgents/testing"
import { accounts, deltas, everything, persons, recent, trees } from "./SqlAgent.subjects.ts"

Laws.suite(it, accounts)
Laws.suite(it, deltas)
Laws.suite(it, everything)
Laws.suite(it, persons)
Laws.suite(it, recent)
Laws.suite(it, trees)
