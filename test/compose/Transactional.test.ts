import { expect, it } from "@effect/vitest"
import {
  type DataAgent,
  EntropyConstrained,
  Focused,
  Observed,
  PersistentAgent,
  Retrying,
  Revision,
  SqlAgent,
  SqlDriver,
  type SqlDriverService,
  type SqlEngine,
  Transactional,
  VolatileAgent
} from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Deferred, Effect, Exit, Fiber, FileSystem, Layer, Optic, Option, Schema, Stream } from "effect"
import { NodeFileSystem } from "@effect/platform-node"
import { following } from "../agents/following.ts"
import * as MapEngine from "../agents/sql/MapEngine.ts"
import { tempFile } from "../agents/sql/temp.ts"
import { Counter } from "./support.ts"
