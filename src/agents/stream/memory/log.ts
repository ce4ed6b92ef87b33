/**
 * Events in memory: for tests, and for what need not outlive its process.
 *
 * - Promises: `volatile`, `linearizable`, shared by the fibers of one `process`. An id is known as long as one of its events is kept.
 * - Costs: an append and a page copy references alone; the encoded events stay in memory until they are compacted.
 * - Fails: with `Closed` after its scope.
 */
import { Effect, Exit, Layer, type Scope } from "effect"
import type { Failure } from "../../internal/backend.ts"
import {
  type Append,
  type Appended,
  type Bounds,
  type Conflict,
  type Id,
  type Log,
  type Part,
  pageBytes,
  type Stored
} from "../Log.ts"
import { StreamLog } from "../StreamLog.ts"

/** A log in memory, empty at first. It forgets all when the scope closes. */
export const make: Effect.Effect<Log, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => new MemoryLog()),
  (log) => Effect.sync(() => log.close())
)

/** The log as a layer. */
export const layer: Layer.Layer<StreamLog> = Layer.effect(StreamLog, make)

/** One stream. */
interface Events {
  /** Oldest first; the first one is that behind `compacted`. */
  kept: Array<Stored>
  compacted: number
  /** The time of the last event there ever was. */
  lastAt: number
  /** The positions of the appends that named themselves and are kept, in part at least. */
  readonly ids: Map<string, Appended>
  readonly watchers: Set<() => void>
}

const lastOf = ({ compacted, kept }: Events): number => compacted + kept.length

class MemoryLog implements Log {
  readonly name = "memory"
  readonly claims = { durability: "volatile", consistency: "linearizable", sharing: "process" } as const
  readonly #collections = new Map<string, Map<string, Events>>()
  readonly ping = this.#open(() => Exit.void)
  #isClosed = false

  append(append: Append): Effect.Effect<Appended, Failure | Conflict> {
    // Nothing in it yields, which is what makes the step atomic.
    return this.#open((): Exit.Exit<Appended, Conflict> => {
      const stream = this.#of(append)
      const known = append.id === undefined ? undefined : stream.ids.get(append.id)
      if (known !== undefined) return Exit.succeed({ ...known, wasKnown: true })
      const last = lastOf(stream)
      if (append.expected !== "any" && append.expected !== last) return Exit.fail({ _tag: "Conflict", actual: last })
      const at = Math.max(append.at, stream.lastAt)
      for (const { data, type } of append.events) stream.kept.push({ position: lastOf(stream) + 1, at, type, data })
      stream.lastAt = at
      const appended: Appended = { first: last + 1, last: lastOf(stream), wasKnown: false }
      if (append.id !== undefined) stream.ids.set(append.id, appended)
      for (const notice of stream.watchers) notice()
      return Exit.succeed(appended)
    })
  }

  read(id: Id, { after, limit }: Part): Effect.Effect<ReadonlyArray<Stored>, Failure> {
    return this.#open(() => {
      const { compacted, kept } = this.#of(id)
      const first = Math.max(0, after - compacted)
      let bytes = 0
      let end = first
      while (end < kept.length && end - first < limit && bytes < pageBytes) bytes += kept[end++]?.data.length ?? 0
      return Exit.succeed(kept.slice(first, end))
    })
  }

  bounds(id: Id): Effect.Effect<Bounds, Failure> {
    return this.#open(() => {
      const stream = this.#of(id)
      return Exit.succeed({ compacted: stream.compacted, last: lastOf(stream) })
    })
  }

  positionAt(id: Id, time: number): Effect.Effect<number, Failure> {
    return this.#open(() => {
      const { compacted, kept } = this.#of(id)
      let low = 0
      let high = kept.length
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((kept[middle]?.at ?? 0) <= time) low = middle + 1
        else high = middle
      }
      return Exit.succeed(compacted + low)
    })
  }

  compact(id: Id, upTo: number): Effect.Effect<void, Failure> {
    return this.#open(() => {
      const stream = this.#of(id)
      const position = Math.min(upTo, lastOf(stream))
      if (position <= stream.compacted) return Exit.void
      // A copy, so that no page keeps what was removed.
      stream.kept = stream.kept.slice(position - stream.compacted)
      stream.compacted = position
      for (const [id, { last }] of stream.ids) if (last <= position) stream.ids.delete(id)
      return Exit.void
    })
  }

  keys(
    collection: string,
    { after, limit, prefix }: { readonly prefix: string; readonly after: string | undefined; readonly limit: number }
  ): Effect.Effect<ReadonlyArray<string>, Failure> {
    return this.#open(() => {
      const all = [...(this.#collections.get(collection) ?? [])].flatMap(([key, stream]) =>
        lastOf(stream) > 0 && key.startsWith(prefix) ? [key] : []
      )
      const sorted = all.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      const first =
        after === undefined ? 0 : sorted.findIndex((key) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0)
      return Exit.succeed(first < 0 ? [] : sorted.slice(first, first + limit))
    })
  }

  watch(id: Id, notice: () => void): Effect.Effect<void, Failure, Scope.Scope> {
    return Effect.asVoid(
      Effect.acquireRelease(
        this.#open(() => {
          // One of its own for each call: two watchers may pass the same function.
          const watcher = () => notice()
          this.#of(id).watchers.add(watcher)
          return Exit.succeed(watcher)
        }),
        (watcher) => Effect.sync(() => this.#of(id).watchers.delete(watcher))
      )
    )
  }

  close(): void {
    this.#isClosed = true
    this.#collections.clear()
  }

  #of({ collection, key }: Id): Events {
    const streams = this.#collections.get(collection) ?? new Map<string, Events>()
    this.#collections.set(collection, streams)
    const known = streams.get(key)
    if (known !== undefined) return known
    const stream: Events = { kept: [], compacted: 0, lastAt: 0, ids: new Map(), watchers: new Set() }
    streams.set(key, stream)
    return stream
  }

  #open<A, E>(run: () => Exit.Exit<A, E>): Effect.Effect<A, E | Failure> {
    return Effect.suspend((): Exit.Exit<A, E | Failure> => (this.#isClosed ? Exit.fail({ _tag: "Closed" }) : run()))
  }
}
