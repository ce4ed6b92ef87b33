/**
 * Text to a vector by signed feature hashing (Weinberger et al., 2009) of words and of character n-grams (after
 * fastText: Bojanowski et al., 2017). No model, no network, the same vector in every process.
 */

// Words so common in English that sharing one says next to nothing.
const common = new Set(
  (
    "a about after all also am an and any are as at be because been but by can could did do does for from had has have " +
    "he her his how i if in into is it its just me more most my no not of on one or other our out over she should so " +
    "some such than that the their them then there these they this to up us was we were what when where which who why " +
    "will with would you your"
  ).split(" ")
)

const commonWeight = 0.1
// The n-grams of a word together weigh somewhat more than the word: questions inflect what passages say.
const partsWeight = 1.2

// Marks belong to the letter before them: without them, words of many Indic scripts fall apart.
const words = /[\p{L}\p{N}\p{M}]+/gu

/** The words of a text, without regard to case, width, and how letters are composed. */
export const wordsOf = (text: string): ReadonlyArray<string> => text.normalize("NFKC").toLowerCase().match(words) ?? []

/** Whether a word is of a script that packs a syllable or a word into one character, mostly without spaces between words. */
export const isDense = (word: string): boolean => word.charCodeAt(0) >= firstDense

// From CJK radicals on.
const firstDense = 0x2e80

const wordSeed = 0x811c9dc5
const partSeed = 0x9747b28c
const boundary = 0x7c

// FNV-1a by UTF-16 code unit.
const step = (hash: number, unit: number): number => Math.imul(hash ^ unit, 0x01000193)

// The finish of MurmurHash3: every bit of the sum reaches every bit of the result.
const finish = (hash: number): number => {
  let h = hash ^ (hash >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

const addFeature = (vector: Float64Array, hash: number, weight: number): void => {
  const h = finish(hash)
  const bucket = (h >>> 1) % vector.length
  vector[bucket] = (vector[bucket] ?? 0) + ((h & 1) === 0 ? weight : -weight)
}

const addWord = (vector: Float64Array, word: string, weight: number): void => {
  const n = word.length
  const packed = isDense(word)
  // Every start gives a short n-gram and the longer one that extends it; the ends of a word count as characters.
  const short = packed ? 1 : 3
  const first = packed ? 0 : -1
  const last = packed ? n : n + 1
  const count = Math.max(0, last - first - short + 1) + Math.max(0, last - first - short)
  const partWeight = count === 0 ? 0 : (weight * partsWeight) / Math.sqrt(count)
  const unitAt = (i: number): number => (i < 0 || i >= n ? boundary : word.charCodeAt(i))
  for (let start = first; start + short <= last; start++) {
    let hash = partSeed
    for (let i = start; i < start + short; i++) hash = step(hash, unitAt(i))
    addFeature(vector, hash, partWeight)
    if (start + short < last) addFeature(vector, step(hash, unitAt(start + short)), partWeight)
  }
  let hash = wordSeed
  for (let i = 0; i < n; i++) hash = step(hash, word.charCodeAt(i))
  addFeature(vector, hash, weight)
}

/** The unit vector of a text; the zero vector when it holds no letter and no digit. */
export const embed = (text: string, dimension: number): Float32Array => {
  const counts = new Map<string, number>()
  for (const word of wordsOf(text)) {
    counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  const vector = new Float64Array(dimension)
  for (const [word, count] of counts) {
    addWord(vector, word, (1 + Math.log(count)) * (common.has(word) ? commonWeight : 1))
  }
  let squares = 0
  for (const value of vector) squares += value * value
  const norm = Math.sqrt(squares)
  return Float32Array.from(vector, (value) => (norm === 0 ? 0 : value / norm))
}
