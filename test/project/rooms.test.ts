import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"
import { check, print } from "../../scripts/rooms.ts"

/** What is found in a repository of these files. */
const found = (files: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const root = mkdtempSync(join(tmpdir(), "dgents-rooms-"))
  try {
    for (const [path, source] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), source)
    }
    return check(root).map(print)
  } finally {
    rmSync(root, { recursive: true })
  }
}

it("this repository keeps its rooms", () => {
  expect(check(fileURLToPath(new URL("../..", import.meta.url))).map(print)).toEqual([])
})

it("imports that go the right way are left alone", () => {
  expect(
    found({
      "src/index.ts": `export * as SqlAgent from "./agents/SqlAgent.ts"\nexport * as Cached from "./compose/Cached.ts"`,
      "src/sqlite.ts": `export { sqlite } from "./agents/sql/sqlite/driver.ts"`,
      "src/agents/SqlAgent.ts": `import { render } from "./sql/render.ts"\nimport { json } from "../schema/Codec.ts"`,
      "src/agents/sql/sqlite/driver.ts": `import Database from "better-sqlite3"\nimport { readFileSync } from "node:fs"`,
      "src/agents/sql/render.ts": `import { Effect } from "effect"`,
      "src/agents/shared/path.ts": "export const path = 1",
      "src/agents/PersistentAgent.ts": `import { path } from "./shared/path.ts"`,
      "src/compose/Cached.ts": `import * as SqlAgent from "../agents/SqlAgent.ts"\nimport { Optic } from "effect"`,
      "src/testing/Laws.ts": `import { Arbitrary } from "effect"\nimport { json } from "../schema/Codec.ts"`
    })
  ).toEqual([])
})

it("an import that goes up is found, with its file, line and rule", () => {
  expect(
    found({
      "src/schema/Codec.ts": `\n\nimport type { Claims } from "../agents/Claims.ts"`,
      "src/agents/Claims.ts": `import "../compose/Cached.ts"`,
      "src/compose/Cached.ts": `export * from "../testing/Laws.ts"`,
      "src/testing/Laws.ts": `import "../compose/Cached.ts"\nimport "../index.ts"\nimport "../../test/helper.ts"`
    })
  ).toEqual([
    'src/agents/Claims.ts:1: imports "../compose/Cached.ts": agents imports schema only',
    'src/compose/Cached.ts:1: imports "../testing/Laws.ts": compose imports agents and schema only',
    'src/schema/Codec.ts:3: imports "../agents/Claims.ts": schema imports no other room',
    'src/testing/Laws.ts:1: imports "../compose/Cached.ts": testing imports agents and schema only',
    'src/testing/Laws.ts:2: imports "../index.ts": a room imports no entry',
    'src/testing/Laws.ts:3: imports "../../test/helper.ts": src imports nothing outside src'
  ])
})

it("a type taken by import() in a type position is an import", () => {
  expect(found({ "src/schema/Codec.ts": `export type A = import("../agents/Claims.ts").Claims` })).toEqual([
    'src/schema/Codec.ts:1: imports "../agents/Claims.ts": schema imports no other room'
  ])
})

it("primitives do not import each other, and what they share imports none of them", () => {
  expect(
    found({
      "src/agents/SqlAgent.ts": `import "./VolatileAgent.ts"\nimport "./redis/script.ts"`,
      "src/agents/RedisAgent.ts": `import "./redis/script.ts"`,
      "src/agents/VolatileAgent.ts": `import "./DataAgent.ts"`,
      "src/agents/redis/script.ts": `import "../SqlAgent.ts"`,
      "src/agents/Family.ts": `import "./VolatileAgent.ts"`
    })
  ).toEqual([
    'src/agents/Family.ts:1: imports "./VolatileAgent.ts": what all primitives share imports none of them',
    'src/agents/SqlAgent.ts:1: imports "./VolatileAgent.ts": no primitive imports another one',
    'src/agents/SqlAgent.ts:2: imports "./redis/script.ts": no primitive imports another one',
    'src/agents/redis/script.ts:1: imports "../SqlAgent.ts": no primitive imports another one'
  ])
})

it("what a storage is asked for is a contract, which every primitive may import, and those who do it are not", () => {
  expect(
    found({
      "src/agents/SqlAgent.ts": "",
      "src/agents/StreamAgent.ts": "",
      "src/agents/stream/sql/SqlLog.ts": `import "../../sql/Engine.ts"\nimport "../../sql/SqlDriver.ts"\nimport "../../sql/store.ts"`,
      "src/agents/sql/Engine.ts": `import type { Log } from "../stream/Log.ts"\nimport "../stream/sql/SqlLog.ts"`
    })
  ).toEqual([
    'src/agents/sql/Engine.ts:2: imports "../stream/sql/SqlLog.ts": no primitive imports another one',
    'src/agents/stream/sql/SqlLog.ts:3: imports "../../sql/store.ts": no primitive imports another one'
  ])
})

it("a driver is imported only behind its own entry, and unknown packages nowhere", () => {
  expect(
    found({
      "src/agents/SqlAgent.ts": `const { default: D } = await import("better-sqlite3")\nimport "left-pad/sub"`,
      "src/agents/redis/client.ts": `import type { Redis } from "ioredis"`,
      "src/postgres.ts": `import pg from "pg"\nconst name = "pg"\nconst again = await import(name)`
    })
  ).toEqual([
    'src/agents/SqlAgent.ts:2: imports "left-pad/sub": src imports effect, node: modules and the known drivers only',
    'src/agents/SqlAgent.ts:1: imports "better-sqlite3": better-sqlite3 is imported under src/agents/sql/sqlite/ and src/sqlite.ts only',
    'src/postgres.ts:3: imports "(computed: name)": src imports effect, node: modules and the known drivers only'
  ])
})

it("the index reaches neither a driver nor test code, however long the way", () => {
  expect(
    found({
      "src/index.ts": `export * from "./sqlite.ts"\nexport * from "./testing/Laws.ts"`,
      "src/sqlite.ts": `export * from "./agents/sql/sqlite/driver.ts"`,
      "src/agents/sql/sqlite/driver.ts": `import "better-sqlite3/linux-x64"`,
      "src/testing/Laws.ts": ""
    })
  ).toEqual([
    'src/index.ts:2: imports "./testing/Laws.ts": the index reaches no test code (reached by src/index.ts)',
    'src/agents/sql/sqlite/driver.ts:1: imports "better-sqlite3/linux-x64": the index reaches no driver ' +
      "(reached by src/index.ts > src/sqlite.ts > src/agents/sql/sqlite/driver.ts)"
  ])
  expect(
    found({
      "src/index.ts": `export * from "./agents/sql/sqlite/driver.ts"`,
      "src/agents/sql/sqlite/driver.ts": `export const open = () => import("better-sqlite3")`
    })
  ).toEqual([])
})

it("a module that Effect marks unstable is imported by one file", () => {
  const jit = 'import * as Jit from "effect/schema/SchemaJITCompiler"'
  const graph = 'import { Effect, Graph } from "effect"'
  const rule = (module: string) => `effect marks ${module} unstable, and only one file imports such a module`
  expect(
    found({
      "src/schema/a.ts": `${jit}\n${graph}`,
      "src/schema/b.ts": jit,
      "src/schema/c.ts": `${jit}\nimport { Effect, Schema, FileSystem } from "effect"`,
      "src/schema/d.ts": `import { FileSystem } from "effect"`,
      "src/schema/e.ts": `import type * as Graph from "effect/Graph"`
    })
  ).toEqual([
    ...["a", "b", "c"].map(
      (file) =>
        `src/schema/${file}.ts:1: imports "effect/schema/SchemaJITCompiler": ${rule("schema/SchemaJITCompiler")}`
    ),
    `src/schema/a.ts:2: imports "effect": ${rule("Graph")}`,
    `src/schema/e.ts:1: imports "effect/Graph": ${rule("Graph")}`
  ])
})
