/** Unit vectors in clusters of a hundred, as texts on the same subjects are: the same ones each time. */
export const dimension = 384

/** How many nearest are asked for, by how many questions. */
export const k = 10
export const questions = 200

export interface Points {
  /** One behind the other. */
  readonly vectors: Float32Array
  readonly queries: ReadonlyArray<Float32Array>
}

export const pointsOf = (count: number): Points => {
  let state = 12_345
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const normal = () => Math.sqrt(-2 * Math.log(uniform() + 1e-12)) * Math.cos(2 * Math.PI * uniform())
  const centres = Array.from({ length: Math.ceil(count / 100) }, () => Float32Array.from({ length: dimension }, normal))
  const next = (): Float32Array => {
    const centre = centres[Math.floor(uniform() * centres.length)]
    const vector = Float32Array.from({ length: dimension }, (_, i) => (centre?.[i] ?? 0) + 0.7 * normal())
    const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0))
    return vector.map((x) => x / length)
  }
  const vectors = new Float32Array(count * dimension)
  for (let i = 0; i < count; i++) vectors.set(next(), i * dimension)
  return { vectors, queries: Array.from({ length: questions }, next) }
}

/** The vector of a number, not a copy. */
export const vectorAt = ({ vectors }: Points, i: number): Float32Array =>
  vectors.subarray(i * dimension, (i + 1) * dimension)
