/** The best k entries of a stream, in a binary heap with the worst of them on top: no sorting of what is left out. */
export class TopK<T extends { readonly id: string }> {
  readonly #k: number
  readonly #entries: Array<{ readonly entry: T; readonly score: number }> = []
  /** Scores below this one cannot enter: to be checked first, since it is cheap. */
  threshold: number

  constructor(k: number, minScore: number) {
    this.#k = k
    this.threshold = k < 1 ? Number.POSITIVE_INFINITY : minScore
  }

  /** Whether an entry with a score from the threshold up would enter now. */
  admits(entry: T, score: number): boolean {
    const worst = this.#entries[0]
    return worst === undefined || this.#entries.length < this.#k || isWorse(worst, { entry, score })
  }

  /** Adds an entry that is admitted. */
  push(entry: T, score: number): void {
    const heap = this.#entries
    if (heap.length < this.#k) {
      heap.push({ entry, score })
      this.#up(heap.length - 1)
    } else {
      heap[0] = { entry, score }
      this.#down()
    }
    const worst = heap[0]
    if (heap.length >= this.#k && worst !== undefined) this.threshold = worst.score
  }

  /** Best first. */
  ranked(): ReadonlyArray<{ readonly entry: T; readonly score: number }> {
    return [...this.#entries].sort((a, b) => (isWorse(a, b) ? 1 : -1))
  }

  #up(from: number): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#swapIfWorse(at, parent)) return
      at = parent
    }
  }

  #down(): void {
    const heap = this.#entries
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= heap.length) return
      const right = left + 1
      const [l, r] = [heap[left], heap[right]]
      const child = l !== undefined && r !== undefined && isWorse(r, l) ? right : left
      if (!this.#swapIfWorse(child, at)) return
      at = child
    }
  }

  #swapIfWorse(child: number, parent: number): boolean {
    const heap = this.#entries
    const [c, p] = [heap[child], heap[parent]]
    if (c === undefined || p === undefined || !isWorse(c, p)) return false
    heap[child] = p
    heap[parent] = c
    return true
  }
}

interface Scored {
  readonly entry: { readonly id: string }
  readonly score: number
}

// Equal scores rank by id, so that an answer does not depend on the order of insertion.
const isWorse = (a: Scored, b: Scored): boolean => a.score < b.score || (a.score === b.score && a.entry.id > b.entry.id)
