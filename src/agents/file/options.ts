import { check, historyOf, oneOf, optional, type Rule, rule, schema, text } from "../internal/options.ts"
import type { Compression } from "./compression.ts"
import type { FileSharing } from "./fileStore.ts"

const place = rule("a path that is not empty", (value) => typeof value === "string" && value !== "")

const common: Readonly<Record<string, Rule>> = {
  name: optional(text),
  schema,
  history: historyOf("bounded", "maxAge", "maxBytes"),
  sharing: optional(oneOf<FileSharing>("process", "host")),
  edits: optional(oneOf("refuse", "adopt")),
  compression: optional(oneOf<Compression>("none", "gzip", "zstd"))
}

const rules = { path: { path: place, ...common }, directory: { directory: place, ...common } }

/** Fails when an option of an agent in a file, or of a family in a directory, is not what it has to be. */
export const checkOptions = (options: unknown, at: "path" | "directory") => check(options, rules[at], ["name", at])
