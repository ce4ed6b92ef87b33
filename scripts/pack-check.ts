/**
 * Packs the package, and checks what a user would get: its contents, its types, and a program in an empty directory.
 * Entries are read from `package.json`, so that a new one is checked without a change here.
 *
 *     npm run pack:check
 */
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>
}

const root = resolve(import.meta.dirname, "..")
const readManifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
const manifest = readManifest(root)
const peers = Object.keys(manifest.peerDependencies)
const drivers = peers.filter((peer) => manifest.peerDependenciesMeta[peer]?.optional === true)
const entries = Object.keys(manifest.exports).filter((entry) => entry !== "./package.json")
const moduleName = (entry: string): string => manifest.name + entry.slice(1)
const bin = (name: string): string => join(root, "node_modules", ".bin", name)
const installed = (name: string): string => `${name}@${readManifest(join(root, "node_modules", name)).version}`

/** Runs a program and answers what it printed; if it fails, all that it printed is shown. */
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): string => {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
  } catch (error) {
    if (error instanceof Error && "stdout" in error && "stderr" in error)
      throw new Error(`${command} ${args.join(" ")} failed\n${error.stdout}${error.stderr}`)
    throw error
  }
}

const ok = (what: string): void => console.log(`pack: ${what}`)

const checkContents = (files: ReadonlyArray<string>): void => {
  const expected =
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.*\.(js|d\.ts)(\.map)?|src\/.*(?<!\.test)\.ts)$/
  const strangers = files.filter((file) => !expected.test(file))
  if (strangers.length > 0) throw new Error(`the package holds what it should not: ${strangers.join(", ")}`)
  const promised = Object.values(manifest.exports).flatMap((target) =>
    typeof target === "string" ? [target] : Object.values(target)
  )
  const wanted = [...promised.map((path) => path.slice(2)), "README.md", "LICENSE", "CHANGELOG.md"]
  const missing = wanted.filter((file) => !files.includes(file))
  if (missing.length > 0) throw new Error(`the package lacks ${missing.join(", ")}`)
  ok(`${files.length} files, as expected`)
}

const checkTypes = (consumer: string): void => {
  const lines = entries.flatMap((entry, i) => [
    `import * as entry${i} from "${moduleName(entry)}"`,
    `if (Object.keys(entry${i}).length === 0) throw new Error("${moduleName(entry)} exports nothing")`
  ])
  writeFileSync(join(consumer, "entries.ts"), `${lines.join("\n")}\n`)
  const compilerOptions = {
    target: "ES2023",
    module: "NodeNext",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    // Our declarations are checked as well, and must not lean on what only this repository has installed.
    skipLibCheck: false,
    types: [],
    noEmit: true
  }
  writeFileSync(join(consumer, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }))
  run(consumer, bin("tsc"), "-p", "tsconfig.json")
  ok(`${entries.length} entries type-check in a user's project, declarations included`)
}

/** Imports a module in a process of its own and answers the error's text, or nothing. */
const importError = (consumer: string, specifier: string): string => {
  const source = `import(${JSON.stringify(specifier)}).then(() => "", (e) => e.code + ": " + e.message).then(console.log)`
  return run(consumer, process.execPath, "--eval", source).trim()
}

const checkPrivate = (consumer: string): void => {
  for (const path of ["agents/DataAgent", "dist/index.js", "dist/agents/DataAgent.js", "src/index.ts"]) {
    const error = importError(consumer, `${manifest.name}/${path}`)
    if (!error.startsWith("ERR_PACKAGE_PATH_NOT_EXPORTED"))
      throw new Error(`${manifest.name}/${path} can be imported, or fails otherwise: ${error}`)
  }
  ok("internals cannot be imported")
}

const checkWithoutDrivers = (consumer: string): void => {
  run(consumer, process.execPath, "consumer.ts")
  for (const entry of entries) {
    const error = importError(consumer, moduleName(entry))
    if (error !== "" && (entry === "." || !drivers.some((driver) => error.includes(driver))))
      throw new Error(`${moduleName(entry)} does not load without drivers, and names none: ${error}`)
  }
  ok("without drivers the package runs, and an entry that misses one names it")
}

const directory = mkdtempSync(join(tmpdir(), "dgents-pack-"))
try {
  const packed = JSON.parse(run(root, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", directory))
  const { filename, files } = packed[0] ?? packed[manifest.name]
  checkContents(files.map((file: { readonly path: string }) => file.path))
  const tarball = join(directory, filename)

  run(root, bin("publint"), "run", tarball, "--strict")
  ok("publint finds nothing")
  run(root, bin("attw"), tarball, "--profile", "esm-only", "--exclude-entrypoints", "./package.json", "--no-color")
  ok("the types are not wrong (attw)")

  const consumer = mkdtempSync(join(directory, "consumer-"))
  const install = (...specs: ReadonlyArray<string>) =>
    run(consumer, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", ...specs)
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }))
  copyFileSync(join(root, "scripts", "consumer.ts"), join(consumer, "consumer.ts"))

  install(tarball, ...peers.filter((peer) => !drivers.includes(peer)).map(installed))
  checkWithoutDrivers(consumer)
  checkPrivate(consumer)
  install(...drivers.map(installed))
  checkTypes(consumer)
  run(consumer, process.execPath, "entries.ts")
  ok(`${entries.length} entries load under Node ${process.versions.node}`)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  rmSync(directory, { recursive: true })
}
