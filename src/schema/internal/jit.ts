// The one place that imports Effect's unstable schema compiler.
import type { SchemaAST } from "effect"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"

/** Compiles the parsers of these ASTs alone; other schemas are left as they are. */
export const enable = (...asts: ReadonlyArray<SchemaAST.AST>): void => {
  for (const ast of asts) SchemaJITCompiler.enable(ast)
}
