import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Laws } from "dgents/testing"
import { describe, expect, it } from "vitest"
import { withTable } from "../../scripts/tables.ts"
import { run } from "../examples/support.ts"

const root = join(import.meta.dirname, "../..")
const read = (file: string) => readFileSync(join(root, file), "utf8")
const pagesOf = (folder: string) =>
  readdirSync(join(root, folder)).flatMap((file) => (file.endsWith(".md") ? [`${folder}/${file}`] : []))
const pages = ["README.md", "CONTRIBUTING.md", ...pagesOf("docs")]

describe("the documentation", () => {
  it("shows the promises that the agents carry", () => {
    expect(read("README.md")).toBe(withTable(read("README.md")))
  })

  it("begins with a program that runs as printed", async () => {
    const program = /```ts\n([\s\S]*?)```/.exec(read("README.md"))?.[1] ?? ""
    expect(program).toContain("DataAgent.update")
    // Inside the repository, since it imports the library by its name.
    mkdirSync(join(root, ".dgents"), { recursive: true })
    const directory = mkdtempSync(join(root, ".dgents", "readme-"))
    try {
      const printed = program.replace("Effect.runPromise)", "Effect.runPromise).then((thread) => console.log(thread))")
      writeFileSync(join(directory, "first.ts"), printed)
      const { code, output } = await run([join(directory, "first.ts")], { cwd: directory })
      expect([code, output]).toEqual([0, expect.stringContaining("Where was I?")])
      expect(existsSync(join(directory, "agent.db"))).toBe(true)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it("links to files that exist", () => {
    for (const page of pages) {
      const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => link ?? "")
      for (const link of links)
        expect([page, link, existsSync(join(root, dirname(page), link))]).toEqual([page, link, true])
    }
  })

  it("says what each law demands", () => {
    for (const name of Laws.names) expect(read("docs/testing.md")).toContain(name)
  })

  it("names npm scripts that exist", () => {
    const scripts = Object.keys(JSON.parse(read("package.json")).scripts)
    for (const page of pages)
      for (const [, script] of read(page).matchAll(/npm run ([a-z:]+)/g)) expect(scripts).toContain(script)
  })
})
