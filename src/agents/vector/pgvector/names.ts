/**
 * Ids as text of PostgreSQL, which holds neither NUL nor half of a surrogate pair. Nearly every id is stored as it is; one with such a
 * character, or with a backslash, has these as four digits behind a backslash.
 */

const special = /[\0\\]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** An id as it is stored. */
export const toStored = (id: string): string =>
  id.replace(special, (char) => `\\${char.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** The id that is stored so. */
export const fromStored = (text: string): string =>
  text.replace(/\\([0-9a-f]{4})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)))
