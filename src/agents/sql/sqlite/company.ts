import type { Turn } from "../../internal/turn.ts"

// How many groups of one write it takes to believe that there is only one who writes.
const lonely = 2
// In milliseconds: who writes on and on without waiting would keep the event loop from turning.
const longestTurn = 6
// How many fibers a turn may, one after the other, be taken for one program that awaits each of its saves.
const mostInTurn = 16

/**
 * Tells whether a write has to wait for others that may come in the same turn of the event loop. Where one fiber writes at a
 * time it does not: to suspend the fiber would cost as much as a third of the commit. Nor where a program awaits a promise for
 * each write, which is a fiber of its own. That looks like many programs that write in one turn, so some do wait, to see.
 */
export class Company {
  readonly #turn: Turn
  #number: number | undefined
  #writer: object | undefined
  /** Whether somebody has written without anything else having run since. */
  #isRunning = false
  #inTurn = 0
  #trusted = 1
  #singles = lonely

  constructor(turn: Turn) {
    this.#turn = turn
  }

  /** Whether a fiber that wants to write at a time is on its own. */
  isAlone(writer: object | undefined, now: number): boolean {
    const { began, number } = this.#turn
    if (this.#number !== number) {
      this.#number = number
      this.#inTurn = 0
    } else if (this.#writer !== writer) {
      if (this.#isRunning) this.#singles = 0
      else this.#inTurn++
    }
    this.#writer = writer
    if (!this.#isRunning) {
      this.#isRunning = true
      queueMicrotask(this.#end)
    }
    return this.#singles >= lonely && this.#inTurn <= this.#trusted && now - began < longestTurn
  }

  /** Notes how many writes came together. */
  observe(count: number): void {
    if (count === 1) {
      this.#singles++
      this.#trusted = Math.min(mostInTurn, this.#trusted * 2)
    } else {
      this.#singles = 0
      this.#trusted = 1
    }
    this.#inTurn = 0
  }

  readonly #end = (): void => {
    this.#isRunning = false
  }
}
