/**
 * The rooms of `src`, and which way their doors open. Prints each import that breaks a rule, and fails if there is one.
 *
 *     npm run rooms
 */
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, posix, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { type Import, importsOf } from "./imports.ts"

/** One import that breaks a rule. */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly specifier: string
  readonly rule: string
}

/** Which rooms the files of a room may import, besides their own. Entries (the files of `src` itself) may import any. */
const rooms: Readonly<Record<string, ReadonlyArray<string>>> = {
  schema: [],
  agents: ["schema"],
  compose: ["agents", "schema"],
  promise: ["agents", "compose", "schema"],
  testing: ["agents", "schema"]
}

/** The packages that `src` may import besides effect and Node's own modules, and the files that may do it. */
const drivers: Readonly<Record<string, ReadonlyArray<string>>> = {
  "better-sqlite3": ["src/agents/sql/sqlite/", "src/sqlite.ts"],
  pg: ["src/agents/sql/postgres/", "src/postgres.ts"],
  "@electric-sql/pglite": ["src/agents/sql/postgres/", "src/postgres.ts"],
  ioredis: ["src/agents/redis/", "src/redis.ts"],
  "faiss-node": ["src/agents/vector/faiss/", "src/faiss.ts"],
  usearch: ["src/agents/vector/usearch/", "src/usearch.ts"],
  "@huggingface/transformers": ["src/agents/vector/transformers/", "src/transformers.ts"],
  vitest: ["src/testing/"],
  "@effect/vitest": ["src/testing/"]
}

// Services that a user provides appear in the signatures of whoever needs them, so one file each is not to be had.
const servicesOfTheUser = ["FileSystem", "Path", "PlatformError"]

/** What lies in the folder of one primitive and others may import all the same: what they ask of a storage, and nothing that does it. */
const contracts: ReadonlySet<string> = new Set([
  "src/agents/redis/RedisDriver.ts",
  "src/agents/redis/Server.ts",
  "src/agents/redis/keys.ts",
  "src/agents/redis/operation.ts",
  "src/agents/sql/Engine.ts",
  "src/agents/sql/SqlDriver.ts",
  "src/agents/stream/Log.ts"
])

interface SourceFile {
  readonly path: string
  readonly imports: ReadonlyArray<Import>
}

/** Every violation in the `src` of a repository. */
export const check = (root: string): ReadonlyArray<Violation> => {
  const files = globSync("src/**/*.ts", { cwd: root })
    .map((path) => path.replaceAll("\\", "/"))
    .sort()
    .map((path): SourceFile => ({ path, imports: importsOf(path, readFileSync(join(root, path), "utf8")) }))
  const primitives = primitivesOf(files)
  return [...files.flatMap((file) => checkFile(file, primitives)), ...checkReach(files), ...checkUnstable(files)]
}

const checkFile = (file: SourceFile, primitives: ReadonlySet<string>): ReadonlyArray<Violation> =>
  file.imports.flatMap(({ line, specifier }) => {
    const rule = specifier.startsWith(".")
      ? relativeRule(file.path, target(file.path, specifier), primitives)
      : packageRule(file.path, specifier)
    return rule === undefined ? [] : [{ file: file.path, line, specifier, rule }]
  })

const target = (file: string, specifier: string): string => posix.join(posix.dirname(file), specifier)

const roomOf = (path: string): string | undefined => /^src\/([^/]+)\//.exec(path)?.[1]

const relativeRule = (file: string, to: string, primitives: ReadonlySet<string>): string | undefined => {
  if (!to.startsWith("src/")) return "src imports nothing outside src"
  const [from, into] = [roomOf(file), roomOf(to)]
  if (from !== into && from !== undefined) {
    const allowed = rooms[from]
    if (allowed === undefined) return `${from} is not a room; the rooms are ${Object.keys(rooms).join(", ")}`
    if (into === undefined) return "a room imports no entry"
    if (!allowed.includes(into))
      return allowed.length === 0 ? `${from} imports no other room` : `${from} imports ${allowed.join(" and ")} only`
  }
  const [mine, theirs] = [primitiveOf(file, primitives), primitiveOf(to, primitives)]
  if (theirs === undefined || mine === theirs || from !== "agents" || contracts.has(to)) return undefined
  return mine === undefined ? "what all primitives share imports none of them" : "no primitive imports another one"
}

const primitiveFile = /^src\/agents\/(?!Data)([A-Z]\w*)Agent\.ts$/

const primitivesOf = (files: ReadonlyArray<SourceFile>): ReadonlySet<string> =>
  new Set(files.flatMap(({ path }) => primitiveFile.exec(path)?.[1]?.toLowerCase() ?? []))

/** Which primitive a file belongs to: `src/agents/SqlAgent.ts` and `src/agents/sql/**` are `sql`. */
const primitiveOf = (path: string, primitives: ReadonlySet<string>): string | undefined => {
  const name = (primitiveFile.exec(path) ?? /^src\/agents\/(\w+)\//.exec(path))?.[1]?.toLowerCase()
  return name !== undefined && primitives.has(name) ? name : undefined
}

const packageOf = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

const packageRule = (file: string, specifier: string): string | undefined => {
  const name = packageOf(specifier)
  if (name === "effect" || specifier.startsWith("node:")) return undefined
  const owners = drivers[name]
  if (owners === undefined) return "src imports effect, node: modules and the known drivers only"
  if (owners.some((owner) => file.startsWith(owner))) return undefined
  return `${name} is imported under ${owners.join(" and ")} only`
}

/** `import "dgents"` loads no driver and no test code, however long the way from the index to it is. */
const checkReach = (files: ReadonlyArray<SourceFile>): ReadonlyArray<Violation> => {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const violations: Array<Violation> = []
  const ways = new Map<string, string>([["src/index.ts", "src/index.ts"]])
  for (const [path, way] of ways)
    for (const { kind, line, specifier } of byPath.get(path)?.imports ?? []) {
      if (kind === "dynamic") continue
      const add = (rule: string) =>
        violations.push({ file: path, line, specifier, rule: `${rule} (reached by ${way})` })
      if (drivers[packageOf(specifier)] !== undefined) add("the index reaches no driver")
      if (!specifier.startsWith(".")) continue
      const to = target(path, specifier)
      if (roomOf(to) === "testing") add("the index reaches no test code")
      else if (!ways.has(to)) ways.set(to, `${way} > ${to}`)
    }
  return violations
}

/** A module that Effect marks unstable is imported by one file, so that its changes cost one edit. */
const checkUnstable = (files: ReadonlyArray<SourceFile>): ReadonlyArray<Violation> => {
  const importers = new Map<string, Array<Violation>>()
  for (const file of files)
    for (const { line, names, specifier } of file.imports)
      for (const module of effectModules(specifier, names).filter(isUnstable)) {
        const rule = `effect marks ${module} unstable, and only one file imports such a module`
        const all = importers.get(module) ?? []
        if (!all.some((other) => other.file === file.path)) all.push({ file: file.path, line, specifier, rule })
        importers.set(module, all)
      }
  return [...importers.values()].filter((all) => all.length > 1).flat()
}

/** `{ Effect } from "effect"` is the module `Effect`; `effect/ai/Tool` is `ai/Tool`. */
const effectModules = (specifier: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (specifier !== "effect" && !specifier.startsWith("effect/")) return []
  const path = specifier.slice("effect/".length)
  if (path !== "" && existsSync(join(effectSource(), `${path}.ts`))) return [path]
  return names.map((name) => posix.join(path, name))
}

let effectFolder: string | undefined
const effectSource = (): string =>
  (effectFolder ??= join(dirname(fileURLToPath(import.meta.resolve("effect/package.json"))), "src"))

const isUnstable = (module: string): boolean => {
  const path = join(effectSource(), `${module}.ts`)
  if (servicesOfTheUser.includes(module) || !existsSync(path)) return false
  const header = /\/\*\*.*?\*\//s.exec(readFileSync(path, "utf8"))?.[0] ?? ""
  return /@stability (unstable|experimental)/.test(header)
}

/** `file:line: imports "x": rule`, as editors and terminals link it. */
export const print = ({ file, line, rule, specifier }: Violation): string =>
  `${file}:${line}: imports "${specifier}": ${rule}`

if (import.meta.main) {
  const violations = check(resolve(process.argv[2] ?? "."))
  for (const violation of violations) console.error(print(violation))
  if (violations.length > 0) process.exitCode = 1
  else console.log("rooms: every import goes the right way")
}
