import { it } from "@effect/vitest"
import { Laws } from "dgents/testing"
import { persons } from "./SqlAgentPglite.subjects.ts"

Laws.suite(it, persons)
