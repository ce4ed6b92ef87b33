import { describe, expect, it } from "vitest"
import { run } from "../examples/support.ts"

describe("the scripts of the laws", () => {
  it("refuse a budget, a seed or an option that is none, in one line, and try nothing", async () => {
    const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, said: string]> = [
      [["scripts/mutants.ts", "--budget=nonsense"], '--budget is "nonsense": use quick, ci or soak'],
      [["scripts/mutants.ts", "--seed=x"], '--seed is "x": use a whole number from 0 to 4294967295'],
      [["scripts/mutants.ts", "--seed="], '--seed is "": use a whole number from 0 to 4294967295'],
      [["scripts/mutants.ts", "--bugdet=quick"], "Unknown option '--bugdet'"],
      [["scripts/mutants.ts", "quick"], "'quick'"],
      [["scripts/laws.ts", "nonsense"], 'There is no budget "nonsense": use quick, ci or soak']
    ]
    for (const [args, said] of wrong) {
      const { code, output } = await run(args)
      expect(code).toBe(1)
      expect(output).toContain(said)
      expect(output.trim().split("\n")).toHaveLength(1)
    }
  })
})
