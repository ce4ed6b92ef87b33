/** As much of faiss-node as the engine uses. */

/** An index of faiss. Vectors lie one behind the other. */
export interface Index {
  readonly ntotal: () => number
  readonly getDimension: () => number
  readonly isTrained: () => boolean
  readonly add: (vectors: Array<number>) => void
  readonly train: (vectors: Array<number>) => void
  readonly search: (
    query: Array<number>,
    k: number
  ) => { readonly labels: ReadonlyArray<number>; readonly distances: ReadonlyArray<number> }
  readonly write: (path: string) => void
}

export interface Binding {
  readonly Index: {
    readonly fromFactory: (dimension: number, description: string, metric: number) => Index
    readonly read: (path: string) => Index
  }
}

/** How faiss numbers its metrics (MetricType.h). */
export const metricNumbers = { innerProduct: 0, squaredDistance: 1 } as const
