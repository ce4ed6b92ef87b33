/** The disks that a crash may leave behind, each once, and of too many to count a telling part. */
import { random } from "../../SeededScheduler.ts"
import { type Variant, variants } from "./damage.ts"
import { describe } from "./operation.ts"
import { Hashes, keyOf, type Remains, snapshotOf } from "./render.ts"
import type { EntryChange, Snapshot, Volume } from "./volume.ts"

/** What a crash may take: see `CrashDisk.Model`. */
export type Model = "process" | "ordered" | "posix"

/** One disk that a crash may leave behind. */
export interface Image {
  readonly model: Model
  /** Equal for images with equal contents. */
  readonly key: string
  readonly snapshot: Snapshot
  /** What did not survive, one a line. */
  readonly lost: ReadonlyArray<string>
}

/** How many images, and which when there are more. */
export interface ImageOptions {
  /** At most this many of a model. Default: 4 096. */
  readonly limit?: number | undefined
  /** Chooses the sample where there are more. Default: 0. */
  readonly seed?: number | undefined
  /** Where the file system may cut a write. Default: 4 096 bytes. */
  readonly blockSize?: number | undefined
}

/** A name with pending changes: what it may mean after the crash, the durable meaning first. */
interface EntrySlot {
  readonly directory: number
  readonly name: string
  readonly changes: ReadonlyArray<EntryChange>
}

/** A file with pending data. */
interface DataSlot {
  readonly ino: number
  readonly label: string
  readonly variants: ReadonlyArray<Variant>
}

/** How many pending changes of each name have survived, and which variant each file has. */
interface Choice {
  readonly entries: ReadonlyArray<number>
  readonly data: ReadonlyArray<number>
}

/** The disk images that a model allows for a volume as it is now. */
export function* images(volume: Volume, model: Model, options: ImageOptions = {}): Generator<Image> {
  const { limit = 4_096, seed = 0, blockSize = 4_096 } = options
  const crash = new Crash(volume, model, blockSize)
  const seen = new Set<string>()
  for (const choice of crash.choices(limit, random(seed))) {
    if (seen.size >= limit) return
    const image = crash.image(choice)
    if (seen.has(image.key)) continue
    seen.add(image.key)
    yield image
  }
}

const complete = 1

class Crash {
  readonly #volume: Volume
  readonly #model: Model
  readonly #hashes = new Hashes()
  readonly #entries: ReadonlyArray<EntrySlot>
  readonly #data: ReadonlyArray<DataSlot>

  constructor(volume: Volume, model: Model, blockSize: number) {
    this.#volume = volume
    this.#model = model
    this.#entries = entrySlots(volume.pendingEntries)
    this.#data =
      model === "process"
        ? []
        : [...volume.nodes.values()].flatMap((node) =>
            node.kind === "file" && node.pending.length > 0
              ? [{ ino: node.ino, label: node.label, variants: variants(node, blockSize) }].filter(
                  (slot) => slot.variants.length > 1
                )
              : []
          )
  }

  get #all(): Choice {
    return { entries: this.#entries.map(({ changes }) => changes.length), data: this.#data.map(() => complete) }
  }

  get #none(): Choice {
    return { entries: this.#entries.map(() => 0), data: this.#data.map(() => 0) }
  }

  /** Every choice where they are few enough, the most telling ones first where they are not. */
  *choices(limit: number, next: () => number): Generator<Choice> {
    yield this.#all
    if (this.#model === "process") return
    const orders = this.#model === "ordered" ? this.#prefixes() : undefined
    const entryChoices = orders?.length ?? product(this.#entries.map(({ changes }) => changes.length + 1))
    if (entryChoices * product(this.#data.map(({ variants }) => variants.length)) <= limit) {
      const data = [...combinations(this.#data.map(({ variants }) => variants.length))]
      const entries = orders ?? combinations(this.#entries.map(({ changes }) => changes.length + 1))
      for (const entry of entries) for (const variant of data) yield { entries: entry, data: variant }
      return
    }
    yield this.#none
    const pick = (n: number) => Math.floor(next() * n)
    const few = this.#fewChanges(orders)
    // By turns, so that with a low limit other seeds still show other disks.
    for (let i = 0; i < limit; i++) {
      const one = few.next()
      if (one.done !== true) yield one.value
      yield {
        entries: orders?.[pick(orders.length)] ?? this.#entries.map(({ changes }) => pick(changes.length + 1)),
        data: this.#data.map(({ variants }) => pick(variants.length))
      }
    }
  }

  /** Single drops, single keeps, prefixes, and pairs of drops. */
  *#fewChanges(orders: ReadonlyArray<ReadonlyArray<number>> | undefined): Generator<Choice> {
    const [all, none] = [this.#all, this.#none]
    for (const entries of this.#prefixes()) {
      yield { entries, data: all.data }
      yield { entries, data: none.data }
    }
    const dataChanges = this.#data.flatMap(({ variants }, i) => variants.map((_, variant) => [i, variant] as const))
    for (const from of [all, none])
      for (const [i, variant] of dataChanges) yield { entries: from.entries, data: from.data.with(i, variant) }
    for (const [i, variant] of dataChanges) yield { entries: all.entries, data: none.data.with(i, variant) }
    if (orders !== undefined) return
    const entryChanges = this.#entries.flatMap(({ changes }, i) =>
      Array.from({ length: changes.length + 1 }, (_, kept) => [i, kept] as const)
    )
    for (const from of [all, none])
      for (const [i, kept] of entryChanges) yield { entries: from.entries.with(i, kept), data: all.data }
    for (const [i, kept] of entryChanges)
      for (const [j, variant] of dataChanges)
        yield { entries: all.entries.with(i, kept), data: all.data.with(j, variant) }
    for (const [i, one] of entryChanges)
      for (const [j, other] of entryChanges)
        if (i < j) yield { entries: all.entries.with(i, one).with(j, other), data: all.data }
  }

  /** The first operations of the pending ones, in the order in which they were made; a rename is one operation. */
  #prefixes(): ReadonlyArray<ReadonlyArray<number>> {
    const kept = this.#none.entries.slice()
    const found: Array<ReadonlyArray<number>> = [kept.slice()]
    const pending = this.#volume.pendingEntries
    for (const [i, change] of pending.entries()) {
      const slot = this.#entries.findIndex((slot) => slot.name === change.name && slot.directory === change.directory)
      kept[slot] = (kept[slot] ?? 0) + 1
      if (pending[i + 1]?.operation !== change.operation) found.push(kept.slice())
    }
    return found
  }

  image(choice: Choice): Image {
    const entries = new Map<number, Map<string, number | undefined>>()
    for (const [i, { changes, directory, name }] of this.#entries.entries()) {
      const last = changes[(choice.entries[i] ?? 0) - 1]
      if (last === undefined) continue
      const names = entries.get(directory) ?? new Map<string, number | undefined>()
      entries.set(directory, names.set(name, last.ino))
    }
    const data = new Map<number, Variant["bytes"]>()
    for (const [i, { ino, variants }] of this.#data.entries()) {
      const variant = variants[choice.data[i] ?? 0]
      if (variant !== undefined) data.set(ino, variant.bytes)
    }
    const remains: Remains = { volume: this.#volume, entries, contents: data }
    const lost = (snapshot: Snapshot) => this.#lost(choice, (ino) => snapshot.nodes.has(ino))
    let snapshot: Snapshot | undefined
    return {
      model: this.#model,
      key: keyOf(remains, this.#hashes),
      // Of many images, few are ever opened or talked about.
      get snapshot() {
        snapshot ??= snapshotOf(remains)
        return snapshot
      },
      get lost() {
        return lost(this.snapshot)
      }
    }
  }

  #lost({ data, entries }: Choice, reached: (ino: number) => boolean): ReadonlyArray<string> {
    const lost = new Set(this.#entries.flatMap(({ changes }, i) => changes.slice(entries[i] ?? 0)))
    const lines = this.#volume.pendingEntries.flatMap((entry, i, all) => {
      if (!lost.has(entry)) return []
      const operation = `\`${describe(entry.change)}\``
      // Of a rename that is lost as a whole, one line is enough.
      const halves = all.filter((other) => other.operation === entry.operation)
      if (halves.every((half) => lost.has(half))) return all[i - 1]?.operation === entry.operation ? [] : [operation]
      return [`the ${entry.ino === undefined ? "old name is still there" : "new name is missing"} (${operation})`]
    })
    const files = this.#data.flatMap(({ ino, label, variants }, i) => {
      const what = variants[data[i] ?? 0]?.what ?? ""
      return what === "" || !reached(ino) ? [] : [`data of ${label}: ${what}`]
    })
    return [...lines, ...files]
  }
}

const entrySlots = (pending: ReadonlyArray<EntryChange>): ReadonlyArray<EntrySlot> => {
  const slots = new Map<string, { directory: number; name: string; changes: Array<EntryChange> }>()
  for (const change of pending) {
    const { directory, name } = change
    const key = `${directory}/${name}`
    const slot = slots.get(key) ?? { directory, name, changes: [] }
    slot.changes.push(change)
    slots.set(key, slot)
  }
  return [...slots.values()]
}

const product = (numbers: ReadonlyArray<number>): number => numbers.reduce((a, b) => a * b, 1)

/** Every way to choose a number below each of these, the largest first. */
function* combinations(sizes: ReadonlyArray<number>): Generator<ReadonlyArray<number>> {
  const choice = sizes.map((size) => size - 1)
  while (true) {
    yield choice.slice()
    let i = 0
    while (i < choice.length && choice[i] === 0) {
      choice[i] = (sizes[i] ?? 1) - 1
      i++
    }
    const value = choice[i]
    if (value === undefined) return
    choice[i] = value - 1
  }
}
