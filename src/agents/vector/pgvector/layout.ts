/** How a table is laid out and indexed, and how an index is asked. */
import type { Metric } from "../Stored.ts"

/** Which index a table has. */
export type Index =
  | { readonly kind: "exact"; readonly quantization: "f32" }
  | {
      readonly kind: "hnsw"
      readonly quantization: "f32" | "f16"
      readonly connectivity: number
      readonly expansionAdd: number
      readonly expansionSearch: number
      readonly iterativeScan: "off" | "strict" | "relaxed"
      /** Rows, at most, in one iterative scan. */
      readonly mostScanned: number | undefined
    }
  | {
      readonly kind: "ivfflat"
      readonly quantization: "f32" | "f16"
      readonly lists: number
      readonly probes: number
      readonly trainedBy: number
      readonly iterativeScan: "off" | "relaxed"
      /** Lists, at most, in one iterative scan. */
      readonly mostScanned: number | undefined
    }

/** All that decides on the statements of a table. */
export interface Layout {
  /** Qualified, in quotes. */
  readonly table: string
  /** The schema of the extension, in quotes. */
  readonly extension: string
  readonly dimension: number
  readonly metric: Metric
  readonly index: Index
  /** Settings of each search, by name. */
  readonly settings: Readonly<Record<string, string>>
}

/** The end of an index's name, and its parameters. Another one is another index. */
export const nameOf = (index: Index): { readonly suffix: string; readonly parameters: string } | undefined => {
  const { kind, quantization } = index
  switch (kind) {
    case "exact":
      return undefined
    case "hnsw": {
      const { connectivity, expansionAdd } = index
      return {
        suffix: `_hnsw_${quantization}_${connectivity}_${expansionAdd}`,
        parameters: `m = ${connectivity}, ef_construction = ${expansionAdd}`
      }
    }
    case "ivfflat":
      return { suffix: `_ivfflat_${quantization}_${index.lists}`, parameters: `lists = ${index.lists}` }
  }
}
