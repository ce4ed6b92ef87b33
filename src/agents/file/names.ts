import { createHash } from "node:crypto"
import * as Owner from "./owner.ts"

/** How the states of one directory are named. */
export interface Naming {
  /** The file of a key. */
  readonly file: (key: string) => string
  /** The key of a file; `hashed` when only the frame in it can tell; none for files that are not ours. */
  readonly key: (file: string) => string | "hashed" | undefined
  /** The file that remembers the highest revision ever deleted. */
  readonly floor: string
  /** Whether frames say their key. */
  readonly keyed: boolean
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

// File systems allow 255 bytes a name. Room is left for an ending, or for an ending and an owner.
const longest = 200
const longestWithOwner = 100

const hashed = /^~[0-9a-f]{64}$/

const stem = (file: string, most = longest): string => (Buffer.byteLength(file) <= most ? file : `~${sha256(file)}`)

/** The file of earlier frames beside a file. */
export const historyOf = (file: string): string => `${stem(file)}.history`

/** A name in the same directory that nobody else can pick, that says whose it is and, by its ending, what it is. */
const ownedName = (file: string, ending: string): string =>
  `.${stem(file, longestWithOwner)}.${Owner.format(Owner.make())}.${ending}`

/** A name for a file that is being written. */
export const tempOf = (file: string): string => ownedName(file, "tmp")

/** A name for the mark that a process leaves while it has a file, or all of a directory, open to be shared. */
export const markOf = (file: string): string => ownedName(file, "open")

const owned = /^\.(.+)\.((?:[0-9a-z_]+\.){6}[0-9a-z]+)\.(tmp|open)$/

/** What a name says that was made by one of the two functions above. */
export interface Owned {
  readonly kind: "tmp" | "open"
  readonly owner: Owner.Owner
}

/** What a name says of a temp file or mark of ours, as opposed to those of a neighbour in the directory. */
export const parseOwned = (naming: Naming, name: string): Owned | undefined => {
  const [, of, text, kind] = owned.exec(name) ?? []
  if (of === undefined || text === undefined) return undefined
  const isOurs = [stem(naming.floor, longestWithOwner), marked(naming)].includes(of) || isStem(naming, of)
  const owner = isOurs ? Owner.parse(text) : undefined
  return owner === undefined ? undefined : { kind: kind === "open" ? "open" : "tmp", owner }
}

const isStem = (naming: Naming, of: string): boolean => {
  if (naming.keyed) return hashed.test(of) || naming.key(of.replace(/\.history$/, "")) !== undefined
  const file = naming.file("")
  return [file, historyOf(file)].some((name) => of === stem(name, longestWithOwner))
}

/** Who made a temp file of a target; none for other files. */
export const tempOwner = (target: string, name: string): Owner.Owner | undefined => {
  const [, of, text = "", kind] = owned.exec(name) ?? []
  return kind === "tmp" && of === stem(target, longestWithOwner) ? Owner.parse(text) : undefined
}

/** What a mark and a lifelong lock are named after: the one file, or the directory. */
export const marked = (naming: Naming): string => (naming.keyed ? "family" : naming.file(""))

/** One state in a file named as the user named it. */
export const single = (file: string): Naming => ({
  file: () => file,
  key: (name) => (name === file ? "" : undefined),
  floor: `.${stem(file)}.floor`,
  keyed: false
})

const suffix = ".json"

// Names that Windows keeps for devices, whatever follows the dot.
const reserved = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/

const percent = (byte: number) => `%${byte.toString(16).padStart(2, "0")}`

const encodeKey = (key: string): string => {
  if (key === "") return "%"
  let name = ""
  for (const byte of Buffer.from(key)) {
    const character = String.fromCharCode(byte)
    name += /[a-z0-9_-]/.test(character) ? character : percent(byte)
  }
  return reserved.test(name) ? percent(name.charCodeAt(0)) + name.slice(1) : name
}

/**
 * Many states in one directory, a file for each key. The name is the key with everything but `a-z0-9_-` in percent
 * encoding, capitals too, so that keys stay apart where file names do not know case. Names that would be too long are a
 * hash, and the frame holds the key.
 */
export const family: Naming = {
  file: (key) => {
    const name = encodeKey(key)
    return `${name.length <= longest - suffix.length ? name : `~${sha256(key)}`}${suffix}`
  },
  key: (file) => {
    if (!file.endsWith(suffix)) return undefined
    const name = file.slice(0, -suffix.length)
    if (hashed.test(name)) return "hashed"
    if (!/^(?:[a-z0-9_%-])+$/.test(name)) return undefined
    const key = decodeKey(name)
    // Only the one spelling that we write: anything else in the directory is not ours.
    return key !== undefined && family.file(key) === file ? key : undefined
  },
  floor: ".floor",
  keyed: true
}

const decodeKey = (name: string): string | undefined => {
  if (name === "%") return ""
  try {
    return decodeURIComponent(name)
  } catch {
    return undefined
  }
}
