import { resolve } from "node:path"
import { build } from "../scripts/faiss.ts"

/** Before any test: what is imported has to be there when the first file that imports it is looked at. */
export default (): void => {
  const missing = build(resolve(import.meta.dirname, ".."))
  if (missing !== undefined) console.error(missing)
}
