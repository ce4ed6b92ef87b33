/** What may become of an index file between two runs of a program. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"

export const damages = [
  "missing",
  "empty",
  "truncated",
  "flipped",
  "longer",
  "older",
  "another's",
  "a directory"
] as const

export type Damage = (typeof damages)[number]

/** Files to put in the place of one: an earlier one of the same memory, and one of another memory. */
export interface Others {
  readonly older: string
  readonly another: string
}

/** Copies a file, if it is one. */
export const keep = (from: string, to: string): void => {
  if (isFile(from)) copyFileSync(from, to)
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true

/** Damages a file; `at`, from 0 to 999, says where. One that is not there is only replaced by others that are. */
export const damage = (path: string, kind: Damage, at: number, { another, older }: Others): void => {
  const bytes = isFile(path) ? readFileSync(path) : undefined
  rmSync(path, { recursive: true, force: true })
  const other = { older, "another's": another }[String(kind)]
  if (other !== undefined) keep(other, path)
  else if (kind === "a directory") mkdirSync(path)
  else if (bytes !== undefined && kind !== "missing") writeFileSync(path, damaged(bytes, kind, at))
}

const damaged = (bytes: Buffer, kind: Damage, at: number): Buffer => {
  const place = Math.floor((at / 1000) * bytes.length)
  if (kind === "empty") return Buffer.alloc(0)
  if (kind === "truncated") return bytes.subarray(0, place)
  if (kind === "longer") return Buffer.concat([bytes, Buffer.alloc(1 + at, at % 256)])
  if (kind === "flipped") bytes[place] = (bytes[place] ?? 0) ^ (1 << (at % 8))
  return bytes
}
