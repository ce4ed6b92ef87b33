// Guesses, of a disk of 2020 and a slow processor.
const millisPerRow = 0.012
const millisPerByte = 4e-6
// The share of these guesses that is believed at least, whatever a machine has done so far.
const leastShare = 0.1

/** Foresees how long a commit takes: from its rows and bytes, and from how long syncing took lately. */
export class Pace {
  #sync = 0
  /** What rows and bytes take here, as a share of the guess. */
  #share = 1

  /** How long it takes to sync, in milliseconds: up at once, and down slowly, since it is the slow ones that block. */
  get sync(): number {
    return this.#sync
  }

  /** In milliseconds. */
  predict(rows: number, bytes: number): number {
    return this.#sync + this.#share * guess(rows, bytes)
  }

  observe(rows: number, bytes: number, millis: number): void {
    const guessed = guess(rows, bytes)
    // Of a commit of few rows it is mostly the sync: no more can be told of rows than what they take at most.
    const most = Math.max(leastShare, millis / guessed)
    if (most < this.#share) this.#share += (most - this.#share) * 0.25
    else if (this.#share * guessed > this.#sync) this.#share += (Math.min(1, most) - this.#share) * 0.25
    const sync = Math.max(0, millis - this.#share * guessed)
    this.#sync += (sync - this.#sync) * (sync > this.#sync ? 0.5 : 0.25)
  }
}

const guess = (rows: number, bytes: number): number => rows * millisPerRow + bytes * millisPerByte
