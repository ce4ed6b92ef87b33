import { parseSync } from "vite"

/** One import of a file: `import`, `export ... from`, `import()`, or a type written `import("...")`. */
export interface Import {
  readonly line: number
  readonly specifier: string
  readonly kind: "static" | "dynamic"
  /** The names taken out of the module; empty for `import()`, `import * as` and imports for effect. */
  readonly names: ReadonlyArray<string>
}

/** Every import of a TypeScript source, types included: what a type is imported from is a dependency as well. */
export const importsOf = (file: string, source: string): ReadonlyArray<Import> => {
  const { errors, module, program } = parseSync(file, source)
  if (errors.length > 0) throw new Error(`${file} does not parse: ${errors[0]?.message}`)
  const imports: Array<Import> = []
  const add = (start: number, specifier: string, kind: Import["kind"], names: ReadonlyArray<string> = []) =>
    imports.push({ line: source.slice(0, start).split("\n").length, specifier, kind, names })

  for (const { entries, moduleRequest, start } of module.staticImports)
    add(start, moduleRequest.value, "static", names(entries.map((entry) => entry.importName.name)))
  for (const { entries, start } of module.staticExports) {
    const from = entries.find((entry) => entry.moduleRequest !== null)?.moduleRequest
    if (from != null) add(start, from.value, "static", names(entries.map((entry) => entry.importName.name)))
  }
  for (const { moduleRequest, start } of module.dynamicImports) {
    const text = source.slice(moduleRequest.start, moduleRequest.end)
    const literal = /^(["'`])([^"'`$]*)\1$/.exec(text)?.[2]
    // What is imported must be known without running the program, or no rule could hold it.
    add(start, literal ?? `(computed: ${text})`, "dynamic")
  }
  typeImports(program, (start, specifier) => add(start, specifier, "static"))
  return imports
}

const names = (found: ReadonlyArray<string | null | undefined>): ReadonlyArray<string> =>
  found.filter((name) => name != null)

/** Finds `import("...")` in type positions, which the parser's list of module requests leaves out. */
const typeImports = (node: unknown, found: (start: number, specifier: string) => void): void => {
  if (Array.isArray(node)) for (const child of node) typeImports(child, found)
  if (typeof node !== "object" || node === null || Array.isArray(node)) return
  if ("type" in node && node.type === "TSImportType" && "source" in node && "start" in node) {
    const { source, start } = node
    if (typeof source === "object" && source !== null && "value" in source) found(Number(start), String(source.value))
  }
  for (const child of Object.values(node)) typeImports(child, found)
}
