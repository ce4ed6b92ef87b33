/** How a JSON text is nested. */
export interface Shape {
  /** The most elements that one array has, or fields that one object has. */
  readonly entries: number
  /** How many arrays and objects are open at once, at the most: 0 for a number. */
  readonly levels: number
}

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c]
const [openArray, closeArray, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d]

/** Measures a valid JSON text in one pass; nothing is parsed or kept. */
export const shapeOf = (text: string): Shape => {
  // Of each collection that is open, outermost first, how many entries have begun.
  const open: Array<number> = []
  let [entries, levels, last] = [0, 0, 0]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    // Between two tokens, white space says nothing.
    if (code <= 0x20) continue
    if (code === quote) i = endOfString(text, i)
    else if (code === comma) open[open.length - 1] = (open[open.length - 1] ?? 0) + 1
    else if (code === openArray || code === openObject) {
      open.push(1)
      if (open.length > levels) levels = open.length
    } else if (code === closeArray || code === closeObject) {
      const isEmpty = last === openArray || last === openObject
      const count = isEmpty ? 0 : (open[open.length - 1] ?? 0)
      open.length--
      if (count > entries) entries = count
    }
    last = code
  }
  return { entries, levels }
}

/** The closing quote of the string that begins at `start`. */
const endOfString = (text: string, start: number): number => {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end === -1 ? text.length : end
}

const isEscaped = (text: string, at: number): boolean => {
  let before = at - 1
  while (text.charCodeAt(before) === backslash) before--
  return (at - before) % 2 === 0
}
