import { expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { type Texts, Words } from "../../../src/agents/vector/bm25.ts"
import type { Request } from "../../../src/agents/vector/Engine.ts"
import { random } from "./engineConformance.ts"

/** Words over a map, which tells of its changes. */
class Library {
  readonly texts = new Map<string, string>()
  readonly words = new Words()
  readonly source: Texts<never> = {
    ids: () => this.texts.keys(),
    atOnce: 3,
    read: (ids) =>
      Effect.as(
        Effect.yieldNow,
        new Map(ids.flatMap((id) => (this.texts.has(id) ? [[id, this.texts.get(id) ?? ""]] : [])))
      )
  }

  set(id: string, text: string | undefined) {
    if (text === undefined) this.texts.delete(id)
    else this.texts.set(id, text)
    this.words.changed(id)
  }

  search(text: string, request: Partial<Request> = {}) {
    const all: Request = { k: Number.POSITIVE_INFINITY, minScore: Number.NEGATIVE_INFINITY }
    return this.words.search(text, this.source, { ...all, ...request }, (ranked) => ranked)
  }
}

/** The definition, over all texts of words in small letters. */
const bm25 = (texts: ReadonlyMap<string, string>, query: string) => {
  const documents = [...texts].map(([id, text]) => ({ id, words: text.split(" ").filter((word) => word !== "") }))
  const average = documents.reduce((sum, { words }) => sum + words.length, 0) / documents.length
  const terms = new Set(query.split(" "))
  return documents
    .map(({ id, words }) => {
      let score = 0
      for (const term of terms) {
        const count = words.filter((word) => word === term).length
        const having = documents.filter(({ words }) => words.includes(term)).length
        const rarity = Math.log(1 + (documents.length - having + 0.5) / (having + 0.5))
        score += (rarity * count) / (count + 1.2 * (1 - 0.75 + (0.75 * words.length) / average))
      }
      return { id, score }
    })
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
}

const rounded = (ranked: ReadonlyArray<{ readonly id: string; readonly score: number }>) =>
  ranked.map(({ id, score }) => [id, Number(score.toFixed(9))])

it.effect("scores are those of the definition, whatever was added, changed and removed before", () =>
  Effect.gen(function* () {
    const library = new Library()
    const next = random(3)
    const word = () => ["alpha", "beta", "gamma", "delta", "the"][Math.floor(next() ** 2 * 5)] ?? ""
    const text = () => Array.from({ length: Math.floor(next() * 12) }, word).join(" ")
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 100; i++) library.set(`n${Math.floor(next() * 40)}`, next() < 0.3 ? undefined : text())
      const query = text()
      const expected = rounded(bm25(library.texts, query))
      expect(rounded(yield* library.search(query))).toEqual(expected)
      const [k, minScore] = [Math.floor(next() * 20), next()]
      expect(rounded(yield* library.search(query, { k, minScore, accept: (id) => id !== expected[1]?.[0] }))).toEqual(
        expected.filter(([, score], i) => i !== 1 && Number(score) >= minScore).slice(0, k)
      )
    }
  })
)

it.effect("what is rare counts more, what is long less, and case, width and composition do not count", () =>
  Effect.gen(function* () {
    const library = new Library()
    library.set("short", "a Café")
    library.set("long", "a cafe\u0301 and a great many other things that are there to see and to do")
    library.set("other", "a thing")
    expect((yield* library.search("ＣＡＦÉ")).map(({ id }) => id)).toEqual(["short", "long"])
    expect(yield* library.search("nothing of it")).toEqual([])
    expect(yield* library.search("?!")).toEqual([])
    expect(yield* new Library().search("x")).toEqual([])
  })
)

it.effect("texts without spaces between words are found by their characters and pairs of them", () =>
  Effect.gen(function* () {
    const library = new Library()
    library.set("library", "東京の図書館は月曜日に休館します。")
    library.set("station", "京都駅は東にある。")
    library.set("none", "ありがとう")
    expect((yield* library.search("東京")).map(({ id }) => id)).toEqual(["library", "station"])
  })
)

it.effect("a text that changes while others are read is found as it is in the end", () =>
  Effect.gen(function* () {
    const library = new Library()
    for (let i = 0; i < 30; i++) library.set(`n${i}`, "before")
    const searching = yield* Effect.forkChild(library.search("after"))
    yield* Effect.yieldNow
    library.set("n0", "after")
    library.set("n29", "after")
    library.set("n30", "after")
    library.set("n1", undefined)
    expect((yield* Fiber.join(searching)).map(({ id }) => id)).toEqual(["n0", "n29", "n30"])
    expect(yield* library.search("before")).toHaveLength(27)
  })
)

it.effect("a search that is broken off loses no text", () =>
  Effect.gen(function* () {
    const library = new Library()
    for (let i = 0; i < 30; i++) library.set(`n${i}`, "word")
    for (let i = 0; i < 12; i++) {
      const searching = yield* Effect.forkChild(library.search("word"))
      for (let step = 0; step <= i; step++) yield* Effect.yieldNow
      yield* Fiber.interrupt(searching)
    }
    expect(yield* library.search("word")).toHaveLength(30)
    library.texts.clear()
    library.words.clear()
    expect(yield* library.search("word")).toEqual([])
  })
)

it.effect("a text that changes while it is ranked is not found by what it said", () =>
  Effect.gen(function* () {
    const library = new Library()
    for (let i = 0; i < 5; i++) library.set(`n${i}`, "word")
    const found = yield* library.search("word", {
      accept: (id) => {
        if (id === "n2" && library.texts.get(id) === "word") library.set(id, "another")
        return true
      }
    })
    expect(found.map(({ id }) => id)).toEqual(["n0", "n1", "n3", "n4"])
    // What changes all the time does not keep a search from ending.
    let changes = 0
    const busy = yield* library.search("word", { accept: (id) => library.set(id, `word ${changes++}`) === undefined })
    expect(busy).toHaveLength(4)
  })
)
