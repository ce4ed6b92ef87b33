/** Vectors as the database sends them: two numbers of 16 bits, the first of them the dimension, then floats, all big-endian. */
const headerBytes = 4

/** Vectors one behind the other, in the order of the rows. */
export const vectorsOf = (rows: ReadonlyArray<unknown>, dimension: number): Float32Array => {
  const vectors = new Float32Array(rows.length * dimension)
  for (const [row, bytes] of rows.entries()) {
    if (!(bytes instanceof Uint8Array) || bytes.byteLength !== headerBytes + 4 * dimension)
      throw new Error(`a row of the table has no vector of ${dimension} numbers`)
    const view = new DataView(bytes.buffer, bytes.byteOffset + headerBytes)
    for (let i = 0; i < dimension; i++) vectors[row * dimension + i] = view.getFloat32(4 * i)
  }
  return vectors
}
