import { expect, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Names from "../../../src/agents/file/names.ts"

const hostile = [
  "",
  ".",
  "..",
  "/",
  "a/b",
  "A",
  "a",
  "%41",
  "%",
  "\0",
  "é",
  "e\u0301",
  "con",
  "COM1",
  "~",
  ".floor",
  "x".repeat(1024),
  "\u{1F600}".repeat(60)
]

it("every key has a file name of its own, also where names do not know case, and comes back from it", () => {
  const files = hostile.map(Names.family.file)
  expect(new Set(files.map((file) => file.toLowerCase())).size).toBe(hostile.length)
  for (const [i, key] of hostile.entries()) {
    const file = files[i] ?? ""
    expect(file).toMatch(/^[a-z0-9_%~-]+\.json$/)
    expect(file.length).toBeLessThanOrEqual(200)
    expect([key, "hashed"]).toContain(Names.family.key(file))
  }
})

it.prop("any two keys have two files", [Schema.String, Schema.String], ([a, b]) => {
  const keys = [a, b].map((key) => key.toWellFormed())
  const files = keys.map(Names.family.file)
  expect(files[0] === files[1]).toBe(keys[0] === keys[1])
  expect([keys[0], "hashed"]).toContain(Names.family.key(files[0] ?? ""))
})

it("files that we would not write are nobody's", () => {
  const foreign = [
    "A.json",
    "a.txt",
    ".json",
    "%2.json",
    "%ff.json",
    "%61.json",
    "con.json",
    "a.json.history",
    ".floor",
    ".a.json"
  ]
  for (const file of foreign) expect(Names.family.key(file)).toBeUndefined()
})

it("temp files and marks are known by their target, and a neighbour's are not", () => {
  const kind = (naming: Names.Naming, name: string) => Names.parseOwned(naming, name)?.kind
  const user = Names.single("user.json")
  for (const file of ["user.json", user.floor, Names.historyOf("user.json")]) {
    expect(kind(user, Names.tempOf(file))).toBe("tmp")
    expect(kind(user, Names.markOf(file))).toBe("open")
  }
  for (const file of ["user.json.bak", "user_profile.json", "user", "a.user.json"]) {
    expect(kind(user, Names.tempOf(file))).toBeUndefined()
    expect(kind(Names.single(file), Names.tempOf(file))).toBe("tmp")
  }
  for (const name of ["user.json", ".user.json.tmp", ".user.json.1-x.tmp", ".user.json.a.b.c.d.e.f.g.tmp"])
    expect(kind(user, name)).toBeUndefined()
  const long = `${"é".repeat(120)}.json`
  expect(kind(Names.single(long), Names.tempOf(long))).toBe("tmp")
  expect(Names.tempOf(long).length).toBeLessThan(250)
  expect(kind(Names.family, Names.tempOf(Names.family.file("k".repeat(500))))).toBe("tmp")
  expect(kind(Names.family, Names.tempOf(Names.historyOf(Names.family.file("k".repeat(500)))))).toBe("tmp")
  expect(kind(Names.family, Names.tempOf(".floor"))).toBe("tmp")
  expect(kind(Names.family, Names.markOf(Names.marked(Names.family)))).toBe("open")
  expect(kind(Names.family, Names.tempOf("Not ours.json"))).toBeUndefined()
})

it("a temp file tells its target and its owner", () => {
  const temp = Names.tempOf("user.json")
  expect(Names.tempOwner("user.json", temp)).toMatchObject({ pid: process.pid })
  expect(Names.tempOwner("user", temp)).toBeUndefined()
  expect(Names.tempOwner("user.json", Names.markOf("user.json"))).toBeUndefined()
})
