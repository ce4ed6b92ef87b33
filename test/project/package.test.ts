import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const read = (path: string) => readFileSync(join(root, path), "utf8")
const manifest = JSON.parse(read("package.json"))
const lockfile = read("package-lock.json")

it("the lockfile names no registry, so that everyone installs from theirs", () => {
  expect(lockfile).not.toContain('"resolved"')
})

it("the lockfile has every platform's packages, without which npm ci fails on some machines", () => {
  const packages: Record<string, { readonly optionalDependencies?: Record<string, string> }> =
    JSON.parse(lockfile).packages
  const wanted = Object.values(packages).flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
  expect(wanted.length).toBeGreaterThan(0)
  expect(wanted.filter((name) => packages[`node_modules/${name}`] === undefined)).toEqual([])
})

it("every entry of the package has a source, built to the file that the entry promises", () => {
  for (const [entry, target] of Object.entries<Record<string, string>>(manifest.exports)) {
    if (entry === "./package.json") continue
    const source = target["@dgents/source"] ?? ""
    expect(existsSync(join(root, source)), `${entry}: ${source}`).toBe(true)
    const built = source.replace(/^\.\/src\//, "./dist/").replace(/\.ts$/, "")
    expect(target).toEqual({ "@dgents/source": source, types: `${built}.d.ts`, default: `${built}.js` })
  }
})

it("commands that the documents name exist", () => {
  for (const document of ["README.md", "CONTRIBUTING.md"])
    for (const [, command = ""] of read(document).matchAll(/npm run ([\w:]+)/g))
      expect(manifest.scripts, `npm run ${command} in ${document}`).toHaveProperty([command])
})
