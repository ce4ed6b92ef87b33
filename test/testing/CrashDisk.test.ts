/** What a crash may leave behind, and what it must not. */
import { expect, it } from "@effect/vitest"
import { CrashDisk } from "dgents/testing"
import { Effect, FileSystem, type PlatformError, type Scope } from "effect"

const bytes = (text: string) => new TextEncoder().encode(text)

type Work = Effect.Effect<unknown, PlatformError.PlatformError, FileSystem.FileSystem | Scope.Scope>

const on = (disk: CrashDisk.CrashDisk, work: Work) =>
  Effect.scoped(Effect.provideService(work, FileSystem.FileSystem, disk.fileSystem))

const io = <A>(use: (fs: FileSystem.FileSystem) => Effect.Effect<A, PlatformError.PlatformError, Scope.Scope>) =>
  Effect.flatMap(FileSystem.FileSystem, use)

const write = (path: string, text: string, flag: FileSystem.OpenFlag = "w") =>
  io((fs) => fs.writeFile(path, bytes(text), { flag }))
const sync = (path: string) => io((fs) => Effect.flatMap(fs.open(path), (file) => file.sync))
const rename = (from: string, to: string) => io((fs) => fs.rename(from, to))
const remove = (path: string) => io((fs) => fs.remove(path))

/** A disk as one line: files with their text, directories with a slash. */
const show = (disk: CrashDisk.CrashDisk): string =>
  [...disk.tree]
    .filter(([path]) => path.startsWith("/d/") && path !== "/d/")
    .map(([path, data]) => {
      const text = data === undefined ? undefined : Buffer.from(data).toString("latin1").replaceAll("\0", "0")
      const shown = text?.replaceAll(/[^ -~]/g, "?")
      return shown === undefined ? path.slice(3) : `${path.slice(3)}=${shown}`
    })
    .join(" ")

/** The disks that a crash at the end of some work may leave behind, after what was there durably before. */
const after = (before: Work, work: Work, blockSize = 4) =>
  Effect.gen(function* () {
    const disk = CrashDisk.make({ directories: ["/d", "/d/sub"] })
    yield* on(disk, before)
    for (const path of ["/d", "/d/sub"]) yield* on(disk, sync(path))
    yield* on(disk, work)
    const of = (model: CrashDisk.Model) =>
      [...disk.crashPoints(disk.length)].flatMap((point) =>
        [...point.images(model, { blockSize })].map((image) => show(CrashDisk.fromImage(image)))
      )
    return { process: of("process"), ordered: of("ordered").sort(), posix: of("posix").sort(), disk }
  })

const then = (...work: ReadonlyArray<Work>): Work => Effect.forEach(work, (each) => each, { discard: true })

it.effect("a kill takes nothing that was done", () =>
  Effect.gen(function* () {
    const left = yield* after(Effect.void, then(write("/d/a", "new"), rename("/d/a", "/d/b"), write("/d/c", "x")))
    expect(left.process).toEqual(["b=new c=x sub/"])
  })
)

it.effect("a write that a kill cuts short is there up to a block", () =>
  Effect.gen(function* () {
    const disk = CrashDisk.make({ directories: ["/d"] })
    yield* on(disk, write("/d/a", "0123456789"))
    const images = [...disk.crashPoints(1, 1)].flatMap((point) => [...point.images("process", { blockSize: 4 })])
    expect(images.map((image) => show(CrashDisk.fromImage(image)))).toEqual(["a=", "a=0123", "a=01234567"])
    expect(images.at(-1)?.lost).toEqual(["the next write was cut short after 8 of 10 bytes"])
  })
)

it.effect("a file whose name was made durable may have lost its data, or have anything in place of it", () =>
  Effect.gen(function* () {
    const left = yield* after(Effect.void, then(write("/d/a", "0123456789"), sync("/d")))
    expect(left.posix).toEqual([
      "a= sub/",
      "a=0000000000 sub/",
      "a=0000456789 sub/",
      "a=0123 sub/",
      "a=01234567 sub/",
      "a=0123456700 sub/",
      "a=0123456789 sub/",
      "a=?????????? sub/"
    ])
    expect(left.ordered).toEqual(left.posix)
  })
)

it.effect("a file whose data were made durable may have lost its name, and nothing else", () =>
  Effect.gen(function* () {
    const left = yield* after(Effect.void, then(write("/d/a", "0123456789"), sync("/d/a")))
    expect(left.posix).toEqual(["a=0123456789 sub/", "sub/"])
  })
)

it.effect("what was made durable stays, whatever follows", () =>
  Effect.gen(function* () {
    const left = yield* after(
      then(write("/d/a", "01234567"), sync("/d/a")),
      then(write("/d/a", "89", "a"), write("/d/b", "x"))
    )
    for (const image of left.posix) expect(image).toMatch(/^a=01234567/)
    expect(new Set(left.posix.map((image) => image.split(" ")[0]))).toEqual(
      new Set(["a=01234567", "a=0123456789", "a=0123456700", "a=01234567??"])
    )
  })
)

it.effect("a rename over a file leaves the old one or the new one under the name, never none", () =>
  Effect.gen(function* () {
    const left = yield* after(
      then(write("/d/a", "old"), sync("/d/a")),
      then(write("/d/t", "new"), sync("/d/t"), rename("/d/t", "/d/a"))
    )
    expect(left.ordered).toEqual(["a=new sub/", "a=old sub/", "a=old sub/ t=new"])
    // The new name without the end of the old one is what a file system may do that does not journal its names.
    expect(left.posix).toEqual(["a=new sub/", "a=new sub/ t=new", "a=old sub/", "a=old sub/ t=new"])
  })
)

it.effect("in order, a later name is not there without the earlier ones; in any other way it may be", () =>
  Effect.gen(function* () {
    const make = (name: string) => then(write(`/d/${name}`, name), sync(`/d/${name}`))
    const left = yield* after(Effect.void, then(make("a"), make("b"), make("c")))
    expect(left.ordered).toEqual(["a=a b=b c=c sub/", "a=a b=b sub/", "a=a sub/", "sub/"])
    expect(left.posix.length).toBe(8)
    expect(left.posix).toContain("c=c sub/")
  })
)

it.effect("an fsync of one directory makes nothing in another one durable", () =>
  Effect.gen(function* () {
    const left = yield* after(then(write("/d/a", "x"), sync("/d/a")), then(rename("/d/a", "/d/sub/b"), sync("/d/sub")))
    // Both names, since the end of the old one is pending.
    expect(left.posix).toEqual(["a=x sub/ sub/b=x", "sub/ sub/b=x"])
  })
)

it.effect("what is in a new directory cannot be reached unless the directory's own name is durable", () =>
  Effect.gen(function* () {
    const left = yield* after(
      Effect.void,
      then(
        io((fs) => fs.makeDirectory("/d/new")),
        write("/d/new/a", "x"),
        sync("/d/new/a"),
        sync("/d/new")
      )
    )
    expect(left.posix).toEqual(["new/ new/a=x sub/", "sub/"])
  })
)

it.effect("a removal that was not made durable may come undone, with the data and other names of the file", () =>
  Effect.gen(function* () {
    const left = yield* after(
      then(write("/d/a", "x"), sync("/d/a")),
      then(
        io((fs) => fs.link("/d/a", "/d/sub/b")),
        sync("/d/sub"),
        remove("/d/a")
      )
    )
    expect(left.posix).toEqual(["a=x sub/ sub/b=x", "sub/ sub/b=x"])
  })
)

it.effect("a truncation is pending like a write", () =>
  Effect.gen(function* () {
    const left = yield* after(
      then(write("/d/a", "01234567"), sync("/d/a")),
      io((fs) => fs.truncate("/d/a", 2))
    )
    expect(left.posix).toEqual(["a=01 sub/", "a=01234567 sub/"])
  })
)

it.effect("too many disks are sampled: the same ones for the same seed, with nothing and everything among them", () =>
  Effect.gen(function* () {
    const many = Array.from({ length: 12 }, (_, i) => write(`/d/${i}`, "0123456789"))
    const { disk } = yield* after(Effect.void, then(...many))
    const sample = (seed: number) =>
      [...disk.crashPoints(disk.length)].flatMap((point) =>
        [...point.images("posix", { limit: 300, seed })].map(({ key }) => key)
      )
    const keys = sample(1)
    expect(keys.length).toBe(300)
    expect(new Set(keys).size).toBe(300)
    expect(sample(1).join() === keys.join()).toBe(true)
    expect(sample(2).join() === keys.join()).toBe(false)
  })
)

it.effect("after a kill the next process sees all, and a power cut may still take it", () =>
  Effect.gen(function* () {
    const { disk } = yield* after(Effect.void, then(write("/d/a", "x"), sync("/d/a")))
    for (const point of disk.crashPoints(disk.length)) {
      const next = CrashDisk.resume(point)
      expect(show(next)).toBe("a=x sub/")
      const cut = (of: CrashDisk.CrashDisk) =>
        [...of.crashPoints(of.length)].flatMap((point) =>
          [...point.images("posix")].map((image) => show(CrashDisk.fromImage(image)))
        )
      expect(cut(next).sort()).toEqual(["a=x sub/", "sub/"])
      yield* on(next, sync("/d"))
      expect(cut(next)).toEqual(["a=x sub/"])
    }
  })
)

it.effect("a disk made from an image begins a new journal, and does not touch the image", () =>
  Effect.gen(function* () {
    const { disk } = yield* after(Effect.void, then(write("/d/a", "x"), sync("/d/a")))
    const images = [...disk.crashPoints(disk.length)].flatMap((point) => [...point.images("posix")])
    const [image] = images
    if (image === undefined) return expect(images).not.toEqual([])
    const one = CrashDisk.fromImage(image)
    expect(one.length).toBe(0)
    yield* on(one, then(write("/d/b", "new"), write("/d/a", "changed")))
    expect(show(one)).toBe("a=changed b=new sub/")
    expect(show(CrashDisk.fromImage(image))).toBe("a=x sub/")
    expect(show(disk)).toBe("a=x sub/")
  })
)

it.effect("a crash is told in words", () =>
  Effect.gen(function* () {
    const disk = CrashDisk.make({ directories: ["/d"] })
    yield* on(disk, then(write("/d/t", "x"), rename("/d/t", "/d/a"), sync("/d")))
    expect([...disk.crashPoints()].map((point) => point.describe)).toEqual([
      "at the start, before `create /d/t`",
      "after `create /d/t`, before `write 1 bytes at 0 of /d/t`",
      "after `write 1 bytes at 0 of /d/t`, before `rename /d/t -> /d/a`",
      "after `rename /d/t -> /d/a`, before `fsync directory /d`",
      "after `fsync directory /d`, at the end"
    ])
    const lost = [...disk.crashPoints(3, 3)].flatMap((point) => [...point.images("posix")].map(({ lost }) => lost))
    expect(lost).toContainEqual(["`rename /d/t -> /d/a`"])
    expect(lost).toContainEqual(["the old name is still there (`rename /d/t -> /d/a`)"])
    expect(lost).toContainEqual(["data of /d/a: its changes lost"])
  })
)
