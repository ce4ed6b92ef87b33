import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { split } from "../../examples/quickstart/passages.ts"
import { run, start } from "./support.ts"

let directory = ""
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "dgents-quickstart-"))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const put = (file: string, text: string) => {
  const path = join(directory, "notes", file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

const data = () => join(directory, "memory.db")
const args = (...rest: ReadonlyArray<string>) => [
  "examples/quickstart/main.ts",
  "--folder",
  join(directory, "notes"),
  "--data",
  data(),
  ...rest
]
const quickstart = (...rest: ReadonlyArray<string>) => run(args(...rest))

describe("quickstart", () => {
  it("answers with file and line, remembers the question, and says when a new one resembles it", async () => {
    put(
      "river.md",
      "# Rivers\n\nThe Danube flows through ten countries.\n\n# Lakes\n\nLake Baikal is the deepest lake.\n"
    )
    put("deep/bread.txt", "Sourdough needs flour, water, salt and a day of patience.\n")
    const first = await quickstart("Which lake is the deepest?")
    expect(first).toMatchObject({ code: 0 })
    expect(first.output).toContain("river.md:5")
    expect(first.output).not.toContain("You asked")
    const second = await quickstart("which is the deepest lake")
    expect(second.output).toContain("read 0 new")
    expect(second.output).toContain('You asked "Which lake is the deepest?"')
    expect(second.output).toContain("(turn 2")
  })

  it("reads what changed, and forgets what is gone", async () => {
    put("a.md", "Alpha lives here.\n")
    put("b.md", "Beta lives here.\n")
    await quickstart("alpha")
    put("a.md", "Gamma moved in.\n")
    rmSync(join(directory, "notes", "b.md"))
    const { output } = await quickstart("where does gamma live?")
    expect(output).toMatch(/1 files, 1 passages; read 1 new, forgot 1 files/)
    expect(output).toContain("Gamma moved in.")
    expect(output).not.toContain("Alpha")
  })

  it("shows what is stored", async () => {
    put("a.md", "Alpha lives here.\n")
    await quickstart("alpha")
    const { output } = await quickstart("--inspect")
    for (const part of ["files ", "passages ", "power, linearizable", "revision 1", "of 64000 bytes", "last: alpha"])
      expect(output).toContain(part)
  })

  it("killed in the middle of reading, it goes on where it was and loses nothing", async () => {
    for (let i = 0; i < 600; i++) put(`${i % 10}/note-${i}.md`, `Note number ${i} speaks of topic${i}.\n`.repeat(30))
    // Killed at several moments: each time after the memory has begun to fill.
    for (const delay of [0, 30, 90]) {
      const child = start(args())
      await new Promise<void>((resolve) => {
        const poll = setInterval(() => {
          if (!existsSync(data())) return
          clearInterval(poll)
          setTimeout(resolve, delay)
        }, 1)
        child.on("close", () => {
          clearInterval(poll)
          resolve()
        })
      })
      child.kill("SIGKILL")
      await new Promise((resolve) =>
        (child.exitCode ?? child.signalCode) === null ? child.on("close", resolve) : resolve(0)
      )
    }
    const { code, output } = await quickstart("what speaks of topic417?")
    const passages = Array.from(
      { length: 600 },
      (_, i) => split("", `Note number ${i} speaks of topic${i}.\n`.repeat(30)).length
    )
    expect(code).toBe(0)
    expect(output).toContain(`600 files, ${passages.reduce((a, b) => a + b)} passages`)
    expect(output).toContain("note-417.md")
    expect((await quickstart("again, topic417?")).output).toContain("read 0 new")
  })

  it("forgets old turns before the budget is hit, and never fails for it", async () => {
    put("a.md", "Alpha lives here.\n")
    const long = (n: number) => `${n} alpha ${"x".repeat(20_000)}`
    for (let n = 1; n <= 5; n++) expect(await quickstart(long(n))).toMatchObject({ code: 0 })
    const { output } = await quickstart("alpha")
    expect(output).toContain("(turn 6")
  })

  it("says in one sentence what is wrong with bad input", async () => {
    const missing = await run(["examples/quickstart/main.ts", "--folder", join(directory, "nowhere")])
    expect(missing).toMatchObject({ code: 1 })
    expect(missing.output).toContain("is not a folder")
    for (const [args, said] of [
      [["--colour"], "Unknown option '--colour'"],
      [["--colour.red"], "Unknown option '--colour.red'"],
      [["--folder"], "Option '--folder <value>' argument missing"],
      [["--folder", "--inspect"], "Option '--folder' argument is ambiguous"],
      [["--inspect=yes"], "Option '--inspect' does not take an argument"]
    ] as const) {
      const { code, output } = await run(["examples/quickstart/main.ts", ...args])
      expect(code).toBe(1)
      expect(output.trim().split("\n")).toEqual([
        `${said}; usage: npm run quickstart -- [--folder DIR] [--data FILE] [--inspect] [question]`
      ])
    }
    put("a.md", "Alpha lives here.\n")
    writeFileSync(data(), "this is no database, and more than a hundred bytes of it. ".repeat(20))
    const foreign = await quickstart("alpha")
    expect(foreign).toMatchObject({ code: 1 })
    expect(foreign.output.trim().split("\n")).toHaveLength(1)
    expect(readFileSync(data(), "utf8")).toContain("this is no database")
  })
})

describe("split", () => {
  it("keeps every word, names the line it came from, and stays near the size asked for", () => {
    const text = Array.from({ length: 200 }, (_, i) => (i % 7 === 0 ? "" : `word${i} `.repeat(20))).join("\n")
    const passages = split("f", text)
    expect(passages.flatMap((p) => p.text.split(/\s+/)).filter(Boolean)).toEqual(text.split(/\s+/).filter(Boolean))
    const lines = text.split("\n")
    for (const { line, text } of passages) {
      expect(lines[line - 1]?.trim()).toBe(text.split("\n")[0]?.trim())
      expect(text.length).toBeLessThanOrEqual(1_000)
    }
  })
})
