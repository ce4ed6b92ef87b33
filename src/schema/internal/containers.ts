import * as zlib from "node:zlib"
import { Effect, Exit } from "effect"
import type { CodecError } from "../Codec.ts"
import { codecError } from "./codecError.ts"

/** How payloads are compressed. */
export type Compression = "gzip" | "zstd"

type Callback = (error: Error | null, result: Buffer) => void

/** What of `node:zlib` is used. Versions before 22.15 have no zstd, whatever the types say. */
export type Zlib = Pick<typeof zlib, "constants" | "gzip" | "gunzip" | "gzipSync" | "gunzipSync"> &
  Partial<Pick<typeof zlib, "zstdCompress" | "zstdCompressSync" | "zstdDecompress" | "zstdDecompressSync">>

/** One kind of container, both ways, here and now or in a thread of the pool. */
export interface Container {
  readonly compress: (bytes: Uint8Array, level: number | undefined) => Effect.Effect<Uint8Array, CodecError>
  readonly decompress: (bytes: Uint8Array, maxBytes: number) => Effect.Effect<Uint8Array, CodecError>
}

// Up to so many bytes it is done at once: that holds the event loop for some two milliseconds at most, about as long as parsing as
// much JSON, and saves the way to a thread and back.
const mostAtOnce = { gzip: 64 * 1024, zstd: 256 * 1024 } as const

const call = (
  isAtOnce: boolean,
  atOnce: () => Uint8Array,
  inThread: (callback: Callback) => void,
  failed: (error: unknown) => CodecError
): Effect.Effect<Uint8Array, CodecError> => {
  if (!isAtOnce)
    return Effect.callback((resume) =>
      inThread((error, result) => resume(error === null ? Exit.succeed(result) : Exit.fail(failed(error))))
    )
  try {
    return Exit.succeed(atOnce())
  } catch (error) {
    return Exit.fail(failed(error))
  }
}

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"

const unreadable = (compression: Compression, maxBytes: number) => (error: unknown) =>
  codecError(
    isTooLarge(error)
      ? `its ${compression} container holds more than the ${maxBytes} bytes that maxBytes allows`
      : `its ${compression} container is damaged`
  )

const failed = (compression: Compression) => () => codecError(`cannot be compressed with ${compression}`)

/** The containers that a version of Node has. */
export const make = (node: Zlib): Readonly<Record<Compression, Container>> => {
  const { gunzip, gunzipSync, gzip, gzipSync } = node
  return {
    gzip: {
      compress: (bytes, level) =>
        call(
          bytes.byteLength <= mostAtOnce.gzip,
          () => gzipSync(bytes, { level }),
          (callback) => gzip(bytes, { level }, callback),
          failed("gzip")
        ),
      decompress: (bytes, maxOutputLength) =>
        call(
          bytes.byteLength <= mostAtOnce.gzip,
          () => gunzipSync(bytes, { maxOutputLength }),
          (callback) => gunzip(bytes, { maxOutputLength }, callback),
          unreadable("gzip", maxOutputLength)
        )
    },
    zstd: zstd(node)
  }
}

const zstd = (node: Zlib): Container => {
  const { constants, zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } = node
  if (!zstdCompress || !zstdCompressSync || !zstdDecompress || !zstdDecompressSync) {
    const missing = Exit.fail(
      codecError(`needs zstd, which Node has from 22.15 on, and this is ${process.version}; use gzip or a newer Node`)
    )
    return { compress: () => missing, decompress: () => missing }
  }
  const options = (level: number | undefined) => ({
    params: {
      // Without it a changed byte may go unseen.
      [constants.ZSTD_c_checksumFlag]: 1,
      ...(level === undefined ? {} : { [constants.ZSTD_c_compressionLevel]: level })
    }
  })
  return {
    compress: (bytes, level) =>
      call(
        bytes.byteLength <= mostAtOnce.zstd,
        () => zstdCompressSync(bytes, options(level)),
        (callback) => zstdCompress(bytes, options(level), callback),
        failed("zstd")
      ),
    decompress: (bytes, maxOutputLength) =>
      call(
        bytes.byteLength <= mostAtOnce.zstd,
        () => zstdDecompressSync(bytes, { maxOutputLength }),
        (callback) => zstdDecompress(bytes, { maxOutputLength }, callback),
        unreadable("zstd", maxOutputLength)
      )
  }
}

/** Those of this one. */
export const containers = make(zlib)
