/**
 * Sees to it that the servers which the tests start are installed: on Debian as root by installing them, elsewhere by saying in one
 * sentence what to do.
 *
 *     npm run servers
 */
import { spawnSync } from "node:child_process"
import { existsSync, globSync } from "node:fs"
import { delimiter, join } from "node:path"

interface Needed {
  readonly name: string
  readonly isThere: () => boolean
  /** Names a server that is there already. */
  readonly variable: string
  readonly debian: string
}

const onPath = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((directory) => existsSync(join(directory, program)))

const needed: ReadonlyArray<Needed> = [
  {
    name: "PostgreSQL",
    isThere: () => onPath("postgres") || globSync("/usr/lib/postgresql/*/bin/postgres").length > 0,
    variable: "DATABASE_URL",
    debian: "postgresql"
  },
  { name: "Redis", isThere: () => onPath("redis-server"), variable: "REDIS_URL", debian: "redis-server" }
]

const run = (program: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(program, args, {
    stdio: ["ignore", "ignore", "inherit"],
    // Packages start their servers when they are installed, unless they find themselves in a system that is not running.
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" }
  }).status === 0

/** What is missing and could not be installed, each in a sentence; empty when all is there. */
export const missingServers = (): ReadonlyArray<string> => {
  const missing = needed.filter(({ isThere, variable }) => process.env[variable] === undefined && !isThere())
  if (missing.length === 0) return []
  const packages = missing.map(({ debian }) => debian)
  if (process.getuid?.() === 0 && onPath("apt-get")) {
    console.log(`installing ${packages.join(" and ")}`)
    if (run("apt-get", "update") && run("apt-get", "install", "-y", "--no-install-recommends", ...packages)) return []
  }
  return missing.map(
    ({ debian, name, variable }) =>
      `${name} is not installed: install it (Debian: apt-get install ${debian}), or name a server in ${variable}.`
  )
}

if (import.meta.main) {
  const missing = missingServers()
  for (const sentence of missing) console.error(sentence)
  process.exitCode = missing.length === 0 ? 0 : 1
}
