// What every engine promises, against a model of some lines. Approximate ones may find others than the nearest, and nothing else.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect, Schema, type Scope } from "effect"
import type { Engine, Match, Request } from "../../../src/agents/vector/Engine.ts"
import type { Metric } from "../../../src/agents/vector/Stored.ts"

/** What is to be tried. */
export interface Subject {
  readonly name: string
  readonly metrics?: ReadonlyArray<Metric>
  readonly make: (options: { readonly dimension: number; readonly metric: Metric }) => Engine
  /** Waits until an engine has done what it does in the background. */
  readonly settled?: (engine: Engine) => Effect.Effect<void>
  /** How many scripts are tried for each metric. Default: 40. */
  readonly runs?: number
  /** Part of the nearest that has to be found, 1 for all of them in each search. */
  readonly recall: number
}

/** A new directory that goes with the scope. */
export const tempDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "dgents-vector-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** Numbers from 0 to 1, the same for the same seed. */
export const random = (seed: number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

// The definition of each score, one number at a time.
const scoreOf = (metric: Metric, a: Float32Array, b: Float32Array): number => {
  let [dot, aa, bb, dd] = [0, 0, 0, 0]
  a.forEach((x, i) => {
    const y = b[i] ?? 0
    dot += x * y
    aa += x * x
    bb += y * y
    dd += (x - y) ** 2
  })
  if (metric === "dot") return dot
  if (metric === "euclidean") return 0 - Math.sqrt(dd)
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb)
}

const rounding = 1e-5

/** How many of the nearest were found: of those that rounding makes as near, any will do. */
const foundOf = (nearest: ReadonlyArray<Match>, matches: ReadonlyArray<Match>): number => {
  const last = (nearest.at(-1)?.score ?? 0) - rounding
  return Math.min(nearest.length, matches.filter(({ score }) => score >= last).length)
}

const byRank = (a: Match, b: Match): number => b.score - a.score || (a.id < b.id ? -1 : 1)

const dimension = 6
const ids = [
  "",
  "__proto__",
  "constructor",
  "\ud800",
  "line\nfeed",
  "😀",
  ...Array.from({ length: 40 }, (_, i) => `n${i}`)
]

const Index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: ids.length - 1 }))
// Small whole numbers: sums are exact in any order, so that ties are ties.
const Entry = Schema.Int.check(Schema.isBetween({ minimum: -2, maximum: 2 }))
const Vector = Schema.Array(Entry).check(Schema.isMinLength(dimension), Schema.isMaxLength(dimension))
const Named = Schema.Struct({ id: Index, vector: Vector })
const Search = Schema.TaggedStruct("Search", {
  query: Vector,
  k: Schema.Literals([0, 1, 2, 5, 30, "all"]),
  minScore: Schema.Literals(["any", -3, 0, 0.5, 100]),
  accept: Schema.Literals(["all", "even", "few", "none"])
})
const Step = Schema.Union([
  Schema.TaggedStruct("Set", Named.fields),
  Schema.TaggedStruct("SetMany", {
    entries: Schema.Array(Named).check(Schema.isMinLength(10), Schema.isMaxLength(60))
  }),
  Schema.TaggedStruct("Delete", { id: Index }),
  Schema.TaggedStruct("Clear", {}),
  Schema.TaggedStruct("Settle", {}),
  Search
])
const Script = Schema.Array(Step).check(Schema.isMinLength(10), Schema.isMaxLength(60))

const accepts = {
  all: undefined,
  even: (id: string) => ids.indexOf(id) % 2 === 0,
  few: (id: string) => ids.indexOf(id) % 15 === 3,
  none: () => false
}

const search = (engine: Engine, query: Float32Array, request: Request) =>
  engine.search(query, request, (matches) => matches)

/** Every promise of `Engine`, as tests. */
export const conforms = ({
  make,
  metrics = ["cosine", "dot", "euclidean"],
  name,
  recall,
  runs = 40,
  settled
}: Subject): void => {
  const settle = settled ?? (() => Effect.void)

  for (const metric of metrics) {
    /** One search, held against the model. */
    const ask = (engine: Engine, model: ReadonlyMap<string, Float32Array>, asked: typeof Search.Type) =>
      Effect.gen(function* () {
        const query = new Float32Array(asked.query)
        const k = asked.k === "all" ? Number.POSITIVE_INFINITY : asked.k
        const minScore = asked.minScore === "any" ? Number.NEGATIVE_INFINITY : asked.minScore
        const accept = accepts[asked.accept]
        const passing = [...model]
          .filter(([id]) => accept?.(id) ?? true)
          .map(([id, vector]): Match => ({ id, score: scoreOf(metric, vector, query) }))
          .sort(byRank)
        // What rounding may put on this side or on that.
        const possible = passing.filter(({ score }) => score >= minScore - rounding)
        const certain = passing.filter(({ score }) => score >= minScore + rounding)
        const matches = yield* search(engine, query, { k, minScore, accept })
        expect(matches.length).toBeLessThanOrEqual(Math.min(k, possible.length))
        expect(matches.length).toBeGreaterThanOrEqual(recall === 1 || minScore < -100 ? Math.min(k, certain.length) : 0)
        expect(new Set(matches.map(({ id }) => id)).size).toBe(matches.length)
        expect([...matches].sort(byRank)).toEqual(matches)
        for (const { id, score } of matches) {
          expect(accept?.(id) ?? true).toBe(true)
          expect(score).toBeGreaterThanOrEqual(minScore)
          expect(score).toBeCloseTo(scoreOf(metric, model.get(id) ?? new Float32Array(0), query), 5)
        }
        if (recall === 1 && metric !== "cosine")
          expect(matches).toEqual(passing.filter(({ score }) => score >= minScore).slice(0, k))
        const nearest = certain.slice(0, k)
        const found = foundOf(nearest, matches)
        if (recall === 1) expect(found).toBe(nearest.length)
        return { found, wanted: nearest.length }
      })

    it.effect.prop(
      `${name}, ${metric}: after any additions, replacements and removals a search answers k of what is there, by score and id`,
      [Script, Schema.Array(Search).check(Schema.isMinLength(10), Schema.isMaxLength(10))],
      ([script, searches]) =>
        Effect.gen(function* () {
          const engine = make({ dimension, metric })
          const model = new Map<string, Float32Array>()
          const named = ({ id, vector }: typeof Named.Type) => [ids[id] ?? "", new Float32Array(vector)] as const
          for (const step of script) {
            if (step._tag === "Set") {
              const [id, vector] = named(step)
              engine.set(id, vector)
              model.set(id, vector.slice())
              // The engine has its own copy.
              vector.fill(9)
            } else if (step._tag === "SetMany") {
              const entries = step.entries.map(named)
              for (const [id, vector] of entries) model.set(id, vector)
              if (engine.setMany !== undefined) yield* engine.setMany(entries)
              else for (const [id, vector] of entries) engine.set(id, vector)
            } else if (step._tag === "Delete") {
              engine.delete(ids[step.id] ?? "")
              model.delete(ids[step.id] ?? "")
            } else if (step._tag === "Clear") {
              engine.clear()
              model.clear()
            } else if (step._tag === "Settle") yield* settle(engine)
            else yield* ask(engine, model, step)
            expect(engine.size()).toBe(model.size)
          }
          for (const asked of searches) yield* ask(engine, model, asked)
          yield* settle(engine)
          for (const asked of searches) yield* ask(engine, model, asked)
        }),
      { arbitrary: { runs } }
    )

    it.effect(`${name}, ${metric}: of all that is nearest, ${recall} and more is found`, () =>
      Effect.gen(function* () {
        const engine = make({ dimension, metric })
        const next = random(7)
        const vector = () => Float32Array.from({ length: dimension }, () => Math.floor(17 * next()) - 8)
        const model = new Map(Array.from({ length: 500 }, (_, i) => [`v${i}`, vector()] as const))
        for (const [id, vector] of model) engine.set(id, vector)
        yield* settle(engine)
        let [found, wanted] = [0, 0]
        for (let i = 0; i < 40; i++) {
          const asked = {
            query: [...vector()],
            k: i % 2 === 0 ? 5 : 30,
            minScore: "any",
            accept: i % 3 === 0 ? "even" : "all"
          } as const
          const counted = yield* ask(engine, model, { _tag: "Search", ...asked })
          found += counted.found
          wanted += counted.wanted
        }
        expect(found / wanted).toBeGreaterThanOrEqual(recall)
      })
    )

    it.effect(`${name}, ${metric}: vectors of zeros, of huge and of tiny numbers are found, each under its id`, () =>
      Effect.gen(function* () {
        const engine = make({ dimension, metric })
        const next = random(5)
        const all = Array.from({ length: 200 }, (_, i) => {
          const scale = [0, 1, 1e15, 1e-15, 1e-40][i % 5] ?? 0
          return [`v${i}`, Float32Array.from({ length: dimension }, () => scale * (next() - 0.5))] as const
        })
        for (const [id, vector] of all) engine.set(id, vector)
        yield* settle(engine)
        for (const [, query] of all.slice(0, 40)) {
          const matches = yield* search(engine, query, { k: 7, minScore: Number.NEGATIVE_INFINITY })
          expect(matches.length).toBe(7)
          for (const { score } of matches) expect(Number.isFinite(score)).toBe(true)
          if (query.every((x) => x === 0) && metric !== "euclidean")
            expect(matches.map(({ score }) => score)).toEqual([0, 0, 0, 0, 0, 0, 0])
        }
      })
    )

    it.effect(`${name}, ${metric}: of equal vectors the first ids are answered, however many there are`, () =>
      Effect.gen(function* () {
        const engine = make({ dimension, metric })
        const same = Float32Array.of(1, 2, 3, 4, 5, 6)
        for (let i = 999; i >= 0; i--) engine.set(`s${i}`, same)
        for (let i = 0; i < 500; i++)
          engine.set(
            `t${i}`,
            same.map((x) => (x * i) / 1000 - 1)
          )
        yield* settle(engine)
        const matches = yield* search(engine, same, { k: 3, minScore: Number.NEGATIVE_INFINITY })
        expect(matches.map(({ id }) => id)).toEqual(["s0", "s1", "s10"])
      })
    )
  }

  it.effect(`${name}: what is added together is seen together, and an interrupt shows none of it`, () =>
    Effect.gen(function* () {
      const engine = make({ dimension, metric: "dot" })
      const next = random(11)
      const entries = Array.from(
        { length: 3000 },
        (_, i) => [`e${i}`, Float32Array.from({ length: dimension }, next)] as const
      )
      if (engine.setMany === undefined) return
      yield* Effect.raceFirst(engine.setMany(entries), Effect.yieldNow)
      expect([0, 3000]).toContain(engine.size())
      const sizes = new Set<number>()
      yield* Effect.raceFirst(
        engine.setMany(entries),
        Effect.forever(
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => sizes.add(engine.size()))
          )
        )
      )
      for (const size of sizes) expect([0, 3000]).toContain(size)
      expect(engine.size()).toBe(3000)
    })
  )

  it.effect(`${name}: a view into a larger array is taken as the vector that it shows`, () =>
    Effect.gen(function* () {
      const engine = make({ dimension, metric: "dot" })
      const next = random(3)
      const matrix = Float32Array.from({ length: 300 * dimension }, () => next() - 0.5)
      const row = (i: number) => matrix.subarray(i * dimension, (i + 1) * dimension)
      for (let i = 0; i < 300; i++) engine.set(`r${i}`, row(i))
      yield* settle(engine)
      for (let i = 0; i < 300; i++) {
        const [match] = yield* search(engine, row(i), {
          k: 1,
          minScore: Number.NEGATIVE_INFINITY,
          accept: (id) => id === `r${i}`
        })
        expect(match?.score).toBeCloseTo(scoreOf("dot", row(i), row(i)), 5)
      }
    })
  )

  it.effect(`${name}: it is found whatever others do meanwhile, and never after it was removed`, () =>
    Effect.gen(function* () {
      const engine = make({ dimension, metric: "euclidean" })
      const next = random(17)
      const fresh = () => Float32Array.from({ length: dimension }, next)
      for (let i = 0; i < 2000; i++) engine.set(`w${i}`, fresh())
      const removed = new Set<string>()
      const write = Effect.gen(function* () {
        for (let i = 0; i < 400; i++) {
          const id = `w${Math.floor(next() * 2000)}`
          if (i % 2 === 0) {
            engine.delete(id)
            removed.add(id)
          } else if (!removed.has(id)) engine.set(id, fresh())
          if (i % 10 === 0) yield* Effect.yieldNow
        }
      })
      const read = Effect.gen(function* () {
        for (let i = 0; i < 40; i++) {
          yield* engine.search(fresh(), { k: 50, minScore: Number.NEGATIVE_INFINITY }, (matches) => {
            expect(matches.length).toBe(50)
            for (const { id } of matches) expect(removed.has(id)).toBe(false)
          })
          yield* Effect.yieldNow
        }
      })
      yield* Effect.all([write, read, read], { concurrency: "unbounded", discard: true })
      yield* settle(engine)
      const all = yield* search(engine, fresh(), {
        k: Number.POSITIVE_INFINITY,
        minScore: Number.NEGATIVE_INFINITY
      })
      expect(all.length).toBe(2000 - removed.size)
    })
  )
}
