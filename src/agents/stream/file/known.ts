import { join } from "node:path"
import { Effect, Option } from "effect"
import type { Disk } from "../../file/disk.ts"
import type { IoError } from "../../file/ioError.ts"
import type { LogCorrupt } from "../../file/log/scan.ts"
import * as Names from "../../file/names.ts"
import type { Id } from "../Log.ts"
import { IdTable } from "./ids.ts"
import { idsOf, type Segment } from "./names.ts"
import type { Current } from "./recover.ts"
import { type Positions, scan, tailOf } from "./scan.ts"
import { scoped } from "./scoped.ts"
import { find, open } from "./segment.ts"

/** Which appends a stream has done, by their ids. Nothing is read or kept before the first append that has one. */
export class Known {
  readonly #disk: Disk
  readonly #directory: string
  readonly #id: Id
  #tables: ReadonlyMap<number, IdTable> = new Map()

  constructor(disk: Disk, directory: string, id: Id) {
    this.#disk = disk
    this.#directory = directory
    this.#id = id
  }

  /** The positions of the append with an id, if it was done and some event of it is kept. */
  find({ ids, segments }: Current, id: string): Effect.Effect<Positions | undefined, IoError | LogCorrupt> {
    return Effect.gen({ self: this }, function* () {
      const recent = ids.get(id)
      if (recent !== undefined) return recent
      yield* this.#load(segments)
      for (const segment of segments.slice(0, -1))
        for (const last of this.#tables.get(segment.first)?.find(id) ?? []) {
          const found = yield* this.#readAt(segment, last)
          if (found?.id === id && found.position === last) return { first: last + 1 - found.of, last }
        }
      return undefined
    })
  }

  /** Keeps the ids of a segment that is full, so that it need not be read again. */
  seal({ active: { segment }, ids }: Current): Effect.Effect<void> {
    if (ids.size === 0) return Effect.void
    const table = IdTable.of(
      segment.first,
      Array.from(ids, ([id, { last }]) => [id, last] as const)
    )
    return this.#write(segment, table)
  }

  #load(segments: ReadonlyArray<Segment>): Effect.Effect<void, IoError | LogCorrupt> {
    const sealed = segments.slice(0, -1)
    if (sealed.length === this.#tables.size && sealed.every(({ first }) => this.#tables.has(first))) return Effect.void
    return Effect.gen({ self: this }, function* () {
      const tables = new Map<number, IdTable>()
      for (const segment of sealed)
        tables.set(segment.first, this.#tables.get(segment.first) ?? (yield* this.#table(segment)))
      this.#tables = tables
    })
  }

  #table(segment: Segment): Effect.Effect<IdTable, IoError | LogCorrupt> {
    const { first } = segment
    return Effect.gen({ self: this }, function* () {
      const stored = yield* this.#disk.read(join(this.#directory, idsOf(segment)))
      const known = Option.isSome(stored) ? IdTable.decode(first, stored.value) : undefined
      if (known !== undefined) return known
      const ids: Array<readonly [string, number]> = []
      const opened = open(this.#disk, this.#directory, segment, this.#id, undefined)
      yield* scoped(
        Effect.flatMap(opened, (opened) => scan(opened, tailOf(opened), ([id, { last }]) => ids.push([id, last])))
      )
      const table = IdTable.of(first, ids)
      yield* this.#write(segment, table)
      return table
    })
  }

  // Only a shortcut: that it could not be written is nobody's concern.
  #write(segment: Segment, table: IdTable): Effect.Effect<void> {
    const file = idsOf(segment)
    const directory = this.#directory
    const [target, temp] = [join(directory, file), join(directory, Names.tempOf(file))]
    return Effect.ignore(this.#disk.replace({ directory, target, temp, bytes: table.encode(), mode: undefined }))
  }

  #readAt(segment: Segment, position: number) {
    const opened = open(this.#disk, this.#directory, segment, this.#id, undefined)
    const sought = Effect.flatMap(opened, (opened) => find(opened, (head) => head.position < position))
    return Effect.map(scoped(sought), ({ head }) => head)
  }
}
