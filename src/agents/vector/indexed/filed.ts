/** What goes from an engine over a library into its index file, and back. */
import { Effect } from "effect"
import { piece } from "../file/bytes.ts"
import type { Parts, Place, Taken } from "../file/filed.ts"
import { IndexUnusable } from "../IndexError.ts"
import type { Metric } from "../Stored.ts"
import { Labelled, type Slot } from "./labelled.ts"
import type { NativeKind } from "./NativeIndex.ts"
import { Rows } from "./rows.ts"

/** What an engine holds at a moment. */
export interface Held {
  readonly rows: Rows
  readonly slots: ReadonlyArray<Slot>
  readonly labelled: Labelled | undefined
}

/** What its files are told from others by. */
export const made = ({ library, settings }: NativeKind, metric: Metric, dimension: number) => ({
  library,
  settings,
  metric,
  dimension,
  stride: dimension
})

/** What is saved. */
export const take = ({ labelled, rows, slots }: Held): Taken => ({
  ids: slots.map(({ id }) => id),
  labels: Int32Array.from(slots, (slot) => labelled?.labelOf(slot) ?? -1),
  gone: Int32Array.from(labelled?.gone ?? []),
  waste: (labelled?.waste ?? 0) - (labelled?.gone.length ?? 0),
  nextLabel: labelled?.nextLabel ?? 0,
  norm: 0,
  vectors: vectorsOf(rows, slots),
  native: labelled === undefined ? undefined : (path) => labelled.native.save(path),
  release: rows.hold()
})

const vectorsOf = function* (rows: Rows, slots: ReadonlyArray<Slot>) {
  const atOnce = Math.max(1, Math.floor(piece / (4 * rows.dimension)))
  for (let from = 0; from < slots.length; from += atOnce) {
    const some = slots.slice(from, from + atOnce)
    const vectors = new Float32Array(some.length * rows.dimension)
    some.forEach(({ row }, i) => {
      vectors.set(rows.at(row), i * rows.dimension)
    })
    yield vectors
  }
}

/** Where so many vectors go; `replace`, which is told which of them the library has, answers whether they are all there is now. */
export const place = (
  kind: NativeKind,
  dimension: number,
  count: number,
  replace: (
    rows: Rows,
    slots: ReadonlyArray<Slot>,
    isIndexed: (slot: Slot) => boolean,
    labelled: Labelled | undefined
  ) => boolean
): Place => {
  const rows = new Rows(dimension)
  while (rows.end < count) rows.add()
  const vectors = Array.from({ length: Math.ceil(count / rows.rowsPerBlock) }, (_, i) => {
    const first = i * rows.rowsPerBlock
    return rows.block(first).subarray(0, Math.min(count - first, rows.rowsPerBlock) * dimension)
  })
  return {
    vectors,
    put: (parts, path, told) =>
      Effect.suspend(() => {
        const slots = parts.ids.map((id, row): Slot => ({ id, row }))
        try {
          const labelled = path === undefined ? undefined : restored(kind, path, parts, slots)
          const isIndexed = ({ row }: Slot) => labelled !== undefined && (parts.labels[row] ?? -1) >= 0
          if (replace(rows, slots, isIndexed, labelled)) told()
          return Effect.void
        } catch (cause) {
          if (cause instanceof IndexUnusable) return Effect.fail(cause)
          throw cause
        }
      })
  }
}

const restored = (kind: NativeKind, path: string, parts: Parts, slots: ReadonlyArray<Slot>): Labelled => {
  const { gone, labels, nextLabel, waste } = parts
  const labelled = Labelled.restored(loadNative(kind, path), waste, nextLabel, [...gone])
  slots.forEach((slot, i) => {
    const label = labels[i] ?? -1
    if (label >= 0) labelled.restore(slot, label)
  })
  return labelled
}

const loadNative = (kind: NativeKind, path: string) => {
  try {
    return kind.load(path)
  } catch (cause) {
    const reason = `${kind.library} does not read it: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new IndexUnusable({ path, kind: "other", reason, cause })
  }
}
