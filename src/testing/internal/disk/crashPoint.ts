import { cut } from "./damage.ts"
import { type Image, type ImageOptions, images, type Model } from "./images.ts"
import { describe, type Operation } from "./operation.ts"
import type { Volume } from "./volume.ts"

/** A moment at which the system may stop: some operations are done, the next one is not. */
export interface CrashPoint {
  /** How many operations of the journal are done. */
  readonly at: number
  /** The moment in words. */
  readonly describe: string
  /** Whether a power cut could take anything: where it could not, every model leaves the one same disk. */
  readonly isPending: boolean
  /** The disks that the crash may leave behind, each once. */
  readonly images: (model: Model, options?: ImageOptions) => Iterable<Image>
  /** The volume as it is at that moment, pending changes and all. @internal */
  readonly volume: Volume
}

/** The crash points of a journal, from one length to another; the volume, as it was before the first, is used up. */
export function* crashPoints(
  volume: Volume,
  journal: ReadonlyArray<Operation>,
  from: number,
  to: number
): Generator<CrashPoint> {
  for (let at = 0; at <= to; at++) {
    const done = journal[at - 1]
    if (done !== undefined) volume.apply(done)
    if (at >= from) yield new Point(at < to ? volume.fork() : volume, at, done, journal[at])
  }
}

class Point implements CrashPoint {
  readonly at: number
  readonly volume: Volume
  readonly #done: Operation | undefined
  readonly #next: Operation | undefined

  constructor(volume: Volume, at: number, done: Operation | undefined, next: Operation | undefined) {
    this.volume = volume
    this.at = at
    this.#done = done
    this.#next = next
  }

  get isPending(): boolean {
    return this.volume.isPending
  }

  get describe(): string {
    const after = this.#done === undefined ? "at the start" : `after \`${describe(this.#done)}\``
    return this.#next === undefined ? `${after}, at the end` : `${after}, before \`${describe(this.#next)}\``
  }

  *images(model: Model, options: ImageOptions = {}): Generator<Image> {
    yield* images(this.volume, model, options)
    // A kill may find a long write half done. A power cut that does so is among the images of the next point.
    const next = this.#next
    if (model !== "process" || next?._tag !== "Write") return
    const { blockSize = 4_096 } = options
    const last = Math.floor((next.bytes.length - 1) / blockSize) * blockSize
    for (const length of new Set([Math.min(blockSize, last), last])) {
      if (length <= 0) continue
      const volume = this.volume.fork()
      const written = cut(next, length)
      if ("bytes" in written) volume.apply({ ...next, bytes: written.bytes })
      for (const image of images(volume, model, options)) {
        const lost = [`the next write was cut short after ${length} of ${next.bytes.length} bytes`]
        yield { model, key: image.key, snapshot: image.snapshot, lost }
      }
    }
  }
}
