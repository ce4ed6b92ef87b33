import type { ArrayParam } from "./arrays.ts"
import type { Connection, NamedRow, Param, Row } from "./connection.ts"

/** What is used of PGlite, so that nobody needs its types who does not use it. */
export interface Instance {
  readonly query: <T>(
    text: string,
    params?: Array<unknown>,
    options?: { readonly rowMode?: "array" | "object" }
  ) => Promise<{ readonly rows: Array<T> }>
  readonly listen: (channel: string, heard: (payload: string) => void) => Promise<() => Promise<void>>
  readonly close: () => Promise<void>
}

/** PGlite as a connection: there is one session, and it ends with the database. */
export const connect = (db: Instance): Connection => {
  let unlisten: (() => Promise<void>) | undefined
  let isOpen = true
  return {
    query: async (text, params) => (await db.query<Row>(text, params.map(toValue), { rowMode: "array" })).rows,
    named: async (text, params) => (await db.query<NamedRow>(text, params.map(toValue), { rowMode: "object" })).rows,
    listen: async (channel, heard) => {
      unlisten = await db.listen(channel, heard)
    },
    isOpen: () => isOpen,
    // It is lost with this process, and not before.
    onLost: () => {},
    close: async () => {
      isOpen = false
      await unlisten?.().catch(() => {})
    },
    destroy: () => {}
  }
}

const isArray = (param: Param): param is ArrayParam =>
  typeof param === "object" && param !== null && !(param instanceof Uint8Array)

// It writes arrays by the types of the placeholders; a text for a text[] has to be no number.
const toValue = (param: Param): unknown => (isArray(param) ? [...param.values] : param)
