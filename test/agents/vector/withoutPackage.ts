import { spawnSync } from "node:child_process"

/** What opening an engine says in a process where a package is not installed. */
export const sentenceWithout = (name: string, entry: string, namespace: string): string => {
  const program = `
    import { registerHooks } from "node:module"
    import { Effect } from "effect"
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier !== ${JSON.stringify(name)}) return next(specifier, context)
        throw Object.assign(new Error("not found"), { code: "ERR_MODULE_NOT_FOUND" })
      }
    })
    const { ${namespace} } = await import(${JSON.stringify(entry)})
    const error = await Effect.runPromise(Effect.flip(${namespace}.engine()))
    console.log(error._tag, error.message)`
  const args = ["--conditions=@dgents/source", "--input-type=module", "--eval", program]
  const { stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" })
  return stdout + stderr
}
