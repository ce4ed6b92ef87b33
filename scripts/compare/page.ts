import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** Puts what a command printed into a page of `docs`, between the two lines that say so. */
export const writeInto = (page: string, command: string, report: string): void => {
  const [begin, end] = [`<!-- compared: printed by npm run ${command} -->`, "<!-- /compared -->"]
  const path = join(import.meta.dirname, "..", "..", "docs", page)
  const text = readFileSync(path, "utf8")
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${path} has no lines "${begin}" and "${end}"`)
  writeFileSync(path, `${text.slice(0, from)}${begin}\n\n${report}\n\n${text.slice(to)}`)
}
