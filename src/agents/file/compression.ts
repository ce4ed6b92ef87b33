/**
 * Whole files in the standard containers, so that `zcat` and `zstdcat` show what is in them.
 *
 * - Promises: what was compressed comes back as it was, or an error; the containers carry checksums of their own. What a
 *   file is compressed with is told by its first bytes, whatever is set for writing.
 * - Costs: a thread of the pool; the event loop stays free.
 * - Fails: with `CompressionUnavailable` where Node has no zstd (before 22.15), and with `DecompressFailed` for a container
 *   that is cut, changed, followed by something else, or larger inside than allowed.
 */
import * as zlib from "node:zlib"
import { Data, Effect } from "effect"

/** How a file is written. */
export type Compression = "none" | "gzip" | "zstd"

/** This version of Node cannot do that. */
export class CompressionUnavailable extends Data.TaggedError("CompressionUnavailable")<{
  readonly compression: Compression
}> {
  override get message() {
    return `${this.compression} needs Node 22.15 or later, and this is ${process.version}; use gzip, or a newer Node`
  }
}

/** A container that cannot be read. */
export class DecompressFailed extends Data.TaggedError("DecompressFailed")<{
  readonly compression: Compression
  readonly reason: string
}> {
  override get message() {
    return `its ${this.compression} container cannot be read: ${this.reason}`
  }
}

// With `info`, Node answers an object, of which its types do not tell.
type Callback = (error: Error | null, result: unknown) => void

interface Container {
  readonly magic: ReadonlyArray<number>
  readonly compress: ((bytes: Uint8Array, callback: Callback) => void) | undefined
  readonly decompress: ((bytes: Uint8Array, limit: number, callback: Callback) => void) | undefined
}

// Older versions of Node have no such function, whatever the types say.
const { zstdCompress, zstdDecompress }: Partial<Pick<typeof zlib, "zstdCompress" | "zstdDecompress">> = zlib

const containers: Readonly<Record<"gzip" | "zstd", Container>> = {
  gzip: {
    magic: [0x1f, 0x8b],
    compress: (bytes, callback) => zlib.gzip(bytes, callback),
    decompress: (bytes, maxOutputLength, callback) => zlib.gunzip(bytes, { maxOutputLength, info: true }, callback)
  },
  zstd: {
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    compress:
      zstdCompress &&
      ((bytes, callback) => zstdCompress(bytes, { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } }, callback)),
    decompress:
      zstdDecompress &&
      ((bytes, maxOutputLength, callback) => zstdDecompress(bytes, { maxOutputLength, info: true }, callback))
  }
}

/** Whether it can be used; asked before anything is promised. */
export const available = (compression: Compression): Effect.Effect<void, CompressionUnavailable> =>
  compression === "none" || containers[compression].compress !== undefined
    ? Effect.void
    : Effect.fail(new CompressionUnavailable({ compression }))

const call = (run: (callback: Callback) => void): Effect.Effect<unknown, Error> =>
  Effect.callback((resume) =>
    run((error, result) => resume(error === null ? Effect.succeed(result) : Effect.fail(error)))
  )

/** Compresses. */
export const compress = (
  compression: Compression,
  bytes: Uint8Array
): Effect.Effect<Uint8Array, CompressionUnavailable> => {
  if (compression === "none") return Effect.succeed(bytes)
  const run = containers[compression].compress
  if (run === undefined) return Effect.fail(new CompressionUnavailable({ compression }))
  return Effect.orDie(
    Effect.flatMap(
      call((callback) => run(bytes, callback)),
      (result) => (result instanceof Uint8Array ? Effect.succeed(result) : Effect.die(unexpected))
    )
  )
}

/** What bytes are compressed with. */
export const detect = (bytes: Uint8Array): Compression => {
  const is = ({ magic }: Container) => magic.every((byte, i) => bytes[i] === byte)
  return is(containers.gzip) ? "gzip" : is(containers.zstd) ? "zstd" : "none"
}

/** What is in a container; bytes that are in none as they are. `maxBytes` is the most that may come out. */
export const decompress = (
  bytes: Uint8Array,
  { maxBytes = Number.MAX_SAFE_INTEGER }: { readonly maxBytes?: number | undefined } = {}
): Effect.Effect<Uint8Array, CompressionUnavailable | DecompressFailed> => {
  const compression = detect(bytes)
  if (compression === "none") return Effect.succeed(bytes)
  const run = containers[compression].decompress
  if (run === undefined) return Effect.fail(new CompressionUnavailable({ compression }))
  const limit = Math.max(1, Math.min(maxBytes, maxOutput))
  const failed = (reason: string) => new DecompressFailed({ compression, reason })
  return Effect.matchEffect(
    call((callback) => run(bytes, limit, callback)),
    {
      onFailure: ({ message }) => Effect.fail(failed(message)),
      onSuccess: (result) => {
        const { content, taken } = contentOf(result)
        if (content === undefined) return Effect.die(unexpected)
        return taken === bytes.length ? Effect.succeed(content) : Effect.fail(failed("something else follows it"))
      }
    }
  )
}

const unexpected = new Error("this version of Node answers otherwise than it documents")

/** What Node answers with `info`: what came out, and how many bytes went in. */
const contentOf = (result: unknown): { readonly content?: Uint8Array; readonly taken?: unknown } => {
  if (typeof result !== "object" || result === null || !("buffer" in result) || !("engine" in result)) return {}
  const { buffer, engine } = result
  if (!(buffer instanceof Uint8Array) || typeof engine !== "object" || engine === null) return {}
  return { content: buffer, taken: "bytesWritten" in engine ? engine.bytesWritten : undefined }
}

// What Node can hold in one piece.
const maxOutput = 2 ** 31 - 1
