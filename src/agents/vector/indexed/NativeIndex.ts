/** What is asked of a library of approximate search: vectors under numbers, and the nearest of them as it sees it. */

/** One index of a library. Vectors come normalised where the metric is `cosine`. What it throws is a failure of the library. */
export interface NativeIndex {
  /**
   * Adds vectors, one behind the other, each under its label: one that was taken out, or else the next whole number from 0 on that
   * was never given.
   */
  readonly add: (labels: ReadonlyArray<number>, vectors: Float32Array) => void
  /** At most `count` labels, nearest first, of `count` from 1 to the number of labels it holds. */
  readonly search: (query: Float32Array, count: number) => ReadonlyArray<number>
  /** Takes labels out. Where a library cannot, they are skipped in its answers until the index is made anew. */
  readonly remove?: (labels: ReadonlyArray<number>) => void
  /** Writes a file that exists already. */
  readonly save: (path: string) => void
}

/** How the indexes of an engine are made. */
export interface NativeKind {
  /** The library, in words for errors. */
  readonly library: string
  /** Everything that makes its files different from others. */
  readonly settings: string
  /** The fewest labels to ask for, since asking for more makes some libraries look further. */
  readonly breadth: number
  /** How many candidates are scored again, as a multiple of k: more where the library's own scores are coarse. */
  readonly rescored: number
  /** Vectors added in one call. */
  readonly batch: number
  /** How many vectors it has to see before it can be made; 0 if none. */
  readonly trainedBy: number
  /** An empty index, trained by a sample where it needs one. */
  readonly make: (sample: Float32Array) => NativeIndex
  /** The index in a file, which may go on behind what the library wrote. */
  readonly load: (path: string) => NativeIndex
}
