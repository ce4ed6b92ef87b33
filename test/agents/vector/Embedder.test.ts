import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, it } from "@effect/vitest"
import { Embedder, VectorAgent, VolatileAgent } from "dgents"
import { Effect, Layer, Schema } from "effect"
import { AiError, EmbeddingModel } from "effect/ai"
import { embedAll } from "../../../src/agents/vector/embedding.ts"
import { embed } from "../../../src/agents/vector/lexical.ts"

const sentences = {
  deploy: "To deploy a release, tag the commit and wait until the pipeline has pushed the image to the registry.",
  rollback: "If error rates rise after a release, roll back by pointing the service at the previous image.",
  backup: "The database is backed up every night, and a restore is rehearsed on the first Monday of the month.",
  password: "A forgotten password is reset by mail; the link is valid for one hour and can be used once.",
  invoice: "Invoices are sent on the last working day of the month and are due within thirty days.",
  refund: "Customers may return goods within fourteen days and receive a full refund to the same card.",
  holiday: "Every employee has thirty days of paid holiday; requests go to the team lead two weeks before.",
  sick: "Whoever is ill calls in before nine and brings a doctor's certificate from the third day on.",
  travel: "Train journeys over four hours may be booked in first class, flights always in economy.",
  expenses: "Receipts for travel expenses are uploaded within a month; meals are reimbursed up to a fixed rate.",
  laptop: "New colleagues choose between two laptops, and get a monitor, a keyboard and a headset.",
  vpn: "The VPN client is preinstalled; outside the office all internal tools need it.",
  wifi: "Guests use the wireless network of the lobby, whose key is printed on the visitor badge.",
  parking: "The garage has forty parking spaces, six of them with a charging station for electric cars.",
  coffee: "The espresso machine is descaled every Friday; beans are in the cupboard above the sink.",
  plants: "The fern by the window wants water twice a week, the cactus hardly any.",
  fire: "When the alarm sounds, leave by the nearest stairs and gather at the fountain across the street.",
  bees: "Honey bees dance to tell the hive in which direction and how far away the flowers are.",
  moon: "The Moon moves away from the Earth by almost four centimetres a year.",
  volcano: "Magma that holds much dissolved gas erupts explosively and builds steep volcanic cones.",
  bread: "Sourdough rises slowly: feed the starter in the evening and bake the loaf in the morning.",
  chess: "In the endgame the king becomes a strong piece and belongs in the centre of the board.",
  sailing: "Close to the wind a sailing boat heels over, and the crew sits on the high side.",
  piano: "A piano is tuned twice a year, since humidity changes the tension of its strings.",
  vaccine: "The vaccine is stored between two and eight degrees and must not be frozen.",
  german: "Die Straßenbahn fährt an Feiertagen nur alle dreißig Minuten.",
  french: "Le musée est fermé le mardi et gratuit le premier dimanche du mois.",
  russian: "Поезд отправляется с третьего пути в семь часов утра.",
  japanese: "東京の図書館は月曜日に休館します。",
  hindi: "दिल्ली में बारिश के मौसम में सड़कें भर जाती हैं।"
} as const

const questions: ReadonlyArray<readonly [keyof typeof sentences, string]> = [
  ["deploy", "deploying a release with a tag"],
  ["rollback", "how do I roll back to the previous image?"],
  ["backup", "database backups and restoring"],
  ["password", "I forgot my password"],
  ["invoice", "when is an invoice due"],
  ["refund", "can customers get refunds for returned goods?"],
  ["holiday", "how many holidays does an employee have"],
  ["expenses", "where do I upload my receipts"],
  ["wifi", "wireless key for guests"],
  ["parking", "charge an electric car in the garage"],
  ["coffee", "ESPRESSO MACHINE"],
  ["volcano", "volcanoes erupting"],
  ["bread", "when to bake the sourdough"],
  ["chess", "king in the endgame"],
  ["piano", "how often are pianos tuned"],
  ["vaccine", "storing vaccines, frozen?"],
  ["german", "Fahren Straßenbahnen an einem Feiertag?"],
  ["french", "les musées du dimanche"],
  ["russian", "во сколько поезда отправляются"],
  ["japanese", "図書館の休館日"],
  ["hindi", "बारिश में सड़क"]
]

it.effect("the lexical embedder finds the passage that shares words and parts of words with the question", () =>
  Effect.gen(function* () {
    const memory = yield* VectorAgent.make({
      name: "handbook",
      schema: Schema.String,
      text: (text) => text,
      items: (schema) => VolatileAgent.family({ name: "handbook", schema })
    })
    yield* memory.addMany(Object.entries(sentences))
    const wrong: Array<string> = []
    for (const [id, text] of questions) {
      const [best] = yield* memory.search({ text, k: 1 })
      if (best?.id !== id) wrong.push(`${text} -> ${best?.id}`)
    }
    expect(wrong).toEqual([])
  }).pipe(Effect.provide(Embedder.layerLexical()))
)

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)
const similarity = (a: string, b: string, dimension = 4096) => dot(embed(a, dimension), embed(b, dimension))

it("case, width and composed or decomposed letters do not matter", () => {
  expect(embed("Café ＦＵＬＬ ﬁne", 64)).toEqual(embed("CAFE\u0301 full FINE", 64))
  expect(similarity("the deployment of it", "deployments")).toBeGreaterThan(0.4)
  expect(similarity("deploy", "deployment")).toBeGreaterThan(0.25)
  expect(Math.abs(similarity("deployment", "volcano"))).toBeLessThan(0.1)
  expect(similarity("what is the coffee", "coffee")).toBeGreaterThan(
    similarity("what is the coffee", "what is the time")
  )
})

it("a vector has length 1, or is zero for a text without letters and digits", () => {
  for (const text of Object.values(sentences)) expect(dot(embed(text, 384), embed(text, 384))).toBeCloseTo(1, 5)
  for (const text of ["", "...", "🙂 — !?"]) expect(embed(text, 384)).toEqual(new Float32Array(384))
  expect(embed("one", 1)).toHaveLength(1)
  expect(embed("\ud800 lone", 8).every(Number.isFinite)).toBe(true)
})

it("another process makes the same vectors", async () => {
  const module = fileURLToPath(new URL("../../../src/agents/vector/lexical.ts", import.meta.url))
  const script = `import { embed } from ${JSON.stringify(module)}
    const texts = JSON.parse(process.argv[1])
    console.log(JSON.stringify(texts.map((text) => [...embed(text, 384)])))`
  const texts = Object.values(sentences)
  const args = ["--input-type=module", "--eval", script, JSON.stringify(texts)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  expect(JSON.parse(stdout)).toEqual(texts.map((text) => [...embed(text, 384)]))
})

it("the vectors are those that memories already hold", () => {
  // A change here strands every memory made with the built-in embedder: it needs a new identity.
  expect(Embedder.lexical().identity).toBe("dgents/lexical-1")
  expect([...embed("To deploy a release, 東京", 8)].map((x) => Number(x.toFixed(4)))).toMatchInlineSnapshot(`
    [
      -0.4906,
      0.4489,
      0.4513,
      0,
      -0.2453,
      0.4673,
      0.1443,
      -0.2343,
    ]
  `)
})

it.effect("texts are embedded in batches, in their order, with other fibers in between", () =>
  Effect.gen(function* () {
    const sizes: Array<number> = []
    const embedder = Embedder.fromFunction({
      identity: "lengths",
      dimension: 1,
      batchSize: 10,
      embed: (texts) => {
        sizes.push(texts.length)
        return Effect.as(
          Effect.yieldNow,
          texts.map((text) => [Number(text)])
        )
      }
    })
    const vectors = yield* embedAll(
      embedder,
      Array.from({ length: 95 }, (_, i) => String(i))
    )
    expect(vectors.map(([x]) => x)).toEqual(Array.from({ length: 95 }, (_, i) => i))
    expect(sizes).toEqual([...Array.from({ length: 9 }, () => 10), 5])
    expect(yield* embedAll(embedder, [])).toEqual([])
    expect(sizes).toHaveLength(10)
  })
)

it.effect("an EmbeddingModel of Effect serves as the embedder, its errors with the cause", () =>
  Effect.gen(function* () {
    let online = true
    const model = Layer.effect(
      EmbeddingModel.EmbeddingModel,
      EmbeddingModel.make({
        embedMany: ({ inputs }) =>
          online
            ? Effect.succeed({
                results: inputs.map((text) => [...embed(text, 16)]),
                usage: { inputTokens: undefined }
              })
            : Effect.fail(
                AiError.make({
                  module: "Test",
                  method: "embedMany",
                  reason: new AiError.InternalProviderError({ description: "overloaded" })
                })
              )
      })
    )
    const embedder = Embedder.layerEmbeddingModel({ identity: "test/model-1", dimension: 16 })
    const memory = yield* VectorAgent.make({
      name: "notes",
      schema: Schema.String,
      text: (text) => text,
      items: (schema) => VolatileAgent.family({ name: "notes", schema })
    }).pipe(Effect.provide(Layer.provide(embedder, model)))
    yield* memory.add("a", sentences.deploy)
    expect((yield* memory.search({ text: sentences.deploy }))[0]?.score).toBeCloseTo(1, 5)
    expect(memory.settings.embedder).toBe("test/model-1")
    online = false
    const error = yield* Effect.flip(memory.search({ text: "x" }))
    expect(error).toMatchObject({ _tag: "EmbeddingFailed", embedder: "test/model-1", retryable: true })
    expect(error.message).toContain("overloaded")
  })
)
