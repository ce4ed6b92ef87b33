/**
 * Ranking by words: Okapi BM25 (Robertson and Zaragoza, 2009) over an inverted index in memory. It is made from the items at the
 * first search that asks for words, and then kept up to date: some 10 bytes for each different word of each text.
 */
import { Effect, Semaphore } from "effect"
import type { Match, Request } from "./Engine.ts"
import { isDense, wordsOf } from "./lexical.ts"
import { TopK } from "./topK.ts"
import { turns } from "./turns.ts"

/** Where texts come from. */
export interface Texts<E> {
  readonly ids: () => Iterable<string>
  /** The texts of these ids as they are now; ids without an item are left out. */
  readonly read: (ids: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, string>, E>
  /** How many to read at once. */
  readonly atOnce: number
}

// The usual ones: how soon more of the same word stops counting, and how far a long text is held against it.
const saturation = 1.2
const lengthWeight = 0.75

// A posting is a document's number and how often it has the word, in one small integer.
const mostCounted = 63
const perDocument = mostCounted + 1

// The length of a document that is not there any more.
const gone = -1

// Such documents are skipped by searches, until there are so many that it pays to write the index anew.
const leastGone = 1024

/** The words of the items of one memory. */
export class Words {
  #index: Index | undefined
  /** Ids whose text may be another one than the index has. */
  readonly #stale = new Set<string>()
  readonly #one = Semaphore.makeUnsafe(1)

  /** Tells that an item came, changed or went. */
  changed(id: string): void {
    if (this.#index !== undefined) this.#stale.add(id)
  }

  clear(): void {
    this.#index = undefined
    this.#stale.clear()
  }

  /**
   * The ids whose texts have words of this one: those of the best, best first, equal scores by id. A score is above 0. `answer`
   * runs in the same instant in which they are known to hold.
   */
  search<B, E>(
    text: string,
    texts: Texts<E>,
    request: Request,
    answer: (ranked: ReadonlyArray<Match>) => B
  ): Effect.Effect<B, E> {
    const terms = [...termsOf(text).keys()]
    const search = Effect.gen({ self: this }, function* () {
      for (let left = 3; ; left--) {
        const index = yield* this.#updated(texts)
        // Texts that change faster than they are ranked would have it begin again for ever.
        const ranked = yield* index.rank(terms, request, left > 0)
        if (left === 0 || !ranked.some(({ id }) => this.#stale.has(id))) return answer(ranked)
      }
    })
    return this.#one.withPermit(search)
  }

  #updated<E>(texts: Texts<E>): Effect.Effect<Index, E> {
    return Effect.gen({ self: this }, function* () {
      if (this.#index === undefined) {
        this.#index = new Index()
        for (const id of texts.ids()) this.#stale.add(id)
      }
      const index = this.#index
      while (this.#stale.size > 0) {
        const ids: Array<string> = []
        for (const id of this.#stale) {
          if (ids.length === texts.atOnce) break
          ids.push(id)
          this.#stale.delete(id)
        }
        const pending = new Set(ids)
        const update = Effect.gen({ self: this }, function* () {
          const found = yield* texts.read(ids)
          for (const id of ids) {
            index.set(id, found.get(id))
            pending.delete(id)
            if (turns.isSpent()) yield* turns.next
          }
        })
        yield* Effect.onExit(update, () =>
          Effect.sync(() => {
            for (const id of pending) this.changed(id)
          })
        )
      }
      return index
    })
  }
}

/** How often a text has each of its words. Scripts without spaces count by characters and pairs of them. */
const termsOf = (text: string): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  const count = (term: string) => counts.set(term, (counts.get(term) ?? 0) + 1)
  for (const word of wordsOf(text)) {
    if (!isDense(word)) {
      count(word)
      continue
    }
    let before = ""
    for (const character of word) {
      count(character)
      if (before !== "") count(before + character)
      before = character
    }
  }
  return counts
}

class Index {
  #numbers = new Map<string, number>()
  /** By number. */
  #ids: Array<string> = []
  /** By number: how many words, or that the text is gone. */
  #lengths: Array<number> = []
  #postings = new Map<string, Array<number>>()
  #totalLength = 0

  set(id: string, text: string | undefined): void {
    const old = this.#numbers.get(id)
    if (old !== undefined) {
      this.#totalLength -= this.#lengths[old] ?? 0
      this.#lengths[old] = gone
      this.#numbers.delete(id)
      if (this.#ids.length > 2 * this.#numbers.size + leastGone) this.#compact()
    }
    if (text === undefined) return
    const number = this.#ids.push(id) - 1
    this.#numbers.set(id, number)
    let length = 0
    for (const [term, count] of termsOf(text)) {
      length += count
      const posting = number * perDocument + Math.min(count, mostCounted)
      const postings = this.#postings.get(term)
      if (postings === undefined) this.#postings.set(term, [posting])
      else postings.push(posting)
    }
    this.#lengths.push(length)
    this.#totalLength += length
  }

  rank(
    terms: ReadonlyArray<string>,
    { accept, k, minScore }: Request,
    pauses: boolean
  ): Effect.Effect<ReadonlyArray<Match>> {
    return Effect.gen({ self: this }, function* () {
      const size = this.#numbers.size
      const average = this.#totalLength / size
      const scores = new Float64Array(this.#ids.length)
      for (const term of terms) {
        if (pauses && turns.isSpent()) yield* turns.next
        const postings = this.#postings.get(term) ?? []
        let having = 0
        for (const posting of postings) if (this.#lengths[Math.floor(posting / perDocument)] !== gone) having++
        // As Lucene has it: above 0 also for a word that most texts have.
        const rarity = Math.log(1 + (size - having + 0.5) / (having + 0.5))
        for (const posting of postings) {
          const number = Math.floor(posting / perDocument)
          const count = posting % perDocument
          const length = (this.#lengths[number] ?? gone) / average
          const weight = count / (count + saturation * (1 - lengthWeight + lengthWeight * length))
          scores[number] = (scores[number] ?? 0) + rarity * weight
        }
      }
      const best = new TopK<{ readonly id: string }>(k, Math.max(minScore, Number.MIN_VALUE))
      // `entries()` would take three times as long.
      for (let number = 0; number < scores.length; number++) {
        const score = scores[number] ?? 0
        if (score < best.threshold || this.#lengths[number] === gone) continue
        if (pauses && turns.isSpent()) yield* turns.next
        const id = this.#ids[number] ?? ""
        const entry = { id }
        if (best.admits(entry, score) && accept?.(id) !== false) best.push(entry, score)
      }
      return best.ranked().map(({ entry: { id }, score }) => ({ id, score }))
    })
  }

  #compact(): void {
    const [ids, lengths] = [this.#ids, this.#lengths]
    const renumbered = new Map<number, number>()
    for (const number of this.#numbers.values()) renumbered.set(number, renumbered.size)
    for (const [term, postings] of this.#postings) {
      const kept: Array<number> = []
      for (const posting of postings) {
        const number = renumbered.get(Math.floor(posting / perDocument))
        if (number !== undefined) kept.push(number * perDocument + (posting % perDocument))
      }
      if (kept.length === 0) this.#postings.delete(term)
      else this.#postings.set(term, kept)
    }
    const numbers = [...renumbered.keys()]
    this.#ids = numbers.map((number) => ids[number] ?? "")
    this.#lengths = numbers.map((number) => lengths[number] ?? 0)
    this.#numbers = new Map(this.#ids.map((id, number) => [id, number]))
  }
}

/** Best first, equal scores by id in code-unit order. */
export const byScore = (a: Match, b: Match): number => b.score - a.score || (a.id < b.id ? -1 : 1)
