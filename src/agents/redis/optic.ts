/**
 * Which property of a state an optic is about. An optic is functions and not data, so it is shown a state that writes down
 * what is asked of it.
 */
import { Equal, type Optic, Result } from "effect"

/** Where an optic leads, outermost first. */
export interface Path {
  readonly steps: ReadonlyArray<string>
  /** Whether the optic leads nowhere when the last property is missing. */
  readonly mustExist: boolean
}

/** `undefined` for an optic that does more than to name a property: an isomorphism, a check, a traversal. */
export const pathOf = <S, A>(optic: Optic.Optional<S, A>): Path | undefined => {
  const steps: Array<string> = []
  const states: Array<object> = []
  const tested = new Set<number>()
  let isPath = true
  // Each state is asked for one property, and then the one below it is.
  const ask = (depth: number, name: string | symbol): void => {
    if (typeof name === "symbol" || (steps[depth] ?? name) !== name) isPath = false
    else steps[depth] = name
  }
  const at = (depth: number): object => {
    const known = states[depth]
    if (known !== undefined) return known
    const state = new Proxy(
      {},
      {
        get: (_target, name) => {
          ask(depth, name)
          return at(depth + 1)
        },
        getOwnPropertyDescriptor: (_target, name) => {
          ask(depth, name)
          tested.add(depth)
          return { configurable: true, enumerable: true, writable: true, value: undefined }
        },
        ownKeys: () => {
          isPath = false
          return []
        }
      }
    )
    states[depth] = state
    return state
  }
  try {
    // Sound: an optic that is a path asks for properties and looks at nothing else; any other is found out by that.
    const found = optic.getResult(at(0) as S)
    const end: unknown = Result.isSuccess(found) ? found.success : undefined
    const isEnd = steps.length > 0 && end === states[steps.length]
    if (!isPath || !isEnd || !replacesOnly(optic, steps)) return undefined
    return { steps, mustExist: tested.has(steps.length - 1) }
  } catch {
    return undefined
  }
}

/** Whether it writes what it reads, and nothing else: a lens may do as it likes. */
const replacesOnly = <S, A>(optic: Optic.Optional<S, A>, steps: ReadonlyArray<string>): boolean => {
  const around = (value: unknown): unknown => steps.reduceRight((inner, name) => ({ [name]: inner }), value)
  const other = {}
  // Sound: as above; what is put there is not looked at.
  const replaced = optic.replaceResult(other as A, around(0) as S)
  return Result.isSuccess(replaced) && Equal.equals(replaced.success, around(other))
}
