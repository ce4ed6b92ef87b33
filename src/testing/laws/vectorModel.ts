/** What a vector agent must answer: a map of items, and the plainest search over it. */
import type * as VectorAgent from "../../agents/VectorAgent.ts"

/** The items of these laws. The text of one is its vector: `"1 0 -2"`. */
export interface Note {
  readonly text: string
  readonly even: boolean
}

export const dimension = 3

export const vectorOf = (text: string): ReadonlyArray<number> => text.split(" ").map(Number)

export const scoreOf = (metric: VectorAgent.Metric, a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  const dot = a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)
  if (metric === "dot") return dot
  if (metric === "euclidean") return -Math.hypot(...a.map((x, i) => x - (b[i] ?? 0)))
  const lengths = Math.hypot(...a) * Math.hypot(...b)
  return lengths === 0 ? 0 : dot / lengths
}

/** What is searched for. */
export interface Question {
  readonly text: string
  readonly k: number
  /** Between two scores that are possible, so that rounding decides nothing. */
  readonly minScore: number | undefined
  readonly evenOnly: boolean
}

export const queryOf = ({ evenOnly, k, minScore, text }: Question): VectorAgent.Query<Note> => ({
  text,
  k,
  minScore,
  filter: evenOnly ? (note) => note.even : undefined
})

// Scores are computed in 32 bits by some engines.
const tolerance = 1e-5

/** What is wrong with an answer, if anything. Which of several items with the same score are in it, ids decide. */
export const wrong = (
  metric: VectorAgent.Metric,
  items: ReadonlyMap<string, Note>,
  { evenOnly, k, minScore = Number.NEGATIVE_INFINITY, text }: Question,
  hits: ReadonlyArray<VectorAgent.Hit<Note>>
): string | undefined => {
  const query = vectorOf(text)
  const scores = new Map<string, number>()
  for (const [id, note] of items) {
    const score = scoreOf(metric, query, vectorOf(note.text))
    if (score >= minScore && (note.even || !evenOnly)) scores.set(id, score)
  }
  const expected = [...scores.values()].sort((a, b) => b - a).slice(0, k)
  if (hits.length !== expected.length) return `${hits.length} hits instead of ${expected.length}`
  if (new Set(hits.map(({ id }) => id)).size < hits.length) return "one item was found twice"
  for (const [i, { id, item, score }] of hits.entries()) {
    const [should, before] = [scores.get(id), hits[i - 1]]
    if (should === undefined) return `"${id}" was found, and should not have been`
    if (item.text !== items.get(id)?.text || item.even !== items.get(id)?.even)
      return `"${id}" came with another item than was saved`
    if (!(Math.abs(score - should) <= tolerance)) return `"${id}" scores ${score} instead of ${should}`
    if (!(Math.abs(score - (expected[i] ?? 0)) <= tolerance))
      return `hit ${i} scores ${score} instead of ${expected[i]}`
    if (before !== undefined && (before.score < score || (before.score === score && before.id > id)))
      return `"${id}" comes after "${before.id}", which is worse or equal with a later id`
  }
  return undefined
}
