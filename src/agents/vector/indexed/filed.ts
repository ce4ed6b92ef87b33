/** What goes from an engine over a library into its index file, and back. */
import { Effect } from "effect"
import { piece } from "../file/bytes.ts"
import type { Place, Taken } from "../file/filed.ts"
import type { Metric } from "../Stored.ts"
import type { Labelled, Slot } from "./labelled.ts"
import type { NativeKind } from "./NativeIndex.ts"
import { Rows } from "./rows.ts"
import type { Reading } from "./upkeep.ts"

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
  labels: Int32Array.from(slots, ({ row }) => labelled?.labelOf(row) ?? -1),
  gone: Int32Array.from(labelled?.gone ?? []),
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

/** Where so many vectors go; `replace` puts them in the place of all there is, and answers whether they are it now. */
export const place = (
  dimension: number,
  count: number,
  replace: (rows: Rows, slots: ReadonlyArray<Slot>, reading: Reading | undefined) => boolean
): Place => {
  const rows = new Rows(dimension)
  while (rows.end < count) rows.add()
  const vectors = Array.from({ length: Math.ceil(count / rows.rowsPerBlock) }, (_, i) => {
    const first = i * rows.rowsPerBlock
    return rows.block(first).subarray(0, Math.min(count - first, rows.rowsPerBlock) * dimension)
  })
  return {
    vectors,
    put: (parts, native, told) =>
      Effect.sync(() => {
        const slots = parts.ids.map((id, row): Slot => ({ id, row }))
        if (replace(rows, slots, native === undefined ? undefined : { native, parts })) told()
      })
  }
}
