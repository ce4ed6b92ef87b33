/** What is said through NOTIFY: who committed to which keys of which collection. */
import { createHash } from "node:crypto"
import type { Id } from "../Engine.ts"

// A payload has to be shorter than 8000 bytes.
const mostBytes = 7_900

/** A name of any length as one of a fixed length. */
export const digest = (name: string): string => createHash("sha256").update(name).digest("base64url").slice(0, 22)

/** The channel of the tables in a schema. */
export const channelOf = (schema: string): string => `dgents_${digest(schema)}`

/** A payload for each collection; one without keys, where they do not fit, is about all of them. */
export const payloads = (sender: string, ids: Iterable<Id>): ReadonlyArray<string> => {
  const byCollection = new Map<string, Array<string>>()
  for (const { collection, key } of ids) {
    const keys = byCollection.get(collection) ?? []
    byCollection.set(collection, keys)
    keys.push(key)
  }
  return [...byCollection].map(([collection, keys]) => {
    const whole = JSON.stringify([sender, digest(collection), keys])
    return Buffer.byteLength(whole) <= mostBytes ? whole : JSON.stringify([sender, digest(collection)])
  })
}

/** A payload read: `undefined` for what is none of ours, which anybody may send. */
export const read = (
  payload: string
):
  | { readonly sender: string; readonly collection: string; readonly keys: ReadonlyArray<string> | "all" }
  | undefined => {
  try {
    const [sender, collection, keys = "all"]: ReadonlyArray<unknown> = JSON.parse(payload)
    const isList = Array.isArray(keys) && keys.every((key) => typeof key === "string")
    if (typeof sender !== "string" || typeof collection !== "string" || !(keys === "all" || isList)) return undefined
    return { sender, collection, keys }
  } catch {
    return undefined
  }
}
