import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

/** Packages of a directory of their own, and those among them that have to be compiled. */
export interface Packages {
  readonly dependencies: Readonly<Record<string, string>>
  readonly compiles: ReadonlyArray<string>
}

/** Installs every product below a directory, with its real driver; what is there already is left as it is. */
export const install = (
  directory: string,
  installations: Readonly<Record<string, Packages>>,
  log: (line: string) => void
): void => {
  for (const [name, { compiles, dependencies }] of Object.entries(installations)) {
    const path = join(directory, name)
    const done = join(path, "installed")
    if (existsSync(done)) continue
    log(`Installing ${Object.keys(dependencies).join(", ")} into ${path}`)
    mkdirSync(path, { recursive: true })
    // Forces the one version of a driver on whoever asks for another.
    const overrides = Object.fromEntries(Object.keys(dependencies).map((dependency) => [dependency, `$${dependency}`]))
    writeFileSync(
      join(path, "package.json"),
      JSON.stringify({ private: true, type: "module", dependencies, overrides })
    )
    npm(path, ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"])
    if (compiles.length > 0) {
      log(`Building ${compiles.join(", ")}: a minute or two, where there are no binaries to be had`)
      npm(path, ["rebuild", ...compiles])
    }
    // Node resolves a package from the file that imports it.
    writeFileSync(join(path, entry), "export const load = (name) => import(name)\n")
    writeFileSync(done, "")
  }
}

/** Imports a package as a module of that installation would. */
export const importFrom = async (directory: string, from: string, name: string): Promise<unknown> => {
  // Sound: `install` wrote it.
  const { load } = (await import(pathToFileURL(join(directory, from, entry)).href)) as {
    readonly load: (name: string) => Promise<unknown>
  }
  return load(name)
}

const entry = "load.mjs"

const npm = (cwd: string, args: ReadonlyArray<string>): void => {
  const { status } = spawnSync("npm", args, { cwd, stdio: ["ignore", 2, 2] })
  if (status !== 0) throw new Error(`npm ${args.join(" ")} failed in ${cwd}`)
}
