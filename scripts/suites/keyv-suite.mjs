/** Keyv's conformance tests, those of the iterator included, on one store of keyv.mjs. */
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
// biome-ignore-start lint/correctness/noUndeclaredDependencies: installed where this file is copied to
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite"
import PublishedKeyv from "keyv"
// biome-ignore-end lint/correctness/noUndeclaredDependencies: installed where this file is copied to
import * as test from "vitest"
import { controls, mutants, reference } from "./keyv.mjs"

export const run = (name) => {
  const { Keyv = PublishedKeyv, open = controls[name] ?? reference } = mutants[name] ?? {}
  const path = join(mkdtempSync(join(import.meta.dirname, "data-")), "keyv.db")
  // A store for each call on one file, as the published adapter's own tests have it.
  const store = () => open(path)
  keyvTestSuite(test, Keyv, store)
  keyvIteratorTests(test, Keyv, store)
}
