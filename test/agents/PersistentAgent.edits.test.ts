import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib"
import { NodeServices } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Codec, type DataAgent, PersistentAgent } from "dgents"
import { Deferred, Effect, Fiber, type FileSystem, Option, Schema, type Scope, Stream } from "effect"
import { tempDirectory } from "./file/faultyFs.ts"

const Settings = Schema.Struct({ model: Schema.String, limits: Schema.Struct({ tokens: Schema.Number }) })
const settings = (tokens: number) => ({ model: "m", limits: { tokens } })
type Agent = DataAgent.DataAgent<typeof Settings.Type>

const effect = <A, E>(
  name: string,
  test: (directory: string) => Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>
) => it.live(name, () => Effect.provide(Effect.flatMap(tempDirectory, test), NodeServices.layer))

const open = (path: string, options?: Partial<PersistentAgent.Options<typeof Settings.Type>>) =>
  PersistentAgent.make({ path, schema: Settings, ...options })

const opened = <A, E>(
  path: string,
  f: (agent: Agent) => Effect.Effect<A, E>,
  options?: Partial<PersistentAgent.Options<typeof Settings.Type>>
) => Effect.scoped(Effect.flatMap(open(path, options), f))

const edit = (path: string, from: string | RegExp, to: string) => {
  const before = readFileSync(path, "utf8")
  expect(before).toMatch(from)
  writeFileSync(path, before.replace(from, to))
}

/** What an editor that formats does. */
const format = (path: string, change: (file: Record<string, unknown>) => void) => {
  const file = JSON.parse(readFileSync(path, "utf8"))
  change(file)
  writeFileSync(path, JSON.stringify(file, null, 4))
}

effect("an edited file is StateCorrupt and says so, and is left as it is", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "settings.json")
    for (const sharing of ["process", "host"] as const) {
      yield* opened(path, (agent) => agent.save(settings(1)), { sharing })
      const good = readFileSync(path)
      edit(path, '"tokens": 1', '"tokens": 2')
      const edited = readFileSync(path)
      const error = yield* Effect.flip(opened(path, (agent) => agent.load, { sharing }))
      expect(error._tag).toBe("StateCorrupt")
      expect(error.message).toContain("does not match its checksum: it was edited by hand or damaged")
      expect(error.message).toContain('edits: "adopt"')
      expect(readFileSync(path)).toEqual(edited)
      writeFileSync(path, good)
    }
  })
)

for (const sharing of ["process", "host"] as const) {
  const options = { sharing, edits: "adopt" } as const

  effect(
    `shared by a ${sharing}: an edit that fits becomes a new revision at opening, and the file is whole again`,
    (dir) =>
      Effect.gen(function* () {
        const path = join(dir, "settings.json")
        yield* opened(path, (agent) => Effect.andThen(agent.save(settings(1)), agent.save(settings(-0))), options)
        chmodSync(path, 0o600)
        format(path, (file) => Object.assign(file, { state: { ...settings(-0), model: "edited" } }))
        edit(path, /"tokens": -?0/, '"tokens": -0')
        yield* opened(
          path,
          (agent) =>
            Effect.gen(function* () {
              expect(yield* agent.load).toStrictEqual({ model: "edited", limits: { tokens: -0 } })
              expect(Option.getOrThrow(yield* agent.current).revision).toBe(3)
            }),
          options
        )
        expect(statSync(path).mode & 0o777).toBe(0o600)
        // It is a file of ours again, also for those who do not adopt.
        yield* opened(path, (agent) => Effect.andThen(agent.load, agent.save(settings(4))), { sharing })
      })
  )

  effect(`shared by a ${sharing}: a file that somebody wrote from nothing is adopted whole`, (dir) =>
    Effect.gen(function* () {
      const path = join(dir, "settings.json")
      writeFileSync(path, JSON.stringify(settings(7)))
      expect((yield* Effect.flip(opened(path, (agent) => agent.load, { sharing }))).message).toContain('edits: "adopt"')
      yield* opened(path, (agent) => Effect.map(agent.load, (state) => expect(state).toEqual(settings(7))), options)
      const family = yield* PersistentAgent.family({ directory: join(dir, "f"), schema: Settings, ...options })
      writeFileSync(join(dir, "f", "a.json"), JSON.stringify(settings(8)))
      expect(yield* family.at("a").load).toEqual(settings(8))
      expect(yield* Stream.runCollect(family.keys())).toEqual(["a"])
    })
  )

  effect(
    `shared by a ${sharing}: an edit that does not fit is StateCorrupt, names the place, and stays for its author`,
    (dir) =>
      Effect.gen(function* () {
        const path = join(dir, "settings.json")
        const cases: ReadonlyArray<readonly [(good: string) => string, string]> = [
          [(good) => good.replace('"tokens": 1', '"tokens": "secret"'), '"limits.tokens"'],
          [(good) => good.replace('"tokens"', '"tokenz"'), '"limits.'],
          [() => '{"model": 1}', '"'],
          [(good) => good.replace('"tokens": 1', '"tokens": '), "damaged"],
          [(good) => good.slice(0, -10), "damaged"],
          [() => "", "empty"],
          [() => '{"dgents":{"format":9},"state":{}}', "newer"]
        ]
        yield* opened(path, (agent) => agent.save(settings(1)), options)
        const good = readFileSync(path, "utf8")
        for (const [change, says] of cases) {
          writeFileSync(path, change(good))
          const error = yield* Effect.flip(opened(path, (agent) => agent.load, options))
          expect(error._tag).toBe("StateCorrupt")
          expect(error.message).toContain(says)
          expect(error.message).not.toContain("secret")
          expect(readFileSync(path, "utf8")).toBe(change(good))
        }
      })
  )

  effect(
    `shared by a ${sharing}: what an edited header claims neither lowers a revision nor uses all of them up`,
    (dir) =>
      Effect.gen(function* () {
        const path = join(dir, "settings.json")
        const current = Effect.scoped(
          Effect.flatMap(open(path, { ...options, history: "full" }), (agent) =>
            Effect.flatMap(agent.current, Effect.fromOption)
          )
        )
        yield* opened(path, (agent) => Effect.andThen(agent.save(settings(1)), agent.delete), options)
        for (const claimed of [0, -3, 1.5, "x", 2 ** 52, 1]) {
          yield* opened(path, (agent) => agent.save(settings(1)), { ...options, history: "full" })
          const { revision } = yield* current
          format(path, (file) => Object.assign(file, { dgents: { format: 1, revision: claimed } }))
          expect((yield* current).revision).toBeGreaterThan(1)
          expect((yield* current).revision).toBeLessThan(1000)
          expect(revision).toBeGreaterThan(1)
        }
        format(path, (file) => Object.assign(file, { dgents: { format: 1, revision: 500 } }))
        expect((yield* current).revision).toBe(501)
      })
  )
}

effect(
  "shared by a host: each load notices an edit, changes tell of it, and the state before it is in the history",
  (dir) =>
    Effect.gen(function* () {
      const path = join(dir, "settings.json")
      const agent = yield* open(path, { sharing: "host", edits: "adopt", history: "full" })
      yield* agent.save(settings(1))
      yield* agent.save(settings(2))
      edit(path, '"tokens": 2', '"tokens": 33')
      expect(yield* agent.load).toEqual(settings(33))
      const history = yield* Stream.runCollect(agent.history())
      expect(history.map(({ revision, state }) => [revision, state.limits.tokens])).toEqual([
        [3, 33],
        [2, 2],
        [1, 1]
      ])
      const first = yield* Deferred.make<void>()
      const changes = Stream.tap(agent.changes, () => Deferred.succeed(first, undefined))
      const seen = yield* Effect.forkChild(Stream.runCollect(Stream.take(changes, 2)))
      yield* Deferred.await(first)
      edit(path, '"tokens": 33', '"tokens": 4')
      expect((yield* Fiber.join(seen)).map(({ revision }) => revision)).toEqual([3, 4])
    })
)

effect("codecs of text and of bytes are adopted too", (dir) =>
  Effect.gen(function* () {
    const Text = Schema.Struct({ text: Schema.String })
    const codecs: ReadonlyArray<Codec.Codec<typeof Text.Type>> = [
      {
        ...Codec.json(Text),
        format: "text",
        encode: ({ text }) => Effect.succeed(text),
        decode: (payload) => Effect.succeed({ text: String(payload) })
      },
      {
        ...Codec.json(Text),
        format: "bytes",
        encode: ({ text }) => Effect.succeed(new TextEncoder().encode(text)),
        decode: (payload) => Effect.succeed({ text: Buffer.from(payload).toString() })
      }
    ]
    for (const schema of codecs) {
      const path = join(dir, `${schema.format}.json`)
      const make = PersistentAgent.make({ path, schema, edits: "adopt" })
      yield* Effect.scoped(Effect.flatMap(make, (agent) => agent.save({ text: "one" })))
      format(path, (file) =>
        Object.assign(
          file,
          "stateText" in file ? { stateText: "two" } : { state64: Buffer.from("two").toString("base64") }
        )
      )
      expect(yield* Effect.scoped(Effect.flatMap(make, (agent) => agent.load))).toEqual({ text: "two" })
    }
  })
)

effect("a compressed file opens with the usual tools, and is read whatever the option says", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "settings.json")
    const large = { model: "m".repeat(100_000), limits: { tokens: 1 } }
    const decompress = { none: (bytes: Buffer) => bytes, gzip: gunzipSync, zstd: zstdDecompressSync } as const
    let before = large
    for (const sharing of ["process", "host"] as const) {
      for (const compression of ["gzip", "none", "zstd", "gzip"] as const) {
        const options = { sharing, compression, history: { bounded: 3 } } as const
        const next = { ...large, limits: { tokens: before.limits.tokens + 1 } }
        yield* opened(path, (agent) => agent.save(next), options)
        expect(JSON.parse(String(decompress[compression](readFileSync(path))))).toMatchObject({ state: next })
        if (compression !== "none") expect(statSync(path).size).toBeLessThan(5_000)
        yield* opened(path, (agent) => Effect.map(agent.load, (state) => expect(state).toEqual(next)), { sharing })
        before = next
      }
      const kept = yield* opened(path, (agent) => Stream.runCollect(agent.history()), {
        sharing,
        history: { bounded: 3 }
      })
      expect(kept.map(({ state }) => state.limits.tokens)).toEqual([0, 1, 2].map((n) => before.limits.tokens - n))
    }
    // An edited one is adopted as well.
    const plain = String(gunzipSync(readFileSync(path)))
    writeFileSync(path, gzipSync(plain.replace(/"tokens": \d+/, '"tokens": 77')))
    expect((yield* Effect.flip(opened(path, (agent) => agent.load))).message).toContain("edited by hand")
    expect((yield* opened(path, (agent) => agent.load, { edits: "adopt" })).limits.tokens).toBe(77)
  })
)

effect("a compressed file that is damaged or cut is StateCorrupt at every byte, or still the same state", (dir) =>
  Effect.gen(function* () {
    const path = join(dir, "settings.json")
    for (const compression of ["gzip", "zstd"] as const) {
      yield* opened(path, (agent) => agent.save(settings(1)), { compression })
      const good = readFileSync(path)
      for (let i = 0; i < good.length; i++) {
        const flipped = Buffer.from(good)
        flipped[i] = (flipped[i] ?? 0) ^ (1 << (i % 8))
        for (const bad of [flipped, good.subarray(0, i)]) {
          writeFileSync(path, bad)
          const found = yield* Effect.result(opened(path, (agent) => agent.load))
          // Bytes of the container that say when and where it was made decide nothing.
          if (found._tag === "Success") expect([bad.length, found.success]).toEqual([good.length, settings(1)])
          else expect(found.failure._tag).toBe("StateCorrupt")
        }
      }
      writeFileSync(path, good)
    }
  })
)
