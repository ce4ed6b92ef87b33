/** Times two sides in turns, so that a busy machine or disk slows both. */
import { spawnSync } from "node:child_process"
import { tmpdir } from "node:os"

/** One call; it is given a number that grows, and the number of the block that it is in. */
export type Call = (i: number, block: number) => unknown

export interface Side {
  readonly call: Call
  /** How many calls are timed together. Of saves enough for a checkpoint to be among them. */
  readonly calls: number
  /** How many saves or loads one call is. Default: 1. */
  readonly per?: number | undefined
}

/** Medians of one save or load, in microseconds; and of how many times the raw one each block took. */
export interface Timed {
  readonly micros: number
  readonly raw: number
  readonly ratio: number
}

const warmUpMillis = 300
const measuringMillis = 1_000
const fewestBlocks = 3

export const measure = async (product: Side, raw: Side): Promise<Timed> => {
  const [a, b] = [blocksOf(product), blocksOf(raw)]
  for (const block of [a, b]) {
    const until = performance.now() + warmUpMillis
    do await block()
    while (performance.now() < until)
  }
  const blocks: Array<Timed> = []
  const until = performance.now() + 2 * measuringMillis
  while (blocks.length < fewestBlocks || performance.now() < until) {
    // Each side goes first as often as second: neither always finds what the other left behind.
    const first = blocks.length % 2 === 0 ? await a() : undefined
    const rawMicros = await b()
    const micros = first ?? (await a())
    blocks.push({ micros, raw: rawMicros, ratio: micros / rawMicros })
  }
  return {
    micros: median(blocks.map(({ micros }) => micros)),
    raw: median(blocks.map(({ raw }) => raw)),
    // Of neighbours, which the same noise met.
    ratio: median(blocks.map(({ ratio }) => ratio))
  }
}

/** Makes the next block of a side each time, and answers what one save or load took. */
const blocksOf = ({ call, calls, per = 1 }: Side): (() => Promise<number>) => {
  let next = 0
  let blocks = 0
  return async () => {
    const [from, block] = [next, blocks++]
    next += calls
    settle()
    const begun = performance.now()
    for (let i = from; i < next; i++) {
      const answer = call(i, block)
      if (answer instanceof Promise) await answer
    }
    return ((performance.now() - begun) * 1000) / (calls * per)
  }
}

// ext4 and others write out what is dirty of every file when one is synced: what one side left is not to slow the other.
const settle = (): void => {
  spawnSync("sync", ["-f", tmpdir()])
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}
