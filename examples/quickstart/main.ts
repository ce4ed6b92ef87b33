// A small assistant over a folder of text and Markdown files: offline, no server, and it remembers.
//
//   npm run quickstart                                   reads this project's own documentation
//   npm run quickstart -- --folder ~/notes "a question"  another folder; answers and ends
//   npm run quickstart -- --inspect                      shows what is stored
import { mkdirSync, statSync } from "node:fs"
import * as Path from "node:path"
import * as Readline from "node:readline/promises"
import { parseArgs } from "node:util"
import { NodeFileSystem, NodeRuntime } from "@effect/platform-node"
import { Embedder } from "dgents"
import { SqliteDriver } from "dgents/sqlite"
import { Console, Effect } from "effect"
import { type Assistant, makeAssistant } from "./assistant.ts"
import { ingest, type Progress } from "./ingest.ts"
import { inspect } from "./inspect.ts"
import { openMemory } from "./memory.ts"

const usage = "usage: npm run quickstart -- [--folder DIR] [--data FILE] [--inspect] [question]"

const showProgress = ({ files, of, passages }: Progress) =>
  Effect.sync(() => {
    if (!process.stderr.isTTY) return
    const bar = "#".repeat(Math.round((files / of) * 30)).padEnd(30)
    process.stderr.write(`\r[${bar}] ${files}/${of} files, ${passages} passages${files === of ? "\n" : ""}`)
  })

const answer = (assistant: Assistant, question: string) =>
  Effect.gen(function* () {
    const start = performance.now()
    const { earlier, hits, number } = yield* assistant.ask(question)
    const millis = Math.round(performance.now() - start)
    if (earlier !== undefined) {
      yield* Console.log(`(You asked "${earlier.question}" on ${earlier.askedAt.toLocaleString()}.)`)
    }
    for (const { item, score } of hits) {
      yield* Console.log(`\n${score.toFixed(2)}  ${item.file}:${item.line}`)
      yield* Console.log(item.text.replace(/^/gm, "      "))
    }
    yield* Console.log(hits.length === 0 ? "Nothing here shares a word with that." : `\n(turn ${number}, ${millis} ms)`)
  })

const askInALoop = (assistant: Assistant) =>
  Effect.gen(function* () {
    const lines = yield* Effect.acquireRelease(
      Effect.sync(() => Readline.createInterface({ input: process.stdin, output: process.stdout })),
      (lines) => Effect.sync(() => lines.close())
    )
    while (true) {
      const question = yield* Effect.promise((signal) => lines.question("\nask> ", { signal }).catch(() => ""))
      if (question.trim() === "") return
      yield* answer(assistant, question)
    }
  }).pipe(Effect.scoped)

const options = {
  folder: { type: "string" },
  data: { type: "string" },
  inspect: { type: "boolean" },
  help: { type: "boolean" }
} as const

const main = Effect.gen(function* () {
  const { positionals, values } = yield* Effect.try({
    try: () => parseArgs({ allowPositionals: true, options }),
    // What is wrong comes first in what Node says; advice on how to quote follows, on lines of its own.
    catch: (error) => `${error instanceof Error ? error.message.split(/\.\s|\n/, 1)[0] : String(error)}; ${usage}`
  })
  if (values.help === true) return yield* Console.log(usage)
  const folder = Path.resolve(values.folder ?? "docs")
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return yield* Effect.fail(`${folder} is not a folder; ${usage}`)
  }
  // One memory a folder.
  const file = Path.resolve(values.data ?? `.dgents/${folder.replace(/[^\w-]+/g, "_")}.db`)
  yield* Effect.try({
    try: () => mkdirSync(Path.dirname(file), { recursive: true }),
    catch: (error) => `the directory of ${file} cannot be made: ${String(error)}`
  })

  const program = Effect.gen(function* () {
    const memory = yield* openMemory
    if (values.inspect === true) return yield* inspect(memory)

    const start = performance.now()
    const { files, passages, removed } = yield* ingest(memory, folder, showProgress)
    const seconds = (performance.now() - start) / 1000
    yield* Console.log(
      `${folder}: ${files} files, ${yield* memory.passages.size} passages; read ${passages} new, forgot ${removed} files, in ${seconds.toFixed(1)} s`
    )
    const turns = (yield* memory.conversation.load).forgotten + (yield* memory.questions.size)
    if (turns > 0) yield* Console.log(`I remember ${turns} questions that you asked before.`)

    const assistant = makeAssistant(memory)
    const question = positionals.join(" ")
    if (question.trim() !== "") yield* answer(assistant, question)
    else if (process.stdin.isTTY) yield* askInALoop(assistant)
    else yield* Console.log(`Ask with: npm run quickstart -- "how do I test my own agent?"`)
  })
  yield* Effect.provide(program, [
    SqliteDriver.layer({ filename: file }),
    Embedder.layerLexical(),
    NodeFileSystem.layer
  ])
}).pipe(
  Effect.scoped,
  Effect.catch((error) =>
    Effect.sync(() => {
      // One sentence, not a stack trace: errors of dgents say what happened, where, and what to do next.
      console.error(typeof error === "string" ? error : error.message)
      process.exitCode = 1
    })
  )
)

NodeRuntime.runMain(main)
