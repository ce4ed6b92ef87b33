import { expect } from "@effect/vitest"
import type { Append, Part, Stored } from "../../../src/agents/stream/Log.ts"

/** One stream as it should be: what the logs are compared with. */
export class Model {
  readonly #events: Array<Stored> = []
  readonly #ids = new Map<string, { readonly first: number; readonly last: number }>()
  compacted = 0

  get last(): number {
    return this.#events.length
  }

  /** Checks the answer to an append, and does what was answered. */
  append(append: Append, answer: unknown): void {
    const known = append.id === undefined ? undefined : this.#ids.get(append.id)
    const isKept = known !== undefined && known.last > this.compacted
    // Of an id whose events are gone the log may know or not.
    const mayBeKnown = known !== undefined && typeof answer === "object" && answer !== null && "wasKnown" in answer
    if (isKept || (mayBeKnown && answer.wasKnown === true))
      return void expect(answer).toEqual({ ...known, wasKnown: true })
    if (append.expected !== "any" && append.expected !== this.last)
      return void expect(answer).toEqual({ _tag: "Conflict", actual: this.last })
    const positions = { first: this.last + 1, last: this.last + append.events.length }
    expect(answer).toEqual({ ...positions, wasKnown: false })
    const at = Math.max(append.at, this.#events.at(-1)?.at ?? 0)
    for (const { data, type } of append.events) this.#events.push({ position: this.last + 1, at, type, data })
    if (append.id !== undefined) this.#ids.set(append.id, positions)
  }

  read({ after, limit }: Part): ReadonlyArray<Stored> {
    const start = Math.max(after, this.compacted)
    return this.#events.slice(start, start + limit)
  }

  checkPositionAt(time: number, position: number): void {
    const last = this.#events.findLast(({ at }) => at <= time)?.position ?? 0
    if (last > this.compacted) expect(position).toBe(last)
    else {
      expect(position).toBeGreaterThanOrEqual(0)
      expect(position).toBeLessThanOrEqual(this.compacted)
    }
  }

  compact(upTo: number): void {
    this.compacted = Math.max(this.compacted, Math.min(upTo, this.last))
  }
}
