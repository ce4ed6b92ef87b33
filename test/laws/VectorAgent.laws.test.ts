// The vector laws. With the `it` of vitest itself, since that of `@effect/vitest` has another clock.
import { Laws } from "dgents/testing"
import { it } from "vitest"
import { subjects } from "./VectorAgent.subjects.ts"

for (const subject of await subjects()) Laws.vectorSuite(it, subject)
