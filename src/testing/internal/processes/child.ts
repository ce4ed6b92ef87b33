/**
 * The other process: imports the subject, opens it where it is told to, and works on it. It ends when its parent does,
 * or lets go of the pipe to it, so that no child is left behind.
 */
import { writeSync } from "node:fs"
import { flushCompileCache } from "node:module"
import { Cause, Effect, Exit, FileSystem, Layer, Scope, Stream } from "effect"
import type { Revisioned } from "../../../agents/Revision.ts"
import { toCodec } from "../../../schema/Codec.ts"
import * as Site from "../../Site.ts"
import type { Subject } from "../../Subject.ts"
import { fromTexts, Numbers } from "./numbers.ts"
import type { Entry, News, Order } from "./protocol.ts"
import { type Opened, work } from "./work.ts"

/** Where the subject is in its module. */
export interface Which {
  readonly url: string
  readonly name: string
  readonly args: ReadonlyArray<unknown>
}

/** Says something at once: what was said before a SIGKILL has been said. */
const say = (news: News): void => {
  let rest = Buffer.from(`${JSON.stringify(news)}\n`)
  while (rest.length > 0) rest = rest.subarray(writeSync(3, rest))
}

/** Follows orders until the pipe they come through is closed. */
export const serve = async (module: object, which: Which): Promise<void> => {
  const orders = readOrders()
  const subject = await find(module, which)
  if (subject === undefined) return
  flushCompileCache?.()
  say({ _tag: "Ready" })
  const layer = subject.module?.layer ?? Layer.succeed(FileSystem.FileSystem, noLayer)
  const program = Effect.scoped(
    Effect.gen(function* () {
      let scope = yield* Scope.make()
      let opened: Opened | undefined
      while (true) {
        const order = yield* Effect.promise(orders)
        if (order._tag === "Open") {
          say({ _tag: "Opening" })
          scope = yield* Scope.make()
          opened = yield* Effect.provideService(open(subject, order), Scope.Scope, scope)
        } else if (order._tag === "Work" && opened !== undefined) yield* work(opened, order, say)
        else yield* Scope.close(scope, Exit.void)
        say({ _tag: "Done" })
      }
    })
  )
  const exit = await Effect.runPromiseExit(Effect.provide(program, layer))
  if (Exit.isFailure(exit)) say({ _tag: "Broken", evidence: describe(exit.cause) })
}

/** Opens the agent and says what is found. */
const open = (
  subject: Subject<unknown>,
  order: Order & { readonly _tag: "Open" }
): Effect.Effect<Opened, unknown, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const codec = toCodec(subject.schema)
    const numbers = new Numbers(codec, yield* fromTexts(codec, order.states))
    const agent = yield* subject.open(Site.at(order.directory))
    const { initial } = agent.internals
    const entry = ({ revision, state }: Revisioned<unknown>): Entry => [numbers.of(state), revision]
    const current = yield* agent.current
    say({
      _tag: "Opened",
      claims: agent.claims,
      initial: initial === undefined ? null : numbers.learn(yield* initial.get),
      current: current._tag === "None" ? null : entry(current.value),
      history: (yield* Stream.runCollect(agent.history())).map(entry)
    })
    return { agent, numbers }
  })

/** What an effect ended with, for people. */
const describe = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error && "_tag" in error ? `${String(error._tag)}: ${error.message}` : String(error)
}

const find = async (module: object, { args, name, url }: Which): Promise<Subject<unknown> | undefined> => {
  const exported: unknown = Reflect.get(module, name)
  const subject: unknown = await (typeof exported === "function" ? exported(...args) : exported)
  if (isSubject(subject)) return subject
  say({ _tag: "Broken", evidence: `${url} exports no subject, and no function that makes one, as "${name}"` })
  return undefined
}

const isSubject = (value: unknown): value is Subject<unknown> =>
  typeof value === "object" && value !== null && "open" in value && "schema" in value

/** The next order, whenever it comes. */
const readOrders = (): (() => Promise<Order>) => {
  const read: Array<Order> = []
  let waiting: ((order: Order) => void) | undefined
  let text = ""
  process.stdin.setEncoding("utf8")
  process.stdin.on("data", (chunk: string) => {
    const lines = (text + chunk).split("\n")
    text = lines.pop() ?? ""
    // Only the parent writes to this pipe, and only orders.
    for (const line of lines) read.push(JSON.parse(line) as Order)
    const next = waiting === undefined ? undefined : read.shift()
    if (next === undefined) return
    const resolve = waiting
    waiting = undefined
    resolve?.(next)
  })
  process.stdin.on("close", () => process.exit(0))
  return () => {
    const next = read.shift()
    return next === undefined ? new Promise((resolve) => (waiting = resolve)) : Promise.resolve(next)
  }
}

const noLayer: FileSystem.FileSystem = new Proxy(FileSystem.makeNoop({}), {
  get: () => () =>
    Effect.die(
      new Error("the agent takes Effect's FileSystem: give its subject's module a layer, such as NodeFileSystem.layer")
    )
})
