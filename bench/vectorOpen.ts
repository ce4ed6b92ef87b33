/**
 * How long a memory with its index in a file takes to open, with its items in SQLite and nothing changed since it was saved.
 *
 *     npm run bench:open -- [ITEMS] [DIRECTORY]
 *
 * A line for each engine: medians of opens, each in a process of its own, and how many times reading the bytes of the index file
 * takes. What is in DIRECTORY is used again, so that a second run begins at once; without one, a temporary one is made and removed.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { NodeRuntime } from "@effect/platform-node"
import { Embedder, ExactEngine, SqlAgent, SqlDriver, VectorAgent } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Usearch } from "dgents/usearch"
import { Console, Effect, Schema } from "effect"
import { temporaryDirectory } from "./harness.ts"

const dimension = 384
const opens = 5
const addedAtOnce = 10_000

// How well the graph finds is of no matter here, and it is made in a fifth of the time.
const engines = { exact: ExactEngine.engine(), usearch: Usearch.engine({ expansionAdd: 16 }) } as const
type EngineName = keyof typeof engines

const Note = Schema.Struct({ text: Schema.String, at: Schema.Number })

/** Numbers from -1 to 1 that follow from a text. */
const vectorOf = (text: string): Float32Array => {
  let state = Math.imul(Number(text) + 1, 2_654_435_761)
  return Float32Array.from({ length: dimension }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return state / 2 ** 31
  })
}

const embedder = Embedder.fromFunction({
  identity: "numbers",
  dimension,
  embed: (texts) => Effect.succeed(texts.map(vectorOf))
})

const open = (directory: string, name: EngineName) =>
  Effect.gen(function* () {
    const driver = yield* SqliteDriver.make({ filename: join(directory, `${name}.db`) })
    const memory = yield* VectorAgent.make({
      name,
      schema: Note,
      text: (note) => note.text,
      items: (schema) => Effect.provideService(SqlAgent.family({ name, schema }), SqlDriver, driver),
      engine: yield* engines[name],
      index: { path: join(directory, `${name}.index`), every: Number.POSITIVE_INFINITY }
    })
    return memory
  }).pipe(Effect.provideService(Embedder.Embedder, embedder))

const fill = (directory: string, name: EngineName, items: number) =>
  Effect.gen(function* () {
    const memory = yield* open(directory, name)
    for (let first = yield* memory.size; first < items; first += addedAtOnce) {
      const count = Math.min(addedAtOnce, items - first)
      yield* memory.addMany(
        Array.from({ length: count }, (_, i) => [`note-${first + i}`, { text: `${first + i}`, at: i }] as const)
      )
    }
  }).pipe(Effect.scoped)

interface Figures {
  readonly open: number
  readonly processor: number
  readonly search: number
  readonly raw: number
  readonly bytes: number
}

const measure = (directory: string, name: EngineName) =>
  Effect.gen(function* () {
    const [before, begun] = [process.cpuUsage(), performance.now()]
    const memory = yield* open(directory, name)
    const opened = performance.now()
    const { system, user } = process.cpuUsage(before)
    yield* memory.search({ text: "1", k: 10 })
    const searched = performance.now()
    const bytes = readFileSync(join(directory, `${name}.index`)).length
    const figures: Figures = {
      open: opened - begun,
      processor: (user + system) / 1000,
      search: searched - opened,
      raw: performance.now() - searched,
      bytes
    }
    yield* Console.log(JSON.stringify(figures))
  }).pipe(Effect.scoped)

const median = (of: ReadonlyArray<number>): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? Number.NaN

const all = (directory: string, items: number) =>
  Effect.gen(function* () {
    for (const name of ["exact", "usearch"] as const) {
      if (!existsSync(join(directory, `${name}.index`))) yield* fill(directory, name, items)
      const found = Array.from({ length: opens }, (): Figures => {
        const flags = ["--conditions=@dgents/source", fileURLToPath(import.meta.url), "one", directory, name]
        return JSON.parse(execFileSync(process.execPath, flags, { encoding: "utf8" }))
      })
      const of = (which: keyof Figures) => median(found.map((figures) => figures[which]))
      const spread = found.map((figures) => Math.round(figures.open)).join(", ")
      yield* Console.log(
        `${name}: ${items} x ${dimension} open in ${of("open").toFixed(0)} ms (${spread}), ${of("processor").toFixed(0)} ms of the processor, ` +
          `${(of("open") / of("raw")).toFixed(1)} times reading ${(of("bytes") / 2 ** 20).toFixed(0)} MiB (${of("raw").toFixed(0)} ms); the first search ${of("search").toFixed(1)} ms`
      )
    }
  })

const [first = "100000", given, name] = process.argv.slice(2)

const program = Effect.gen(function* () {
  if (first === "one" && given !== undefined) return yield* measure(given, name === "exact" ? "exact" : "usearch")
  if (given !== undefined) mkdirSync(given, { recursive: true })
  yield* all(given ?? (yield* temporaryDirectory), Number(first))
}).pipe(Effect.scoped)

NodeRuntime.runMain(program)
