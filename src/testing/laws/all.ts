import type { Law } from "../internal/world.ts"
import { aliasing, aliasingOfChanges } from "./aliasing.ts"
import { changes } from "./changes.ts"
import { opens } from "./claims.ts"
import { closed } from "./closed.ts"
import { corruption } from "./corruption.ts"
import { counter, counterAcrossInstances, race } from "./counter.ts"
import { familyKeys, familyScripts } from "./family.ts"
import { hostile } from "./hostile.ts"
import { interruption } from "./interrupt.ts"
import { reopen, roundTrip } from "./roundTrip.ts"
import { scripts } from "./script.ts"

/** Every law, cheap and telling ones first. */
export const all: ReadonlyArray<Law> = [
  opens,
  roundTrip,
  reopen,
  scripts,
  aliasing,
  aliasingOfChanges,
  closed,
  changes,
  interruption,
  counter,
  counterAcrossInstances,
  race,
  hostile,
  familyScripts,
  familyKeys,
  corruption
]
