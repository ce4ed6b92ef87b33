/**
 * Puts faiss-node into a project on a machine where its own install step has nothing to download: compiles its published
 * source against the libfaiss of the system. It takes half a minute at most, needs npm, tar and g++, and nothing of this repository:
 *
 *     npm install --ignore-scripts faiss-node@0.5.1
 *     node scripts/faiss.ts [project]
 *
 * Where the package is not installed at all it is put in place, outside the lock file, which is what the tests do. As root
 * on Debian or Ubuntu it installs what is missing by itself. Two things differ from the published build: an error inside
 * faiss reaches JavaScript instead of ending the process, and a search does not leak its query.
 */
import { spawnSync } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { createRequire } from "node:module"
import { join, resolve } from "node:path"

/** What is fetched from the registry, each as one tarball. Headers of N-API fit every Node. */
const packages = {
  "faiss-node": "0.5.1",
  "node-addon-api": "8.9.2",
  "node-api-headers": "1.8.0",
  bindings: "1.5.0",
  "file-uri-to-path": "1.0.0"
}

/** What has to be there of the system, and the Debian package that brings it. */
const needed: Readonly<Record<string, ReadonlyArray<string>>> = {
  "libfaiss-dev": ["/usr/include/faiss/Index.h", "/usr/local/include/faiss/Index.h"],
  "libopenblas-dev": ["/usr/lib/*/libopenblas.so", "/usr/local/lib/libopenblas.so", "/usr/lib/libopenblas.so"],
  "g++": ["/usr/bin/g++", "/usr/local/bin/g++"]
}

// The source was written for faiss 1.7.4, and Debian's 1.7.3 has this type elsewhere.
const compatibility = `#include <faiss/Index.h>
#if FAISS_VERSION_MAJOR * 10000 + FAISS_VERSION_MINOR * 100 + FAISS_VERSION_PATCH < 10704
namespace faiss { using idx_t = Index::idx_t; }
#endif
`

/** Whether the package is there and its compiled part loads. */
export const isBuilt = (project: string): boolean => {
  const folder = join(project, "node_modules", "faiss-node")
  // In a process of its own, since what loads badly may end it.
  const load = "process.exit(typeof require(process.argv[1]).Index === 'function' ? 0 : 1)"
  return existsSync(folder) && spawnSync(process.execPath, ["-e", load, folder]).status === 0
}

/** Builds the package into a project unless it is there; answers what stood in the way, if something did. */
export const build = (project: string): string | undefined => {
  if (isBuilt(project)) return undefined
  const missing = installSystemPackages()
  if (missing !== undefined) return missing
  const modules = join(project, "node_modules")
  mkdirSync(join(modules, ".cache"), { recursive: true })
  // On the same disk, so that the last step is a rename.
  const work = mkdtempSync(join(modules, ".cache", "faiss-node-"))
  try {
    const built = fetchSources(work) ?? compile(work)
    if (built !== undefined) return built
    put(work, modules)
    return isBuilt(project)
      ? undefined
      : "faiss-node was compiled and does not load; is it another version of libfaiss?"
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const run = (command: string, ...args: ReadonlyArray<string>): string | undefined => {
  const { error, status, stderr } = spawnSync(command, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" })
  if (status === 0) return undefined
  const last = (error?.message ?? stderr).trim().split("\n").slice(-3).join(" / ")
  return `faiss-node could not be built: ${command} failed: ${last}`
}

const isThere = (path: string): boolean => {
  const [before, after] = path.split("*")
  if (before === undefined || after === undefined) return existsSync(path)
  return existsSync(before) && readdirSync(before).some((name) => existsSync(`${before}${name}${after}`))
}

const installSystemPackages = (): string | undefined => {
  const missing = () => Object.keys(needed).filter((name) => !needed[name]?.some(isThere))
  if (missing().length === 0) return undefined
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    const install = () => run("apt-get", "install", "-y", "--no-install-recommends", ...missing())
    if (install() !== undefined) {
      run("apt-get", "update")
      install()
    }
  }
  return missing().length === 0
    ? undefined
    : `faiss-node could not be built: install ${missing().join(", ")} (Debian, Ubuntu: apt-get install ${missing().join(" ")})`
}

const fetchSources = (work: string): string | undefined => {
  for (const [name, version] of Object.entries(packages)) {
    const folder = join(work, name)
    mkdirSync(folder)
    const failed =
      run("npm", "pack", "--silent", `${name}@${version}`, "--pack-destination", work) ??
      run("tar", "-xzf", join(work, `${name}-${version}.tgz`), "-C", folder, "--strip-components=1")
    if (failed !== undefined) return failed
  }
  return undefined
}

const compile = (work: string): string | undefined => {
  const source = join(work, "faiss-node", "src", "faiss.cc")
  const text = readFileSync(source, "utf8")
  // The copy of the query, 4 bytes a number, is never given back.
  const mended = text.replace("    delete[] I;\n", "    delete[] xq;\n    delete[] I;\n")
  if (mended === text) return "faiss-node could not be built: its source is not the one that this script knows"
  writeFileSync(source, mended)
  writeFileSync(join(work, "compatibility.h"), compatibility)
  const out = join(work, "faiss-node", "build", "Release")
  mkdirSync(out, { recursive: true })
  const flags = ["-std=c++17", "-O2", "-fPIC", "-shared", "-fopenmp", "-include", join(work, "compatibility.h")]
  const defines = ["-DNAPI_VERSION=8", "-DNODE_GYP_MODULE_NAME=faiss_node", "-DNODE_ADDON_API_CPP_EXCEPTIONS_ALL"]
  const includes = [join(work, "node-addon-api"), join(work, "node-api-headers", "include")].map((path) => `-I${path}`)
  const libraries = ["-lfaiss", "-lopenblas"]
  return run("g++", ...flags, ...defines, ...includes, source, "-o", join(out, "faiss-node.node"), ...libraries)
}

const put = (work: string, modules: string): void => {
  const [built, target] = [join(work, "faiss-node"), join(modules, "faiss-node")]
  if (existsSync(join(target, "package.json"))) {
    cpSync(join(built, "build"), join(target, "build"), { recursive: true })
    return
  }
  const nested = join(built, "node_modules")
  mkdirSync(nested)
  for (const name of ["bindings", "file-uri-to-path"]) renameSync(join(work, name), join(nested, name))
  rmSync(target, { recursive: true, force: true })
  renameSync(built, target)
}

if (import.meta.main) {
  const project = resolve(process.argv[2] ?? ".")
  const failed = build(project)
  console.log(failed ?? `faiss: ${createRequire(join(project, "package.json")).resolve("faiss-node")} loads`)
  if (failed !== undefined) process.exitCode = 1
}
