import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { VectorAgent, VolatileAgent } from "dgents"
import { TransformersEmbedder } from "dgents/transformers"
import { Effect, Layer, Schema } from "effect"
import { tempDirectory } from "./engineConformance.ts"
import { writeModel } from "./tinyModel.ts"

const vectors = {
  "[PAD]": [9, 9, 9, 9],
  "[UNK]": [0, 0, 0, 1],
  cat: [1, 0, 0, 0],
  kitten: [0.8, 0.6, 0, 0],
  car: [0, 0, 1, 0]
}

const model = Effect.tap(tempDirectory, (directory) => Effect.sync(() => writeModel(directory, vectors)))

it.live("a model in a directory embeds texts of different lengths, each as if it were alone", () =>
  Effect.gen(function* () {
    const embedder = yield* TransformersEmbedder.make({ model: yield* model, offline: true, normalize: false })
    expect(embedder.dimension).toBe(4)
    const texts = ["cat", "Cat car", "kitten kitten unknown words", "car"]
    const expected = [
      [1, 0, 0, 0],
      [0.5, 0, 0.5, 0],
      [0.4, 0.3, 0, 0.5],
      [0, 0, 1, 0]
    ]
    expect(yield* embedder.embed(texts)).toEqual(expected.map((vector) => Float32Array.from(vector)))
    for (const [i, text] of texts.entries())
      expect(yield* embedder.embed([text])).toEqual([Float32Array.from(expected[i] ?? [])])
    expect(yield* embedder.embed(["cat ".repeat(1000)])).toEqual([Float32Array.of(1, 0, 0, 0)])
  })
)

it.live("pooling and length are as asked for, and part of the identity that memories are checked by", () =>
  Effect.gen(function* () {
    const directory = yield* model
    const of = (options: Partial<TransformersEmbedder.Options>) =>
      TransformersEmbedder.make({ model: directory, offline: true, ...options })
    const first = yield* of({ pooling: "cls", normalize: false })
    expect(yield* first.embed(["kitten car"])).toEqual([Float32Array.of(0.8, 0.6, 0, 0)])
    const unit = yield* of({})
    const [vector] = yield* unit.embed(["cat car"])
    expect(Math.hypot(...(vector ?? []))).toBeCloseTo(1, 6)
    expect(first.identity).toBe(`${directory}@main fp32 cls`)
    expect(unit.identity).toBe(`${directory}@main fp32 mean normalized`)
    expect((yield* of({ identity: "mine" })).identity).toBe("mine")
  })
)

it.live("a memory finds what a local model takes to be near, with many texts at once", () =>
  Effect.gen(function* () {
    const embedder = yield* Layer.build(TransformersEmbedder.layer({ model: yield* model, offline: true }))
    const memory = yield* VectorAgent.make({
      name: "notes",
      schema: Schema.String,
      text: (text) => text,
      items: (schema) => VolatileAgent.family({ name: "notes", schema })
    }).pipe(Effect.provide(embedder))
    yield* Effect.forEach(["cat", "car", "unknown"], (text) => memory.add(text, text), { concurrency: "unbounded" })
    yield* memory.addMany(Array.from({ length: 50 }, (_, i) => [`n${i}`, `car ${i}`]))
    expect((yield* memory.search({ text: "kitten", k: 1 }))[0]?.id).toBe("cat")
    expect(yield* memory.size).toBe(53)
  })
)

it.live("the event loop turns while a model computes", () =>
  Effect.gen(function* () {
    const embedder = yield* TransformersEmbedder.make({ model: yield* model, offline: true })
    let turns = 0
    const timer = setInterval(() => turns++, 0)
    yield* embedder.embed(Array.from({ length: 5000 }, () => "cat ".repeat(16)))
    clearInterval(timer)
    expect(turns).toBeGreaterThan(5)
  })
)

it.live("a model that is not there or cannot be read is a typed failure of opening, and says which", () =>
  Effect.gen(function* () {
    const missing = yield* Effect.flip(TransformersEmbedder.make({ model: "/nowhere/model", offline: true }))
    expect(missing).toMatchObject({ _tag: "StorageUnavailable", retryable: false })
    expect(missing.message).toContain('the model "/nowhere/model" cannot be loaded')
    const directory = yield* model
    writeFileSync(join(directory, "onnx/model.onnx"), "no model")
    const damaged = yield* Effect.flip(TransformersEmbedder.make({ model: directory, offline: true }))
    expect(damaged.message).toContain("cannot be loaded")
    // @ts-expect-error: there is no such pooling
    const wrong = yield* Effect.flip(TransformersEmbedder.make({ model: directory, pooling: "max" }))
    expect(wrong.message).toContain("the option pooling")
  })
)

it.live("after the scope has closed, embedding fails and no thread is left", () =>
  Effect.gen(function* () {
    const directory = yield* model
    const embedder = yield* Effect.scoped(TransformersEmbedder.make({ model: directory, offline: true }))
    expect((yield* Effect.flip(embedder.embed(["cat"])))._tag).toBe("EmbeddingFailed")
  })
)

it.effect("without the package, opening says in one sentence what to install", () =>
  Effect.gen(function* () {
    const directory = yield* tempDirectory
    writeFileSync(
      join(directory, "without.mjs"),
      `import { registerHooks } from "node:module"
      registerHooks({
        resolve(specifier, context, next) {
          if (specifier !== "@huggingface/transformers") return next(specifier, context)
          const message = "Cannot find package '@huggingface/transformers'"
          throw Object.assign(new Error(message), { code: "ERR_MODULE_NOT_FOUND" })
        }
      })`
    )
    writeFileSync(
      join(directory, "program.mjs"),
      `import { Effect } from ${JSON.stringify(import.meta.resolve("effect"))}
      import { TransformersEmbedder } from ${JSON.stringify(import.meta.resolve("dgents/transformers"))}
      const error = await Effect.runPromise(Effect.flip(Effect.scoped(TransformersEmbedder.make({ model: "/nowhere" }))))
      console.log(error._tag, error.message)`
    )
    // Threads get the same arguments, and so the same hook.
    const args = ["--conditions=@dgents/source", "--import", "./without.mjs", "program.mjs"]
    const { stderr, stdout } = spawnSync(process.execPath, args, { cwd: directory, encoding: "utf8" })
    expect(stderr).toBe("")
    expect(stdout).toContain("StorageUnavailable")
    expect(stdout).toContain('the package "@huggingface/transformers" is not installed; run `npm install')
  })
)
