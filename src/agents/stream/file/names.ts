/**
 * How what belongs to a stream is named: `<collection>/<key>/<first position>.jsonl`. A segment that begins behind what was compacted
 * is `<first position>.start.jsonl`: it takes the place of all that lies before it. Beside a segment, `.ids` are its ids.
 */
import * as Names from "../../file/names.ts"
import * as Owner from "../../file/owner.ts"

const ending = ".json"

/** The directory of a collection, or of a key in it: as files of a family are named, without their ending. */
export const directoryOf = (name: string): string => Names.family.file(name).slice(0, -ending.length)

/** Which name a directory is that of; `hashed` when only a segment in it can tell; none for what is not ours. */
export const nameOf = (directory: string): string | "hashed" | undefined => {
  const name = Names.family.key(directory + ending)
  return name === "hashed" && directoryOf(name) === directory ? undefined : name
}

/** Whether a directory's name is a hash. */
export const isHashed = (directory: string): boolean => directory.startsWith("~")

/** A segment, by its file's name. */
export interface Segment {
  readonly file: string
  /** The position of its first event. */
  readonly first: number
  /** Whether nothing is in front of it. */
  readonly isStart: boolean
}

const digits = (first: number) => String(first).padStart(16, "0")

/** The segment that begins with a position. */
export const segmentAt = (first: number, isStart: boolean): Segment => ({
  file: `${digits(first)}${isStart ? ".start" : ""}.jsonl`,
  first,
  isStart
})

/** The file with the ids of a segment. */
export const idsOf = ({ first }: Segment): string => `${digits(first)}.ids`

const segment = /^([0-9]{16})(\.start)?\.jsonl$/

/** The segments among some names, oldest first, without those that another one has taken the place of. */
export const segmentsOf = (names: ReadonlyArray<string>): ReadonlyArray<Segment> => {
  const all = names
    .flatMap((file): ReadonlyArray<Segment> => {
      const [, first, start] = segment.exec(file) ?? []
      return first === undefined ? [] : [{ file, first: Number(first), isStart: start !== undefined }]
    })
    .sort((a, b) => a.first - b.first || Number(a.isStart) - Number(b.isStart))
  const begin = all.findLastIndex(({ isStart }) => isStart)
  return begin < 0 ? all : all.slice(begin)
}

const ours = /^[0-9]{16}(?:\.start)?\.(?:jsonl|ids)$/
const temp = /^\.([0-9]{16}(?:\.start)?\.(?:jsonl|ids))\./

/** What is left over in the directory of a stream: what is no longer of use, and temp files of the dead. */
export const leftovers = (
  names: ReadonlyArray<string>,
  segments: ReadonlyArray<Segment>,
  isBeingWritten: (name: string) => boolean
): ReadonlyArray<string> => {
  const kept = new Set(segments.flatMap((segment) => [segment.file, idsOf(segment)]))
  return names.filter((name) => {
    if (ours.test(name)) return !kept.has(name)
    const owner = Names.tempOwner(temp.exec(name)?.[1] ?? "", name)
    if (owner === undefined) return false
    return Owner.isHere(owner) ? !isBeingWritten(name) : Owner.lifeOf(owner) === "dead"
  })
}
