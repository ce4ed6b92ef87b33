// Reads a folder into memory. What has not changed since last time is skipped; what is gone is forgotten. It may be killed
// at any moment: a file counts as read only once its passages are stored, so the next start goes on where it was.
import { Effect, Stream } from "effect"
import type { Memory } from "./memory.ts"
import { listFiles, type Passage, readText, split } from "./passages.ts"

export interface Progress {
  readonly files: number
  readonly of: number
  readonly passages: number
}

const idOf = (file: string, n: number) => `${file}#${n}`
const idsOf = (file: string, from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => idOf(file, from + i))

export const ingest = (memory: Memory, folder: string, onProgress: (progress: Progress) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const files = yield* listFiles(folder)
    const known = yield* memory.files.loadMany(yield* Stream.runCollect(memory.files.keys()))

    const present = new Set(files)
    const gone = [...known].filter(([file]) => !present.has(file))
    yield* memory.passages.removeMany(gone.flatMap(([file, { passages }]) => idsOf(file, 0, passages)))
    yield* memory.files.deleteMany(gone.map(([file]) => file))

    let done = 0
    let added = 0
    // Many small files share a batch, and so a commit: passages first, then the note that their files were read.
    for (const batch of chunk(files, 32)) {
      const texts = yield* Effect.forEach(batch, (file) => readText(folder, file), { concurrency: 8 })
      const passages: Array<readonly [string, Passage]> = []
      const stale: Array<string> = []
      const read: Array<readonly [string, { readonly hash: string; readonly passages: number }]> = []
      batch.forEach((file, i) => {
        const text = texts[i]
        const before = known.get(file)
        if (text === undefined || text.hash === before?.hash) return
        const parts = split(file, text.text)
        passages.push(...parts.map((part, n) => [idOf(file, n), part] as const))
        stale.push(...idsOf(file, parts.length, before?.passages ?? 0))
        read.push([file, { hash: text.hash, passages: parts.length }])
      })
      yield* memory.passages.addMany(passages)
      yield* memory.passages.removeMany(stale)
      yield* memory.files.saveMany(read)
      done += batch.length
      added += passages.length
      yield* onProgress({ files: done, of: files.length, passages: added })
    }
    return { files: files.length, passages: added, removed: gone.length }
  })

const chunk = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
