// Text files of a folder, and the passages in them.
import { createHash } from "node:crypto"
import * as Path from "node:path"
import { Effect, FileSystem, Schema } from "effect"

/** A piece of a file, small enough to quote and large enough to mean something. */
export const Passage = Schema.Struct({ file: Schema.String, line: Schema.Int, text: Schema.String })
export type Passage = typeof Passage.Type

const isText = (file: string) => /\.(md|mdx|markdown|txt|rst)$/i.test(file)
const isHidden = (file: string) => file.split("/").some((part) => part.startsWith(".") || part === "node_modules")

/** Paths of the text files below a folder, relative to it, in order. */
export const listFiles = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const all = yield* fs.readDirectory(folder, { recursive: true })
    return all
      .map((file) => file.replaceAll(Path.sep, "/"))
      .filter((file) => isText(file) && !isHidden(file))
      .sort()
  })

/** A file's text and a hash of it; nothing when it is not a readable text file. */
export const readText = (folder: string, file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const bytes = yield* fs.readFile(Path.join(folder, file))
    const text = new TextDecoder().decode(bytes)
    return text.includes("\0") ? undefined : { text, hash: createHash("sha256").update(bytes).digest("hex") }
  }).pipe(Effect.catchTag("PlatformError", () => Effect.succeed(undefined)))

const pieces = (line: string, size: number) =>
  line.length <= size
    ? [line]
    : Array.from({ length: Math.ceil(line.length / size) }, (_, i) => line.slice(i * size, (i + 1) * size))

/** Cuts a text into passages of about 800 characters at blank lines and headings; long paragraphs at line ends. */
export const split = (file: string, text: string, size = 800): ReadonlyArray<Passage> => {
  const passages: Array<Passage> = []
  let lines: Array<string> = []
  let length = 0
  let first = 1
  const flush = (next: number) => {
    const text = lines.join("\n").trim()
    if (/[\p{L}\p{N}]/u.test(text)) passages.push({ file, line: first, text })
    lines = []
    length = 0
    first = next
  }
  const numbered = text.split(/\r?\n/).flatMap((line, i) => pieces(line, size).map((piece) => [i, piece] as const))
  for (const [i, line] of numbered) {
    const startsPart = /^#{1,6} /.test(line) || (line.trim() === "" && length > size / 2)
    if (length > 0 && (startsPart || length + line.length > size)) flush(i + 1)
    if (lines.length === 0 && line.trim() === "") {
      first = i + 2
      continue
    }
    lines.push(line)
    length += line.length + 1
  }
  flush(0)
  return passages
}
