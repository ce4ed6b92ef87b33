import { Data, Effect, type FileSystem } from "effect"
import type { Disk } from "../disk.ts"
import type { IoError } from "../ioError.ts"
import * as Frame from "./frame.ts"

/** A log that is damaged where no crash can have damaged it. Nothing was changed. */
export class LogCorrupt extends Data.TaggedError("LogCorrupt")<{
  readonly path: string
  /** Where in the file, in bytes. */
  readonly offset: number
  readonly reason: string
}> {
  override get message() {
    return `${this.path} is damaged at byte ${this.offset}: ${this.reason}`
  }
}

/** A frame that was found intact, and where. */
export interface Found {
  readonly offset: number
  readonly end: number
  readonly header: Frame.FrameHeader
  readonly bytes: Buffer
}

// How much is read at least.
const page = 64 * 1024

/** A file to be read in order, a page at a time. */
export class Pages {
  readonly path: string
  readonly size: number
  readonly #disk: Disk
  readonly #file: FileSystem.File
  #start = 0
  #bytes: Buffer = Buffer.alloc(0)

  constructor(disk: Disk, path: string, file: FileSystem.File, size: number) {
    this.#disk = disk
    this.path = path
    this.#file = file
    this.size = size
  }

  /** Bytes of the file: fewer only at its end. They are valid until the next read. */
  read(offset: number, length: number): Effect.Effect<Buffer, IoError> {
    return Effect.suspend(() => {
      const end = Math.min(this.size, offset + length)
      if (offset >= this.#start && end <= this.#start + this.#bytes.length) {
        return Effect.succeed(this.#bytes.subarray(offset - this.#start, Math.max(offset, end) - this.#start))
      }
      return Effect.map(this.#fill(offset, Math.min(this.size, Math.max(end, offset + page))), (bytes) => {
        this.#start = offset
        this.#bytes = bytes
        return bytes.subarray(0, Math.max(0, end - offset))
      })
    })
  }

  #fill(from: number, to: number): Effect.Effect<Buffer, IoError> {
    const bytes = Buffer.allocUnsafe(Math.max(0, to - from))
    const more = (at: number): Effect.Effect<Buffer, IoError> =>
      at >= bytes.length
        ? Effect.succeed(bytes)
        : Effect.flatMap(
            this.#disk.io(this.path, this.#file.read(bytes.subarray(at), { position: BigInt(from + at) })),
            (read) => (read === 0 ? Effect.succeed(bytes.subarray(0, at)) : more(at + read))
          )
    return more(0)
  }

  /** The frame at an offset, if there is an intact one. */
  frameAt(generation: string, offset: number): Effect.Effect<Found | undefined, IoError> {
    return Effect.gen({ self: this }, function* () {
      const line = yield* this.#lineAt(offset)
      const header = line === undefined ? undefined : Frame.decodeHeader(generation, offset, line)
      if (header === undefined) return undefined
      const end = offset + header.headerLength + header.bodyLength
      // Before any memory is taken for what the line claims.
      if (end > this.size) return undefined
      const bytes = yield* this.read(offset, end - offset)
      return Frame.isIntact(header, bytes) ? { offset, end, header, bytes } : undefined
    })
  }

  #lineAt(offset: number): Effect.Effect<string | undefined, IoError> {
    const look = (room: number): Effect.Effect<string | undefined, IoError> =>
      Effect.flatMap(this.read(offset, room), (bytes) => {
        const end = bytes.indexOf("\n")
        if (end >= 0) return Effect.succeed(bytes.toString("latin1", 0, end + 1))
        const isShort = bytes.length < room || !Frame.isHeaderText(bytes.toString("latin1"))
        return isShort ? Effect.succeed(undefined) : look(room * 4)
      })
    return look(256)
  }

  /** The next intact frame at an offset or behind it. */
  findFrame(generation: string, from: number): Effect.Effect<Found | undefined, IoError> {
    return Effect.gen({ self: this }, function* () {
      const needle = Frame.frameStart(generation)
      for (let offset = from; offset < this.size; ) {
        const bytes = yield* this.read(offset, page)
        const hit = bytes.indexOf(needle, 0, "latin1")
        if (hit < 0) {
          if (offset + bytes.length >= this.size) return undefined
          offset += bytes.length - needle.length + 1
          continue
        }
        const found = yield* this.frameAt(generation, offset + hit)
        if (found !== undefined) return found
        offset += hit + 1
      }
      return undefined
    })
  }
}

/** What a file says from its beginning, or from a frame on. */
export interface Scan {
  readonly generation: string
  /** The end of the last intact frame. Behind it is nothing, or a torn tail. */
  readonly end: number
  /** The lowest position that is free. */
  readonly next: number
}

/** Reads frame after frame, from the beginning or from where a scan ended. What is bad is a torn tail if nothing intact is behind it, and corruption otherwise. */
export const scan = (
  pages: Pages,
  from: Scan | undefined,
  each: (frame: Found) => void
): Effect.Effect<Scan, IoError | LogCorrupt> =>
  Effect.gen(function* () {
    const corrupt = (offset: number, reason: string) => new LogCorrupt({ path: pages.path, offset, reason })
    let begin = from
    let least = 0
    if (begin === undefined) {
      const start = Frame.decodeStart(yield* pages.read(0, Frame.startRoom))
      if (typeof start === "string") return yield* corrupt(0, start)
      least = start.next
      begin = { generation: start.generation, end: start.length, next: 0 }
    }
    const { generation } = begin
    let { end, next } = begin
    while (end < pages.size) {
      const found = yield* pages.frameAt(generation, end)
      if (found === undefined) break
      const first = found.header.positions[0] ?? next
      if (first < next) return yield* corrupt(end, `position ${first} follows position ${next - 1}`)
      each(found)
      end = found.end
      next = (found.header.positions.at(-1) ?? next) + 1
    }
    if (end < pages.size) {
      const behind = yield* pages.findFrame(generation, end + 1)
      if (behind !== undefined) {
        return yield* corrupt(
          end,
          `what is there is not as it was written, and good records follow at ${behind.offset}`
        )
      }
    }
    return { generation, end, next: Math.max(next, least) }
  })
