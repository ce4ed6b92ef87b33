// A process that saves where there is no room, or where it may not; prints what came of it.
import { chmodSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { type DataAgent, PersistentAgent, type StateError } from "dgents"
import { Effect, type FileSystem, Schema, type Scope, Stream } from "effect"

const [mode = "", directory = "", sharing = "process"] = process.argv.slice(2)
if (mode.endsWith("-nobody")) {
  process.setgid?.(65534)
  process.setuid?.(65534)
}

const path = join(directory, "state.json")
const options = { path, schema: Schema.String, sharing: sharing === "host" ? "host" : "process" } as const
const large = "x".repeat(1_000_000)

const errorOf = (effect: Effect.Effect<unknown, StateError.StateError>) =>
  Effect.map(Effect.flip(effect), (error) => ({ ...error, _tag: error._tag, cause: undefined }))

const full = Effect.gen(function* () {
  const agent = yield* PersistentAgent.make({ ...options, history: "full" })
  yield* agent.save("small")
  const error = yield* errorOf(agent.save(large))
  const after = yield* agent.load
  const history = yield* Stream.runCollect(agent.history())
  // Until nothing fits any more, history included.
  const grown = yield* errorOf(Effect.forever(agent.update((text) => text + "y".repeat(5_000))))
  yield* agent.delete
  yield* agent.save("small again")
  const temps = readdirSync(directory).filter((name) => name.endsWith(".tmp"))
  return {
    error,
    after,
    history: history.map(({ state }) => state),
    large: grown._tag,
    retry: yield* agent.load,
    temps
  }
})

const write = Effect.gen(function* () {
  yield* (yield* PersistentAgent.make(options)).save("small")
  return {}
})

const read = Effect.gen(function* () {
  const agent: DataAgent.DataAgent<string> = yield* PersistentAgent.make(options)
  const loaded = yield* agent.load
  const save = yield* errorOf(agent.save("other"))
  const remove = yield* errorOf(agent.delete)
  const again = yield* agent.load
  chmodSync(directory, 0o755)
  yield* agent.save("other")
  const later = "saved"
  const locked = join(directory, "locked")
  mkdirSync(locked)
  chmodSync(locked, 0o000)
  const unreadable = yield* errorOf(
    Effect.provide(
      Effect.scoped(PersistentAgent.make({ ...options, path: join(locked, "state.json") })),
      NodeServices.layer
    )
  )
  chmodSync(locked, 0o755)
  return { loaded, save, remove, again, later, unreadable }
})

const program = Effect.scoped<object, unknown, FileSystem.FileSystem | Scope.Scope>(
  mode === "full" ? full : mode.startsWith("write") ? write : read
).pipe(Effect.provide(NodeServices.layer))

console.log(JSON.stringify(await Effect.runPromise(program)))
