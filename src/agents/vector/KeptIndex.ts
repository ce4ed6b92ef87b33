/**
 * The index of a memory in a file. The items are the truth and the file is a shortcut: it says for each vector which item it
 * was made from, as `stamps.ts` tells items apart, and of which memory. What it says is compared with the items whenever it is
 * opened, so that any file, also an older copy or another memory's, costs no more than the time of reading items again.
 */
import { type Context, Effect, Predicate, References, type Scope, Semaphore } from "effect"
import { StorageUnavailable } from "../StateError.ts"
import type { Engine, IndexFile } from "./Engine.ts"
import { IndexUnusable } from "./IndexError.ts"
import type { Kept } from "./Kept.ts"
import { type Stamp, Stamped } from "./stamps.ts"

/** The option `index` of a vector agent. */
export interface IndexOptions {
  /** The file. One for each memory and process; its directory must exist. */
  readonly path: string
  /**
   * After how many changes it is saved, besides at the end of the scope: a whole number from 1, or `Infinity` for only then.
   * What a killed process had not saved is read again from the items at the next open. Default: 10 000.
   */
  readonly every?: number | undefined
  /** Told, while items that the file does not have as they are now are read, how many of them have been. */
  readonly progress?: ((done: number, total: number) => void) | undefined
}

/** Whose index it is. */
interface Mark {
  readonly format: typeof format
  readonly memory: string
}

const format = "dgents-memory-2"

// Setting this many takes some milliseconds.
const together = 1000

const markOf = (text: string): Mark | undefined => {
  try {
    const mark: unknown = JSON.parse(text)
    // Sound: the checksum of the file says that this is what was written, and the format that it was written here.
    return Predicate.hasProperty(mark, "format") && mark.format === format ? (mark as Mark) : undefined
  } catch {
    return undefined
  }
}

/** The index of a memory of this name, in messages, and of this one, in files. It is empty until it is loaded. */
export const make = (
  name: string,
  memory: string,
  engine: Engine,
  options: IndexOptions
): Effect.Effect<KeptIndex, StorageUnavailable, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => {
    const file = engine.index
    const reason = "the option index needs an engine that keeps its index in a file; give one, or leave the option out"
    return file === undefined
      ? Effect.fail(new StorageUnavailable({ agent: name, operation: "open", reason, retryable: false }))
      : Effect.succeed(new KeptIndex(name, memory, engine, file, options, scope))
  })

export class KeptIndex extends Stamped implements Kept {
  readonly options: IndexOptions
  readonly together: number = together
  readonly #name: string
  readonly #memory: string
  readonly #engine: Engine
  readonly #file: IndexFile
  readonly #scope: Scope.Scope
  readonly #every: number
  /** Changes since a save was last begun. */
  #changes = 0
  readonly #oneAtATime = Semaphore.makeUnsafe(1)
  #isDue = false
  /** Since a save failed, or the file was not whole: it is to be replaced even if nothing changes. */
  #hasFailed = false

  constructor(
    name: string,
    memory: string,
    engine: Engine,
    file: IndexFile,
    options: IndexOptions,
    scope: Scope.Scope
  ) {
    super()
    this.options = options
    this.#name = name
    this.#memory = memory
    this.#engine = engine
    this.#file = file
    this.#scope = scope
    this.#every = options.every ?? 10_000
  }

  get progress(): Kept["progress"] {
    return this.options.progress
  }

  // The engine is told by the memory; these come in the same instant.

  override set(id: string, stamp: Stamp | undefined): void {
    super.set(id, stamp)
    this.#changes++
  }

  override delete(id: string): boolean {
    const wasThere = super.delete(id)
    if (wasThere) this.#changes++
    return wasThere
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The file

  /** Fills the engine from the file; leaves it empty where the file is of no use. */
  readonly load: Effect.Effect<void> = Effect.suspend(() => {
    const { path } = this.options
    const told = (id: string, stamp: Stamp) => super.set(id, stamp)
    const warn = (error: IndexUnusable) => Effect.logWarning(`Memory "${this.#name}": ${error.message}`)
    const loaded = Effect.contextWith((context: Context.Context<never>) =>
      this.#file.load(path, told, (error) => {
        this.#hasFailed = true
        Effect.runForkWith(context)(warn(error))
      })
    )
    const checked = Effect.flatMap(loaded, (text) => {
      const mark = markOf(text)
      if (mark === undefined) return Effect.fail(this.#unusable("it is not that of a memory"))
      return mark.memory === this.#memory ? Effect.void : Effect.fail(this.#unusable("it belongs to another memory"))
    })
    return Effect.catch(checked, (error) => {
      this.#engine.clear()
      this.clear()
      return error.kind === "absent" ? Effect.void : warn(error)
    })
  })

  #unusable(reason: string): IndexUnusable {
    return new IndexUnusable({ path: this.options.path, kind: "other", reason })
  }

  /** What others write goes into their own files. */
  readonly reload: Effect.Effect<void> = Effect.void

  get caughtUp(): Effect.Effect<void> {
    return this.saveIfDue
  }

  /** Saves in the background once enough has changed. */
  readonly saveIfDue: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#changes < this.#every || this.#isDue) return Effect.void
    this.#isDue = true
    return Effect.asVoid(Effect.forkIn(this.save, this.#scope))
  })

  /** Saves what has changed. A failure is logged: it costs no item, only time at the next open. */
  readonly save: Effect.Effect<void> = Effect.suspend(() => {
    const changes = this.#changes
    this.#isDue = false
    if (changes === 0 && !this.#hasFailed) return Effect.void
    this.#changes = 0
    this.#hasFailed = false
    // Nothing may change between the mark and the vectors: no turn of other fibers in between.
    const saved = Effect.suspend(() => {
      const mark: Mark = { format, memory: this.#memory }
      return this.#file.save(this.options.path, JSON.stringify(mark), (id) => this.get(id))
    })
    return Effect.catch(Effect.provideService(saved, References.PreventSchedulerYield, true), (error) => {
      this.#hasFailed = true
      return Effect.logWarning(`Memory "${this.#name}": ${error.message}`)
    })
  }).pipe((save) => this.unsaved(save))

  unsaved<B>(effect: Effect.Effect<B>): Effect.Effect<B> {
    return this.#oneAtATime.withPermits(1)(effect)
  }
}
