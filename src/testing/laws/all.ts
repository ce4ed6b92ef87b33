import type { Law } from "../internal/world.ts"
import { aliasing, aliasingOfChanges } from "./aliasing.ts"
import { changes, changesAcross } from "./changes.ts"
import { opens } from "./claims.ts"
import { closed } from "./closed.ts"
import { corruption } from "./corruption.ts"
import { counter, counterAcrossInstances, race } from "./counter.ts"
import { crash, crashInShortScripts } from "./crash.ts"
import { evolution } from "./evolution.ts"
import { familyKeys, familyScripts } from "./family.ts"
import { honest, requests } from "./faults.ts"
import { hostile } from "./hostile.ts"
import { interruption } from "./interrupt.ts"
import { ioFaults, ioScripts } from "./ioFaults.ts"
import { kill } from "./kill.ts"
import { leaks } from "./leaks.ts"
import { linearizable, linearizableLong } from "./linearizable.ts"
import { processCounter, processes } from "./processes.ts"
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
  leaks,
  changes,
  changesAcross,
  interruption,
  counter,
  counterAcrossInstances,
  race,
  linearizable,
  linearizableLong,
  hostile,
  familyScripts,
  familyKeys,
  evolution,
  corruption,
  honest,
  requests,
  ioScripts,
  ioFaults,
  crashInShortScripts,
  crash,
  kill,
  processes,
  processCounter
]
