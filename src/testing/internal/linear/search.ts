import { lanes } from "./lanes.ts"
import type { Model, Timed, Verdict } from "./model.ts"

/** One or more operations that come next, and the state after them. */
interface Move<State> {
  /** Places in `heads`: closed lanes first, then open operations. */
  readonly places: ReadonlyArray<number>
  readonly state: State
  readonly id: number
}

interface Frame<State> {
  readonly state: State
  readonly moves: ReadonlyArray<Move<State>>
  next: number
  /** The places of the move that led here. */
  readonly by: ReadonlyArray<number>
}

/**
 * Looks for an order of operations that keeps to their times and explains their answers, depth first.
 *
 * After Wing and Gong, "Testing and Verifying Concurrent Objects" (1993), with Lowe's cache of what was tried, the
 * operations already ordered and the state after them ("Testing for linearizability", 2017).
 */
export const search = <State, Op extends Timed>(
  model: Model<State, Op>,
  operations: ReadonlyArray<Op>,
  budget: number
): Verdict<State, Op> => new Search(model, operations).run(budget)

class Search<State, Op extends Timed> {
  readonly #model: Model<State, Op>
  readonly #closed: ReadonlyArray<ReadonlyArray<Op>>
  readonly #open: ReadonlyArray<Op>
  /** How many operations of each lane, and of each open operation (0 or 1), are ordered already. */
  readonly #done: Array<number>
  readonly #total: number
  #ordered = 0
  #until = Number.NEGATIVE_INFINITY
  readonly #ids = new Map<string, number>()
  readonly #seen = new Set<string>()
  /** The dead end with the most operations ordered. */
  #best: {
    readonly ordered: number
    readonly longest: ReadonlyArray<Op>
    readonly state: State
    readonly blocked: ReadonlyArray<Op>
  }

  constructor(model: Model<State, Op>, operations: ReadonlyArray<Op>) {
    const { closed, open } = lanes(operations)
    this.#model = model
    this.#closed = closed
    this.#open = open
    this.#done = Array.from({ length: closed.length + open.length }, () => 0)
    this.#total = closed.reduce((sum, lane) => sum + lane.length, 0)
    this.#best = { ordered: -1, longest: [], state: model.initial, blocked: [] }
  }

  run(budget: number): Verdict<State, Op> {
    const { initial } = this.#model
    const frames: Array<Frame<State>> = [{ state: initial, moves: this.#moves(initial), next: 0, by: [] }]
    for (let steps = 0; ; ) {
      if (this.#ordered === this.#total) return { _tag: "Linearizable", steps, order: this.#order(frames) }
      const frame = frames.at(-1)
      if (frame === undefined) {
        const { blocked, longest, state } = this.#best
        return { _tag: "NotLinearizable", steps, longest, state, blocked, until: this.#until }
      }
      const move = frame.moves[frame.next++]
      if (move === undefined) {
        this.#remember(frames, frame.state)
        frames.pop()
        for (const place of frame.by) this.#step(place, -1)
        continue
      }
      for (const place of move.places) this.#step(place, 1)
      if (this.#isNew(move.id)) {
        if (++steps > budget) return { _tag: "Undecided", steps: budget }
        frames.push({ state: move.state, moves: this.#moves(move.state), next: 0, by: move.places })
      } else for (const place of move.places) this.#step(place, -1)
    }
  }

  #step(place: number, by: 1 | -1): void {
    this.#done[place] = (this.#done[place] ?? 0) + by
    if (place < this.#closed.length) this.#ordered += by
  }

  #isNew(id: number): boolean {
    // The id in two units, after one unit a lane.
    const key = String.fromCharCode(...this.#done, id & 0xffff, id >>> 16)
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    return true
  }

  #id(state: State): number {
    const key = this.#model.key(state)
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    this.#ids.set(key, this.#ids.size)
    return this.#ids.size - 1
  }

  /** What may come next by its time: nothing that is still to be ordered returned before it was called. */
  #heads(): ReadonlyArray<{ readonly operation: Op; readonly place: number }> {
    const heads: Array<{ readonly operation: Op; readonly place: number }> = []
    let firstReturn = Number.POSITIVE_INFINITY
    for (const [place, lane] of this.#closed.entries()) {
      const operation = lane[this.#done[place] ?? 0]
      if (operation === undefined) continue
      heads.push({ operation, place })
      firstReturn = Math.min(firstReturn, operation.return ?? Number.POSITIVE_INFINITY)
    }
    this.#until = Math.max(this.#until, firstReturn)
    for (const [i, operation] of this.#open.entries()) {
      const place = this.#closed.length + i
      if (operation.call > firstReturn) break
      if (this.#done[place] === 0) heads.push({ operation, place })
    }
    return heads.filter(({ operation }) => operation.call <= firstReturn)
  }

  #moves(state: State): ReadonlyArray<Move<State>> {
    const { model, id } = { model: this.#model, id: this.#id(state) }
    const heads = this.#heads()
    const possible: Array<Move<State> & { readonly returns: number }> = []
    // What an open operation directly before it might help: to be possible, or to tell something else.
    const helpable: Array<(typeof heads)[number]> = []
    const open: Array<Move<State>> = []
    for (const head of heads) {
      const next = model.step(state, head.operation)
      if (next === undefined) {
        helpable.push(head)
        continue
      }
      const move = { places: [head.place], state: next, id: next === state ? id : this.#id(next) }
      if (head.operation.return === undefined) {
        if (move.id !== id) open.push(move)
        continue
      }
      if (model.isRead?.(head.operation) === true) {
        if (move.id === id) return [move]
        helpable.push(head)
      }
      possible.push({ ...move, returns: head.operation.return })
    }
    // Who returned first most likely happened first.
    possible.sort((a, b) => a.returns - b.returns)
    if (model.unseenIsNothing !== true) return [...possible, ...open]
    const helped = open.flatMap(({ places, state }) =>
      helpable.flatMap(({ operation, place }): ReadonlyArray<Move<State>> => {
        const next = model.step(state, operation)
        return next === undefined ? [] : [{ places: [...places, place], state: next, id: this.#id(next) }]
      })
    )
    return [...possible, ...helped]
  }

  #remember(frames: ReadonlyArray<Frame<State>>, state: State): void {
    if (this.#ordered <= this.#best.ordered) return
    const blocked = this.#heads().flatMap(({ operation }) => (operation.return === undefined ? [] : [operation]))
    this.#best = { ordered: this.#ordered, longest: this.#order(frames), state, blocked }
  }

  #order(frames: ReadonlyArray<Frame<State>>): ReadonlyArray<Op> {
    const at = this.#done.map(() => 0)
    return frames.flatMap(({ by }) =>
      by.flatMap((place) => {
        const lane = this.#closed[place]
        if (lane === undefined) return this.#open[place - this.#closed.length] ?? []
        const i = at[place] ?? 0
        at[place] = i + 1
        return lane[i] ?? []
      })
    )
  }
}
