import type { Turn } from "../../internal/turn.ts"

// How many groups of one write it takes to believe that there is only one who writes.
const lonely = 2
// In milliseconds: who writes on and on without waiting would keep the event loop from turning.
const longestTurn = 6

/**
 * Tells whether a write has to wait for others that may come in the same turn of the event loop. Where one fiber writes at a
 * time it does not: to suspend the fiber would cost as much as a third of the commit.
 */
export class Company {
  readonly #turn: Turn
  #number: number | undefined
  #writer: object | undefined
  #singles = lonely

  constructor(turn: Turn) {
    this.#turn = turn
  }

  /** Whether a fiber that wants to write at a time is on its own. */
  isAlone(writer: object | undefined, now: number): boolean {
    const { began, number } = this.#turn
    if (this.#number !== number) {
      this.#number = number
      this.#writer = writer
    } else if (this.#writer !== writer) this.#singles = 0
    return this.#singles >= lonely && now - began < longestTurn
  }

  /** Notes how many writes came together. */
  observe(count: number): void {
    this.#singles = count === 1 ? this.#singles + 1 : 0
  }
}
