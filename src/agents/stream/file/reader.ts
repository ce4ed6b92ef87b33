import { Effect } from "effect"
import type { Disk } from "../../file/disk.ts"
import type { IoError } from "../../file/ioError.ts"
import type { LogCorrupt } from "../../file/log/scan.ts"
import { type Id, pageBytes, type Stored } from "../Log.ts"
import type { Segment } from "./names.ts"
import type { Current } from "./recover.ts"
import { scoped } from "./scoped.ts"
import { corrupt, find, type Opened, open, type Place, readFrom } from "./segment.ts"

// Where readers left off, so that the next page is not looked for. Of more readers than this some have to look.
const mostPlaces = 64

interface Left extends Place {
  readonly file: string
}

/** Reads the events of a stream, whatever segments they are in. Each read opens what it reads. */
export class Reader {
  readonly #disk: Disk
  readonly #directory: string
  readonly #id: Id
  /** Where the event of a position begins. */
  readonly #places = new Map<number, Left>()

  constructor(disk: Disk, directory: string, id: Id) {
    this.#disk = disk
    this.#directory = directory
    this.#id = id
  }

  /** A page of events from a position on that is there. */
  read(current: Current, from: number, limit: number): Effect.Effect<ReadonlyArray<Stored>, IoError | LogCorrupt> {
    return Effect.gen({ self: this }, function* () {
      const { last } = current.tail
      let page: ReadonlyArray<Stored> = []
      let bytes = 0
      for (;;) {
        const position = from + page.length
        const left = Math.min(limit, last + 1 - from) - page.length
        if (left <= 0 || bytes >= pageBytes) return page
        const segment = current.segments.findLast(({ first }) => first <= position) ?? current.active.segment
        const found = yield* this.#using(current, segment, (opened) =>
          this.#readIn(opened, position, left, pageBytes - bytes)
        )
        page = page.length === 0 ? found : [...page, ...found]
        for (const { data } of found) bytes += data.length
      }
    })
  }

  #readIn(opened: Opened, position: number, limit: number, mostBytes: number) {
    return Effect.gen({ self: this }, function* () {
      const { file } = opened.segment
      const left = this.#places.get(position)
      const place = left?.file === file ? left : yield* placeOf(opened, position)
      const { events, next } = yield* readFrom(opened, place, position, limit, mostBytes)
      if (events.length === 0)
        return yield* corrupt(opened.pages, place.offset, `the event of position ${position} is missing`)
      this.#places.delete(position)
      this.#places.set(position + events.length, { ...next, file })
      const [oldest] = this.#places.keys()
      if (this.#places.size > mostPlaces && oldest !== undefined) this.#places.delete(oldest)
      return events
    })
  }

  /** The position of the last event appended at or before a time. */
  positionAt(current: Current, time: number): Effect.Effect<number, IoError | LogCorrupt> {
    return Effect.gen({ self: this }, function* () {
      const { active, segments, tail } = current
      if (tail.at <= time) return tail.last
      let low = 0
      let high = segments.length
      while (high - low > 1) {
        const middle = (low + high) >>> 1
        const segment = segments[middle] ?? active.segment
        const { header } = segment === active.segment ? active : yield* this.#using(current, segment, Effect.succeed)
        if (header.at <= time) low = middle
        else high = middle
      }
      const segment = segments[low] ?? active.segment
      const next = yield* this.#using(current, segment, (opened) => find(opened, (head) => head.at <= time))
      return (next.head?.position ?? segments[low + 1]?.first ?? tail.last + 1) - 1
    })
  }

  #using<A, E>(
    { active, tail }: Current,
    segment: Segment,
    use: (opened: Opened) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | IoError | LogCorrupt> {
    const end = segment.file === active.segment.file ? tail.offset : undefined
    return scoped(Effect.flatMap(open(this.#disk, this.#directory, segment, this.#id, end), use))
  }
}

const placeOf = (opened: Opened, position: number) =>
  position === opened.header.first ? Effect.succeed(opened.begin) : find(opened, (head) => head.position < position)
