// Who is answered goes on at once, and encodes its next state: a few of them in each turn of the event loop.
const turnMillis = 1

interface Batch<A> {
  readonly waiting: ReadonlyArray<A>
  readonly answer: (waiting: A, i: number) => void
  next: number
}

/** Answers in order, and lets the event loop turn in between when that takes long. */
export class Answers<A> {
  #batches: Array<Batch<A>> = []
  #isScheduled = false

  add(waiting: ReadonlyArray<A>, answer: (waiting: A, i: number) => void): void {
    this.#batches.push({ waiting, answer, next: 0 })
    if (!this.#isScheduled) this.#drain()
  }

  #drain(): void {
    const end = performance.now() + turnMillis
    this.#isScheduled = true
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      for (let one = batch.waiting[batch.next]; one !== undefined; one = batch.waiting[batch.next]) {
        if (performance.now() >= end) {
          setImmediate(() => this.#drain())
          return
        }
        batch.answer(one, batch.next++)
      }
      this.#batches.shift()
    }
    this.#isScheduled = false
  }
}
