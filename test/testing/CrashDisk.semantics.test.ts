/** The simulated disk answers as the real one does: that is what makes it worth running anything on it. */
import { NodeFileSystem } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { CrashDisk, SeededScheduler } from "dgents/testing"
import { Cause, Effect, Exit, FileSystem, Option, type PlatformError, Scope } from "effect"

/** A file system under test, and the files that the script has open on it. */
interface Side {
  readonly fs: FileSystem.FileSystem
  readonly root: string
  readonly scope: Scope.Scope
  readonly files: Array<FileSystem.File>
}

type Step = (side: Side) => Effect.Effect<unknown, PlatformError.PlatformError>

const bytes = (text: string) => new TextEncoder().encode(text)
const textOf = (data: Uint8Array) => Buffer.from(data).toString("latin1")

const plain = ["a", "b", "dir", "dir/a", "dir/sub", "dir/sub/b", "other", "link", "link/a", "../root/a", "a/x"]
const names = [...plain, "dir/.."]
const flags: ReadonlyArray<FileSystem.OpenFlag> = ["r", "r+", "w", "wx", "w+", "wx+", "a", "ax", "a+", "ax+"]

/** One random step, with what it is called. */
const step = (next: () => number): readonly [string, Step] => {
  const int = (n: number) => Math.floor(next() * n)
  const pick = <A>(list: ReadonlyArray<A>, or: A): A => list[int(list.length)] ?? or
  const name = pick(names, "a")
  const other = pick(plain, "b")
  // Node takes the `..` out of a path that is to be removed; Linux follows it.
  const gone = pick(plain, "b")
  const flag = pick(flags, "r")
  const text = "x".repeat(int(12)) + int(1_000)
  const n = int(20)
  const at = ({ root }: Side, to = name) => `${root}/${to}`
  const onFile =
    (use: (file: FileSystem.File) => Effect.Effect<unknown, PlatformError.PlatformError>): Step =>
    ({ files }) => {
      const file = files[n % Math.max(1, files.length)]
      return file === undefined ? Effect.void : use(file)
    }
  const info = (info: FileSystem.File.Info) => ({
    type: info.type,
    mode: info.mode,
    // A directory's size and links are the file system's own business.
    ...(info.type === "Directory" ? {} : { size: info.size, nlink: info.nlink })
  })
  const steps: ReadonlyArray<readonly [string, Step]> = [
    [`writeFile ${name} ${flag} ${text}`, (s) => s.fs.writeFile(at(s), bytes(text), { flag })],
    [`writeFileString ${name}`, (s) => s.fs.writeFileString(at(s), text)],
    [`readFile ${name}`, (s) => Effect.map(s.fs.readFile(at(s)), textOf)],
    [`readFileString ${name}`, (s) => s.fs.readFileString(at(s))],
    [`rename ${name} ${other}`, (s) => s.fs.rename(at(s), at(s, other))],
    [`rename ${name} ${other}`, (s) => s.fs.rename(at(s), at(s, other))],
    [`link ${name} ${other}`, (s) => s.fs.link(at(s), at(s, other))],
    [`symlink ${other} ${name}`, (s) => s.fs.symlink(other, at(s))],
    [`readLink ${name}`, (s) => s.fs.readLink(at(s))],
    [`remove ${gone}`, (s) => s.fs.remove(at(s, gone))],
    [`remove ${gone} force`, (s) => s.fs.remove(at(s, gone), { force: true })],
    [`remove ${gone} recursive`, (s) => s.fs.remove(at(s, gone), { recursive: true, force: n < 10 })],
    [`makeDirectory ${name}`, (s) => s.fs.makeDirectory(at(s), n < 5 ? { mode: 0o700 } : {})],
    [`makeDirectory ${name} recursive`, (s) => Effect.asVoid(s.fs.makeDirectory(at(s), { recursive: true }))],
    [`readDirectory ${name}`, (s) => Effect.map(s.fs.readDirectory(at(s)), (list) => list.sort())],
    [
      `readDirectory ${name} recursive`,
      (s) => Effect.map(s.fs.readDirectory(at(s), { recursive: true }), (list) => list.sort())
    ],
    [`stat ${name}`, (s) => Effect.map(s.fs.stat(at(s)), info)],
    [`lstat ${name}`, (s) => Effect.map(s.fs.lstat(at(s)), info)],
    [`exists ${name}`, (s) => s.fs.exists(at(s))],
    [`access ${name}`, (s) => s.fs.access(at(s), { readable: true })],
    [`chmod ${name}`, (s) => s.fs.chmod(at(s), 0o640)],
    [
      `utimes ${name}`,
      (s) =>
        Effect.andThen(
          s.fs.utimes(at(s), n, n),
          Effect.map(s.fs.stat(at(s)), ({ mtime }) => mtime)
        )
    ],
    [`truncate ${name} ${n}`, (s) => s.fs.truncate(at(s), n)],
    // Node's copyFile removes its target when the source is a directory, so that is left out.
    [
      `copyFile ${name} ${other}`,
      (s) =>
        Effect.flatMap(s.fs.stat(at(s)), ({ type }) =>
          type === "Directory" ? Effect.void : s.fs.copyFile(at(s), at(s, other))
        )
    ],
    [`realPath ${name}`, (s) => Effect.map(s.fs.realPath(at(s)), (path) => path.slice(s.root.length))],
    [
      `open ${name} ${flag}`,
      (s) => Effect.map(Scope.provide(s.fs.open(at(s), { flag, mode: 0o600 }), s.scope), (file) => s.files.push(file))
    ],
    [
      `open ${name} ${flag}`,
      (s) => Effect.map(Scope.provide(s.fs.open(at(s), { flag }), s.scope), (file) => s.files.push(file))
    ],
    [`file.write ${text}`, onFile((file) => file.write(bytes(text)))],
    [`file.writeAll ${text}`, onFile((file) => file.writeAll(bytes(text)))],
    [`file.readAlloc ${n}`, onFile((file) => Effect.map(file.readAlloc(n), Option.map(textOf)))],
    [`file.readAlloc ${n} at 2`, onFile((file) => Effect.map(file.readAlloc(n, { position: 2n }), Option.map(textOf)))],
    [
      `file.read ${n}`,
      onFile((file) => {
        const buffer = new Uint8Array(n)
        return Effect.map(file.read(buffer), (count) => [count, textOf(buffer)])
      })
    ],
    [`file.seek ${n}`, onFile((file) => file.seek(BigInt(n - 3), "start"))],
    [`file.seek current ${n}`, onFile((file) => file.seek(BigInt(n - 10), "current"))],
    [`file.truncate ${n}`, onFile((file) => file.truncate(n))],
    [`file.sync`, onFile((file) => file.sync)],
    [`file.stat`, onFile((file) => Effect.map(file.stat, info))]
  ]
  return pick(steps, ["nothing", () => Effect.void])
}

/** What a step came to, in a form in which both sides can be compared. */
const outcome = (exit: Exit.Exit<unknown, PlatformError.PlatformError>): unknown => {
  if (Exit.isSuccess(exit)) return { ok: exit.value }
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isNone(error)) return { died: String(Cause.squash(exit.cause)) }
  const { reason } = error.value
  if (reason._tag === "BadArgument") return { refused: reason.method }
  const { cause } = reason
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  // Node looks up a real path by several calls, and which of them fails is its own affair.
  const syscall = reason.method === "realPath" ? undefined : reason.syscall
  return { failed: reason._tag, method: reason.method, code, syscall }
}

/** All that lies in a directory, links unfollowed. */
const treeOf = (fs: FileSystem.FileSystem, path: string): Effect.Effect<unknown, PlatformError.PlatformError> =>
  Effect.flatMap(fs.readDirectory(path), (list) =>
    Effect.forEach(list.sort(), (name) => {
      const child = `${path}/${name}`
      return Effect.flatMap(fs.lstat(child), ({ mode, type }): Effect.Effect<unknown, PlatformError.PlatformError> => {
        const content =
          type === "Directory"
            ? treeOf(fs, child)
            : type === "File"
              ? Effect.map(fs.readFile(child), textOf)
              : fs.readLink(child)
        return Effect.map(content, (content) => ({ name, mode, content }))
      })
    })
  )

const compare = (seed: number, length: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const real = yield* FileSystem.FileSystem
      const directory = yield* real.makeTempDirectoryScoped({ prefix: "dgents-disk-" })
      yield* real.makeDirectory(`${directory}/root`)
      const disk = CrashDisk.make({ directories: ["/root"], permissions: false, yields: seed % 2 === 0 })
      const next = SeededScheduler.random(seed)
      const sides: ReadonlyArray<Side> = [
        { fs: real, root: `${directory}/root`, scope, files: [] },
        { fs: disk.fileSystem, root: "/root", scope, files: [] }
      ]
      const done: Array<string> = []
      let fine = 0
      for (let i = 0; i < length; i++) {
        const [name, run] = step(next)
        done.push(name)
        const [expected, actual] = yield* Effect.forEach(sides, (side) => Effect.map(Effect.exit(run(side)), outcome))
        expect({ done, outcome: actual }).toEqual({ done, outcome: expected })
        if (expected !== null && typeof expected === "object" && "ok" in expected) fine++
      }
      const [expected, actual] = yield* Effect.forEach(sides, ({ fs, root }) => treeOf(fs, root))
      expect({ done, tree: actual }).toEqual({ done, tree: expected })
      return fine
    })
  ).pipe(Effect.provide(NodeFileSystem.layer))

for (const part of [0, 1, 2, 3])
  it.effect(`random scripts come to the same on the real and on the simulated disk (${part})`, () =>
    Effect.gen(function* () {
      let fine = 0
      for (let seed = part * 100; seed < part * 100 + 100; seed++) fine += yield* compare(seed, 60)
      // Scripts in which everything fails would show little.
      expect(fine).toBeGreaterThan(1_500)
    })
  )
