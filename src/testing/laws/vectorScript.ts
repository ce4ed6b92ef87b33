/** Scripts of operations on a memory, and what must be answered after each of them. */
import { existsSync, rmSync } from "node:fs"
import { Effect, Exit, Option, Schema, Scope } from "effect"
import type * as VectorAgent from "../../agents/VectorAgent.ts"
import * as Embedder from "../../agents/vector/Embedder.ts"
import { broken } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import * as Site from "../Site.ts"
import type { VectorSubject } from "./vector.ts"
import { damage, damages, keep } from "./vectorDamage.ts"
import { dimension, type Note, type Question, queryOf, vectorOf, wrong } from "./vectorModel.ts"

/** The schema of the items. */
const NoteSchema: Schema.Codec<Note> = Schema.Struct({ text: Schema.String, even: Schema.Boolean })

/** Reads the vector out of the text. */
const embedder: Embedder.Shape = Embedder.fromFunction({
  identity: "dgents/laws",
  dimension,
  embed: (texts) => Effect.succeed(texts.map(vectorOf))
})

/** One step, with all that any kind of step takes. */
export interface Step {
  readonly kind: Kind
  readonly ids: ReadonlyArray<number>
  readonly note: Note
  readonly question: Question
  readonly damage: (typeof damages)[number]
  /** From 0 to 999. */
  readonly at: number
}

/** What a step does. */
export const kinds = [
  "add",
  "search",
  "addMany",
  "remove",
  "update",
  "removeMany",
  "get",
  "refresh",
  "reopen",
  "damage"
] as const

export type Kind = (typeof kinds)[number]

// One that any file system and database minds is among them.
const ids = ["a", "b", "c", "", "é/..", "i/a", "settings", "%_"] as const
const idOf = (n: number): string => Gen.nth(ids, n)

const texts: Gen.Gen<string> = Gen.map(
  Gen.record({ x: Gen.int(-2, 2), y: Gen.int(-2, 2), z: Gen.int(-1, 1) }),
  ({ x, y, z }) => `${x} ${y} ${z}`
)

/** Scripts of steps of these kinds, on so many ids. */
export const scripts = (kinds: readonly [Kind, ...ReadonlyArray<Kind>], count: number): Gen.Gen<ReadonlyArray<Step>> =>
  Gen.script(
    Gen.record<Step>({
      kind: Gen.pick(kinds),
      ids: Gen.array(Gen.int(0, Math.min(count, ids.length) - 1), { minLength: 1, maxLength: 4 }),
      note: Gen.record<Note>({ text: texts, even: Gen.pick([true, false]) }),
      question: Gen.record<Question>({
        text: texts,
        k: Gen.pick([10, 1, 0, 2, 3, Number.POSITIVE_INFINITY]),
        minScore: Gen.pick([undefined, 0.123, -1.357]),
        evenOnly: Gen.pick([false, true])
      }),
      damage: Gen.pick(["older", ...damages, "older"]),
      at: Gen.int(0, 999)
    })
  )

/** A step in words. */
export const show = (metric: VectorAgent.Metric, { at, damage, ids, kind, note, question }: Step): string => {
  const [names, item] = [ids.map((n) => JSON.stringify(idOf(n))).join(", "), JSON.stringify(note)]
  switch (kind) {
    case "search":
      return `search ${JSON.stringify(question)}, by ${metric}`
    case "add":
    case "addMany":
    case "update":
      return `${kind} ${names} as ${item}`
    case "damage":
      return `close, make the index file ${damage} (${at}), open`
    case "reopen":
      return "close, open"
    case "refresh":
      return kind
    default:
      return `${kind} ${names}`
  }
}

const openOn = (subject: VectorSubject, site: Site.Site, metric: VectorAgent.Metric) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const close = Scope.close(scope, Exit.void)
    yield* Effect.addFinalizer(() => close)
    const options = { name: "notes", schema: NoteSchema, text: (note: Note) => note.text, metric }
    const opened = Scope.provide(subject.open(site, options), scope)
    return { close, memory: yield* Effect.provideService(opened, Embedder.Embedder, embedder) }
  })

/** The index file of a memory with the same ids and other items. */
const leaveAnother = (subject: VectorSubject, metric: VectorAgent.Metric, path: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const site = yield* Site.temporary
      const { close, memory } = yield* openOn(subject, site, metric)
      yield* memory.addMany(ids.map((id, i) => [id, { text: `${i} 1 1`, even: true }] as const))
      yield* close
      const file = subject.indexFile?.(site)
      if (file !== undefined) keep(file, path)
    })
  )

/** Runs steps on a fresh site, and compares what is answered with the model. */
export const holds = (subject: VectorSubject, metric: VectorAgent.Metric, script: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const site = yield* Site.temporary
    const items = new Map<string, Note>()
    const file = subject.indexFile?.(site)
    const others = { older: site.path("older"), another: site.path("another") }
    const open = openOn(subject, site, metric)
    let { close, memory } = yield* open
    const reopen = (meanwhile: Effect.Effect<void>) =>
      Effect.gen(function* () {
        yield* close
        yield* meanwhile
        const opened = yield* open
        memory = opened.memory
        close = opened.close
      })
    for (const step of script) {
      const { at, note, question } = step
      const names = step.ids.map(idOf)
      const name = names[0] ?? ""
      // The items of a batch are not all the same.
      const many = names.map((id, i) => [id, { ...note, even: i % 2 === 0 }] as const)
      switch (step.kind) {
        case "add":
          yield* memory.add(name, note)
          items.set(name, note)
          break
        case "addMany":
          yield* memory.addMany(many)
          for (const [id, note] of many) items.set(id, note)
          break
        case "update": {
          const before = items.get(name)
          const update = memory.update(name, (old) => ({ ...note, even: !old.even }))
          const updated = yield* Effect.catchTag(update, "StateNotFound", () => Effect.succeed(undefined))
          if ((updated !== undefined) !== (before !== undefined)) return yield* broken(`update of "${name}" is wrong`)
          if (before !== undefined) items.set(name, { ...note, even: !before.even })
          break
        }
        case "remove":
          yield* memory.remove(name)
          items.delete(name)
          break
        case "removeMany":
          yield* memory.removeMany(names)
          for (const id of names) items.delete(id)
          break
        case "refresh":
          yield* memory.refresh
          break
        case "reopen":
          yield* reopen(Effect.void)
          break
        case "damage": {
          if (file === undefined) break
          const kind = step.damage
          if (kind === "another's") yield* leaveAnother(subject, metric, others.another)
          yield* reopen(
            Effect.sync(() => {
              if (kind !== "older" && !existsSync(others.older)) keep(file, others.older)
              damage(file, kind, at, others)
              if (kind === "older") rmSync(others.older, { force: true })
            })
          )
          break
        }
      }
      const reason = wrong(metric, items, question, yield* memory.search(queryOf(question)))
      if (reason !== undefined) return yield* broken(`after "${show(metric, step)}", a search: ${reason}`)
      const got = Option.getOrUndefined(yield* memory.get(name))
      if (JSON.stringify(got) !== JSON.stringify(items.get(name))) return yield* broken(`get of "${name}" is wrong`)
      const seen = [yield* memory.ids, (yield* memory.entries).map(([id]) => id)]
      for (const ids of seen)
        if (JSON.stringify([...ids].sort()) !== JSON.stringify([...items.keys()].sort()))
          return yield* broken(`after "${show(metric, step)}" its ids are not those that were saved`)
      if ((yield* memory.size) !== items.size) return yield* broken("its size is wrong")
    }
    yield* close
  })
