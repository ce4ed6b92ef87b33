import { Effect, type FileSystem, type PlatformError } from "effect"

/** How many files, links and directories there are below a directory; none when it does not exist. */
export const countFiles = (
  fs: FileSystem.FileSystem,
  directory: string
): Effect.Effect<number, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (!(yield* fs.exists(directory))) return 0
    let count = 0
    for (const name of yield* fs.readDirectory(directory)) {
      const path = `${directory.replace(/\/$/, "")}/${name}`
      count++
      const { type } = yield* fs.stat(path)
      if (type === "Directory") count += yield* countFiles(fs, path)
    }
    return count
  })
