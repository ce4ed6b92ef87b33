/**
 * How many lists an IVF searches. The binding has no name for it, but the file of an index does, so an empty index is
 * written, changed and read again. (Not by `toBuffer` and `fromBuffer`: those leak an index each.)
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { endianness, tmpdir } from "node:os"
import { join } from "node:path"
import type { Binding, Index } from "./binding.ts"

/** An empty index with `lists` lists that searches `nprobe` of them. */
export const withProbes = (binding: Binding, empty: Index, lists: number, nprobe: number): Index => {
  const directory = mkdtempSync(join(tmpdir(), "dgents-faiss-"))
  try {
    const path = join(directory, "index")
    empty.write(path)
    const bytes = readFileSync(path)
    // Two numbers of 64 bits beside each other: how many lists there are, and how many are searched, which is 1 at first.
    const written = pair(lists, 1)
    const at = bytes.indexOf(written)
    if (at < 0 || bytes.includes(written, at + 1))
      throw new Error("this version of faiss writes its files in another way; leave nprobe at 1")
    pair(lists, nprobe).copy(bytes, at)
    writeFileSync(path, bytes)
    return binding.Index.read(path)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const pair = (first: number, second: number): Buffer => {
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64LE(BigInt(first), 0)
  bytes.writeBigUInt64LE(BigInt(second), 8)
  return endianness() === "LE" ? bytes : bytes.swap64()
}
