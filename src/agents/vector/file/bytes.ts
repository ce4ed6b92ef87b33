/** How an index file is read and written: in pieces of so many bytes. */
export const piece: number = 2 ** 20

/** The same bytes. */
export const bytesOf = ({
  buffer,
  byteLength,
  byteOffset
}: Float32Array | Float64Array | Int32Array): Uint8Array<ArrayBufferLike> =>
  new Uint8Array(buffer, byteOffset, byteLength)
