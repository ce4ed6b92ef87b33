// Guesses, of a disk of 2020; what they are wrong by ends up in what is measured.
const millisPerRow = 0.012
const millisPerByte = 4e-6

/** Foresees how long a commit takes: from its rows and bytes, and from how long syncing took lately. */
export class Pace {
  #sync = 0

  /** How long it takes to sync, in milliseconds: up at once, and down slowly, since it is the slow ones that block. */
  get sync(): number {
    return this.#sync
  }

  /** In milliseconds. */
  predict(rows: number, bytes: number): number {
    return this.#sync + rows * millisPerRow + bytes * millisPerByte
  }

  observe(rows: number, bytes: number, millis: number): void {
    const sync = Math.max(0, millis - rows * millisPerRow - bytes * millisPerByte)
    this.#sync += (sync - this.#sync) * (sync > this.#sync ? 0.5 : 0.25)
  }
}
