// Who is answered goes on at once, and encodes its next state: a few of them in each turn of the event loop.
const turnMillis = 1

/** Answers in order, and lets the event loop turn in between when that takes long. */
export class Answers {
  #waiting: Array<() => void> = []
  #next = 0
  #isScheduled = false

  add(answers: ReadonlyArray<() => void>): void {
    this.#waiting.push(...answers)
    if (!this.#isScheduled) this.#drain()
  }

  #drain(): void {
    const end = performance.now() + turnMillis
    this.#isScheduled = true
    while (this.#next < this.#waiting.length) {
      this.#waiting[this.#next++]?.()
      if (performance.now() >= end && this.#next < this.#waiting.length) {
        setImmediate(() => this.#drain())
        return
      }
    }
    this.#waiting = []
    this.#next = 0
    this.#isScheduled = false
  }
}
