import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { run } from "../examples/support.ts"

const root = join(import.meta.dirname, "../..")

it("the program of the documentation runs as printed", async () => {
  const program = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, "docs/promise.md"), "utf8"))?.[1] ?? ""
  // Inside the repository, since it imports the library by its name.
  mkdirSync(join(root, ".dgents"), { recursive: true })
  const directory = mkdtempSync(join(root, ".dgents", "promise-"))
  try {
    writeFileSync(join(directory, "program.ts"), program)
    const { code, output } = await run([join(directory, "program.ts")], { cwd: directory })
    expect([code, output]).toEqual([0, "2 2\nmessage 1 true\n"])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
