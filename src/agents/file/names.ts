import { createHash, randomBytes } from "node:crypto"

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

// Room is left for what is added to a name: file systems allow 255 bytes.
const longest = 200

/** A file name with room to add to it. */
const stem = (file: string): string => (Buffer.byteLength(file) <= longest ? file : `~${sha256(file)}`)

/** The sibling directory of earlier frames. */
export const historyOf = (file: string): string => `${stem(file)}.history`

/** The file of an earlier frame in it. */
export const revisionFile = (revision: number): string => `${revision}.json`

/** The revision of a file in it. */
export const revisionOf = (file: string): number | undefined => {
  const revision = /^([1-9][0-9]{0,15})\.json$/.exec(file)?.[1]
  return revision === undefined ? undefined : Number(revision)
}

// 48 random bits for this process and a counter within it.
const session = randomBytes(6).toString("hex")
let temps = 0

/** A name in the same directory that no other process can pick and that tells whose it is. */
export const tempOf = (file: string): string => {
  const count = (temps++).toString(16).padStart(8, "0")
  return `.${stem(file)}.${process.pid}-${session}${count}.tmp`
}

const temp = /^\.(.+)\.[0-9]+-[0-9a-f]{20,}\.tmp$/

/** Whether a name is that of a temp file of one of our targets, as opposed to those of a neighbour in the directory. */
export const isTempOf = (naming: Naming, name: string): boolean => {
  const of = temp.exec(name)?.[1]
  return of !== undefined && (of === stem(naming.floor) || naming.key(of) !== undefined)
}

/** One state in a file named as the user named it. */
export const single = (file: string): Naming => ({
  file: () => file,
  key: (name) => (name === stem(file) ? "" : undefined),
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
    if (/^~[0-9a-f]{64}$/.test(name)) return "hashed"
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
