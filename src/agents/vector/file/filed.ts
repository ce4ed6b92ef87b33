/**
 * The index file of an engine. First what a library wrote, where there is one, which reads from the beginning and does not mind
 * what comes behind; then the vectors, the labels, what each vector was made from, the ids, the mark, and what the file is, with a
 * checksum of what the library wrote and one of all the rest.
 *
 * It goes past Effect's `FileSystem` because libraries open the path themselves.
 */
import { endianness } from "node:os"
import { resolve } from "node:path"
import { Effect, Semaphore } from "effect"
import type { IndexFile } from "../Engine.ts"
import { IndexUnsaved, IndexUnusable } from "../IndexError.ts"
import type { Metric } from "../Stored.ts"
import type { Header } from "./header.ts"
import { load } from "./load.ts"
import type { NativePart } from "./native.ts"
import { save } from "./save.ts"

/** What is known of vectors, in their order. */
export interface Parts {
  readonly ids: ReadonlyArray<string>
  /** What the library calls them, -1 where it does not have one; empty where there is no library. */
  readonly labels: Int32Array
  /** Labels that stand for nothing any more. */
  readonly gone: Int32Array
  readonly nextLabel: number
  /** No vector is longer; 0 where that is of no use. */
  readonly norm: number
}

/** What is saved. All of it is taken at once, and stays as it is until it is released. */
export interface Taken extends Parts {
  /** The vectors, piece by piece; the last piece may be written over when the next is asked for. */
  readonly vectors: Iterable<Float32Array>
  /** Lets the library write to a file, which exists already. */
  readonly native: ((path: string) => void) | undefined
  readonly release: () => void
}

/** What a library wrote, which is to be read now. */
export interface NativeFile {
  readonly part: NativePart
  /** To be told if it is of no use. */
  readonly unread: (error: IndexUnusable) => void
}

/** Where vectors go that are loaded. */
export interface Place {
  /** What is to be filled, in their order. */
  readonly vectors: Iterable<Float32Array>
  /**
   * Puts them in the place of all there is, in one instant: `told` runs in it, unless all there is was replaced since loading began,
   * and then nothing happens.
   */
  readonly put: (parts: Parts, native: NativeFile | undefined, told: () => void) => Effect.Effect<void>
}

/** What is kept in files. */
export interface Options {
  readonly library: string
  readonly settings: string
  readonly metric: Metric
  readonly dimension: number
  readonly stride: number
  readonly take: () => Taken
  /** To be called when loading begins; answers a function that makes a place for so many vectors. */
  readonly place: () => (count: number) => Place
}

/** The index file of an engine. */
export const filed = ({ place, take, ...options }: Options): IndexFile => {
  const made: Header["made"] = { ...options, byteOrder: endianness() }
  const oneAtATime = Semaphore.makeUnsafe(1).withPermits(1)
  return {
    save: (path, mark, stampOf) =>
      Effect.uninterruptible(
        oneAtATime(
          Effect.tryPromise({
            try: () => save(resolve(path), made, take(), mark, stampOf),
            catch: (cause) => new IndexUnsaved({ path, reason: reasonOf(cause), cause })
          })
        )
      ),
    load: (path, told, unread = logged) =>
      oneAtATime(
        Effect.flatMap(
          Effect.tryPromise({
            try: () => load(resolve(path), made, place()),
            catch: (cause) => {
              if (cause instanceof IndexUnusable) return cause
              const [kind, reason] = isAbsent(cause) ? (["absent", "there is none"] as const) : unreadable(cause)
              return new IndexUnusable({ path, kind, reason, cause })
            }
          }),
          ({ mark, native, parts, place, stamps }) =>
            Effect.as(
              place.put(parts, native === undefined ? undefined : { part: native, unread }, () => {
                if (told !== undefined) for (const [i, id] of parts.ids.entries()) told(id, stamps(i))
              }),
              mark
            )
        )
      )
  }
}

const logged = (error: IndexUnusable) => void Effect.runFork(Effect.logWarning(error.message))
const unreadable = (cause: unknown) => ["unreadable", reasonOf(cause)] as const
const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
const isAbsent = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === "ENOENT"
