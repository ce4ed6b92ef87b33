import type { News } from "../../agents/Register.ts"
import { absent } from "../../agents/Revision.ts"
import { positionOf } from "../internal/position.ts"
import type { Held } from "./Held.ts"

/** What is known of a state: which entry of it is held, and what may be kept of what is read. */
export class Standing<in out S> {
  held: Held<S> | undefined
  /** Grows with each write that begins or ends and each commit heard of: what was read before is not kept after. */
  generation = 0
  /** The latest commit that is known. */
  seen = 0
  /** Whether commits are announced to us, where they are asked for. */
  isWatched = true
  /** Whether an entry of somebody else may be as new as what is known here. */
  mayAdopt = true
  /** Writes under way: what is read meanwhile may be either state, and is not kept. */
  #writing = 0
  #isDiscarded = false

  get isWriting(): boolean {
    return this.#writing > 0
  }

  mayKeep(position: number, generation: number): boolean {
    return !this.#isDiscarded && !this.isWriting && generation === this.generation && position >= this.seen
  }

  /** What is cached is not used again, nor what is being read. */
  invalidate(): void {
    this.held = undefined
    this.generation++
    this.mayAdopt = false
  }

  /** The same for good. */
  discard(): void {
    this.#isDiscarded = true
    this.invalidate()
  }

  /** A write of this state begins: nothing read before it ends is kept, nor anything from before it. */
  begin(): void {
    this.#writing++
    this.generation++
  }

  /** It has ended; with what was there before only if it is certain that it did not happen. */
  end(isUndone: boolean): void {
    this.#writing--
    this.generation++
    if (isUndone) return
    this.held = undefined
    this.mayAdopt = false
  }

  hear(news: News): void {
    this.isWatched = news._tag !== "Gap"
    switch (news._tag) {
      case "Gap":
        this.#doubt()
        break
      case "Unknown":
        this.invalidate()
        break
      case "Absent":
        // Where that is known already it is no news.
        if (this.held?.revision !== absent) this.invalidate()
        break
      default:
        this.#observe(positionOf(news))
    }
  }

  #observe(position: number): void {
    // Our own commits come back as announcements too, perhaps long after; only news matter.
    if (position <= this.seen) return
    this.seen = position
    this.invalidate()
    // Nothing older than this commit is taken for it.
    this.mayAdopt = true
  }

  // A deletion in the gap would go unnoticed, so nothing is fresh until something is heard again.
  #doubt(): void {
    this.generation++
    const { held } = this
    if (held !== undefined) held.freshUntil = Math.min(held.freshUntil, held.clock.currentTimeMillisUnsafe())
  }
}
