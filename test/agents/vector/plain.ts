/** A library for engines over one. */
import { readFileSync, writeFileSync } from "node:fs"
import type { NativeIndex, NativeKind } from "../../../src/agents/vector/indexed/NativeIndex.ts"
import { dot } from "../../../src/agents/vector/kernels.ts"
import type { Metric } from "../../../src/agents/vector/Stored.ts"
import { turns } from "../../../src/agents/vector/turns.ts"

/** A library that compares with everything, and notes what is asked of it. */
export class Plain implements NativeIndex {
  readonly #vectors: Map<number, ReadonlyArray<number>>
  readonly #dimension: number
  readonly #metric: Metric

  constructor(dimension: number, metric: Metric, entries: Iterable<[number, ReadonlyArray<number>]> = []) {
    this.#dimension = dimension
    this.#metric = metric
    this.#vectors = new Map(entries)
  }

  add(labels: ReadonlyArray<number>, vectors: Float32Array): void {
    for (const [i, label] of labels.entries()) {
      if (this.#vectors.has(label)) throw new Error("a label came twice")
      this.#vectors.set(label, [...vectors.subarray(i * this.#dimension, (i + 1) * this.#dimension)])
    }
  }

  search(query: Float32Array, count: number): ReadonlyArray<number> {
    if (count < 1 || count > this.#vectors.size) throw new Error(`asked for ${count} of ${this.#vectors.size}`)
    const score = (vector: ReadonlyArray<number>) => {
      const row = new Float32Array(vector)
      if (this.#metric !== "euclidean") return dot(row, 0, query)
      return 0 - Math.hypot(...row.map((x, i) => x - (query[i] ?? 0)))
    }
    return [...this.#vectors]
      .map(([label, vector]) => [label, score(vector)] as const)
      .sort((a, b) => b[1] - a[1])
      .slice(0, count)
      .map(([label]) => label)
  }

  remove(labels: ReadonlyArray<number>): void {
    for (const label of labels) if (!this.#vectors.delete(label)) throw new Error("an unknown label was removed")
  }

  save(path: string): void {
    writeFileSync(path, `${JSON.stringify([...this.#vectors])}\n`)
  }

  static load(path: string, dimension: number, metric: Metric): Plain {
    return new Plain(dimension, metric, JSON.parse(readFileSync(path, "utf8").split("\n")[0] ?? ""))
  }
}

export type Shape = { readonly dimension: number; readonly metric: Metric }

export const kindOf = ({ dimension, metric }: Shape, more?: Partial<NativeKind>): NativeKind => ({
  library: "plain",
  settings: "",
  breadth: 1,
  rescored: 2,
  batch: 3,
  trainedBy: 0,
  make: () => new Plain(dimension, metric),
  load: (path) => Plain.load(path, dimension, metric),
  ...more
})

/** Hides that a library can remove; takes a turn of the event loop for each call of `add` where it is told to. */
export const keeping = ({ dimension, metric }: Shape, isSlow = () => false): NativeIndex => {
  const plain = new Plain(dimension, metric)
  return {
    add: (labels, vectors) => {
      plain.add(labels, vectors)
      while (isSlow() && !turns.isSpent());
    },
    search: (query, count) => plain.search(query, count),
    save: (path) => plain.save(path)
  }
}
