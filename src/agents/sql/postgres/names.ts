/**
 * Collections and keys as text of PostgreSQL, which holds any character but NUL. U+0001 escapes it, and itself, so that
 * names keep the order of their UTF-8 bytes, and a prefix stays a prefix. Nearly every name is stored as it is.
 */
const escape = "\u0001"
const escaped = { "\0": `${escape}\u0001`, [escape]: `${escape}\u0002` } as const

/** A name as it is stored. */
export const toStored = (name: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about.
  name.replace(/[\0\u0001]/g, (char) => (char === "\0" ? escaped["\0"] : escaped[escape]))

/** The name that is stored so. */
export const fromStored = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
  text.replace(/\u0001([\u0001\u0002])/g, (_, char) => (char === "\u0001" ? "\0" : escape))
