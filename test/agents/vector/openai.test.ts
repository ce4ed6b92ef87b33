import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { inspect } from "node:util"
import { expect, it } from "@effect/vitest"
import { VectorAgent, VectorError, VolatileAgent } from "dgents"
import { OpenAiEmbedder } from "dgents/openai"
import { Duration, Effect, Layer, Redacted, Schedule, Schema } from "effect"
import { FetchHttpClient } from "effect/http"

interface Asked {
  readonly path: string | undefined
  readonly authorization: string | undefined
  readonly body: { readonly model: string; readonly input: ReadonlyArray<string>; readonly dimensions?: number }
}

type Answer = (asked: Asked, response: ServerResponse, nth: number) => void

const read = async (request: IncomingMessage): Promise<Asked> => {
  let text = ""
  for await (const chunk of request) text += chunk
  return { path: request.url, authorization: request.headers.authorization, body: JSON.parse(text) }
}

/** An endpoint on this machine, and what it was asked. */
const serve = (answer: Answer) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly url: string; readonly asked: Array<Asked>; readonly close: () => void }>((resume) => {
        const asked: Array<Asked> = []
        const server = createServer(async (request, response) => {
          const one = await read(request)
          asked.push(one)
          answer(one, response, asked.length)
        })
        server.listen(0, "127.0.0.1", () => {
          // Sound: a server that listens on a port has such an address.
          const { port } = server.address() as AddressInfo
          const close = () => {
            server.closeAllConnections()
            server.close()
          }
          resume(Effect.succeed({ url: `http://127.0.0.1:${port}/v1`, asked, close }))
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ asked, url }) => ({ asked, url })
  )

const vectorOf = (text: string) => [text.length, text.charCodeAt(0)]

/** In another order than asked, as the form allows. */
const embeddings: Answer = ({ body }, response) => {
  const data = body.input.map((text, index) => ({ object: "embedding", index, embedding: vectorOf(text) }))
  response.setHeader("content-type", "application/json")
  response.end(JSON.stringify({ object: "list", data: data.reverse(), model: body.model, usage: {} }))
}

const refuse =
  (status: number, headers: Record<string, string> = {}, body = "{}"): Answer =>
  (_asked, response) => {
    response.writeHead(status, headers)
    response.end(body)
  }

const soon = { schedule: Schedule.recurs(3) }
const make = (options: Partial<OpenAiEmbedder.Options> & { readonly url: string }) =>
  Effect.provide(OpenAiEmbedder.make({ model: "m", dimension: 2, retry: soon, ...options }), FetchHttpClient.layer)

it.live("texts are embedded in their order, by the model and with the key that were given", () =>
  Effect.gen(function* () {
    const { asked, url } = yield* serve(embeddings)
    const embedder = yield* make({ url: `${url}/`, key: Redacted.make("secret") })
    expect(yield* embedder.embed(["a", "bbb", "cc"])).toEqual(["a", "bbb", "cc"].map(vectorOf))
    expect(asked).toEqual([
      { path: "/v1/embeddings", authorization: "Bearer secret", body: { model: "m", input: ["a", "bbb", "cc"] } }
    ])
    expect(embedder).toMatchObject({ identity: "m", dimension: 2 })
    yield* (yield* make({ url, shorten: true })).embed(["a"])
    expect(asked[1]).toMatchObject({ authorization: undefined, body: { dimensions: 2 } })
  })
)

it.live("a memory embeds through an endpoint, in batches", () =>
  Effect.gen(function* () {
    const { asked, url } = yield* serve(embeddings)
    const embedder = OpenAiEmbedder.layer({ model: "m", dimension: 2, url, batchSize: 4, retry: false })
    const memory = yield* VectorAgent.make({
      name: "notes",
      schema: Schema.String,
      text: (text) => text,
      items: (schema) => VolatileAgent.family({ name: "notes", schema })
    }).pipe(Effect.provide(Layer.provide(embedder, FetchHttpClient.layer)))
    yield* memory.addMany(Array.from({ length: 10 }, (_, i) => [`n${i}`, "x".repeat(i + 1)]))
    expect(asked.map(({ body }) => body.input.length).sort()).toEqual([2, 4, 4])
    expect((yield* memory.search({ text: "xxx", k: 1 }))[0]?.id).toBe("n2")
  })
)

it.live("what is limited or overloaded is asked again, what is refused is not", () =>
  Effect.gen(function* () {
    for (const status of [408, 429, 500, 503]) {
      const { asked, url } = yield* serve((one, response, nth) =>
        (nth < 3 ? refuse(status) : embeddings)(one, response, nth)
      )
      expect(yield* (yield* make({ url })).embed(["a"])).toEqual([vectorOf("a")])
      expect(asked).toHaveLength(3)
    }
    for (const [status, advice] of [
      [400, "longer than the model takes"],
      [401, "another key"],
      [404, "the options url and model"],
      [418, "status 418"]
    ] as const) {
      const { asked, url } = yield* serve(refuse(status))
      const error = yield* Effect.flip((yield* make({ url })).embed(["a"]))
      expect(error).toMatchObject({ _tag: "EmbeddingFailed", embedder: "m", retryable: false })
      expect(error.message).toContain(advice)
      expect(asked).toHaveLength(1)
    }
    const always = yield* serve(refuse(503))
    expect(yield* Effect.flip((yield* make({ url: always.url })).embed(["a"]))).toMatchObject({ retryable: true })
    expect(always.asked).toHaveLength(4)
    const never = yield* serve(refuse(503))
    yield* Effect.flip((yield* make({ url: never.url, retry: false })).embed(["a"]))
    expect(never.asked).toHaveLength(1)
  })
)

it.live("a server that says when to come back is not asked before", () =>
  Effect.gen(function* () {
    const waits = { "7": 7, "0.2": 0.2, [new Date(Date.now() + 3_600_000).toUTCString()]: 3600, "no date": undefined }
    for (const [value, seconds] of Object.entries(waits)) {
      const { url } = yield* serve(refuse(429, { "retry-after": value }))
      const { retryAfter } = yield* Effect.flip((yield* make({ url, retry: false })).embed(["a"]))
      if (seconds === undefined || retryAfter === undefined) expect(retryAfter).toBe(seconds)
      else expect(Math.abs(Duration.toSeconds(retryAfter) - seconds)).toBeLessThan(seconds / 2)
    }
    const { asked, url } = yield* serve(refuse(429, { "retry-after": "3600" }))
    expect((yield* Effect.flip((yield* make({ url })).embed(["a"]))).retryable).toBe(true)
    expect(asked).toHaveLength(1)
  })
)

it.live("an endpoint that is not there, breaks off or stays silent is a typed failure that may pass", () =>
  Effect.gen(function* () {
    const gone = yield* Effect.scoped(serve(embeddings))
    expect(yield* Effect.flip((yield* make({ url: gone.url })).embed(["a"]))).toMatchObject({ retryable: true })
    const cut = yield* serve((one, response, nth) => {
      if (nth < 3) response.destroy()
      else embeddings(one, response, nth)
    })
    expect(yield* (yield* make({ url: cut.url })).embed(["a"])).toEqual([vectorOf("a")])
    const silent = yield* serve(() => undefined)
    const embedder = yield* make({ url: silent.url, timeout: "50 millis", retry: { schedule: Schedule.recurs(1) } })
    const error = yield* Effect.flip(embedder.embed(["a"]))
    expect(error).toMatchObject({ retryable: true })
    expect(error.message).toContain("within 50ms")
    expect(silent.asked).toHaveLength(2)
  })
)

it.live("an answer of another form is a typed failure that does not repeat it", () =>
  Effect.gen(function* () {
    const answer = (data: unknown) => JSON.stringify({ data })
    for (const body of [
      "<html>private text</html>",
      "[]",
      answer([{ index: 0, embedding: ["private text"] }]),
      answer([{ index: 0, embedding: [1, 2] }]),
      answer([
        { index: 0, embedding: [1, 2] },
        { index: 0, embedding: [1, 2] }
      ]),
      answer([
        { index: 0, embedding: [1, 2] },
        { index: 2 ** 40, embedding: [1, 2] }
      ]),
      answer([
        { index: 0, embedding: [1, 2] },
        { index: 0.5, embedding: [1, 2] }
      ])
    ]) {
      const { asked, url } = yield* serve(refuse(200, { "content-type": "application/json" }, body))
      const error = yield* Effect.flip((yield* make({ url })).embed(["private text", "b"]))
      expect(error).toBeInstanceOf(VectorError.EmbeddingFailed)
      expect(error.retryable).toBe(false)
      expect(JSON.stringify(error) + String(error)).not.toContain("private")
      expect(asked).toHaveLength(1)
    }
  })
)

it.live("neither the key nor what follows in the URL is in an error", () =>
  Effect.gen(function* () {
    const { asked, url } = yield* serve(refuse(401, {}, `{"error":"Incorrect API key provided: hunter2"}`))
    const key = Redacted.make("hunter2")
    for (const options of [{ url, key }, { url: `${url}?key=hunter2` }, { url: "http://127.0.0.1:1/v1", key }]) {
      const error = yield* Effect.flip((yield* make({ retry: false, ...options })).embed(["a"]))
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain("hunter2")
    }
    expect(asked.map(({ path }) => path)).toEqual(["/v1/embeddings", "/v1/embeddings?key=hunter2"])
  })
)

it.effect("an option that is not what it has to be is refused at opening, and named", () =>
  Effect.gen(function* () {
    const wrong: ReadonlyArray<readonly [unknown, string]> = [
      [{ url: "ftp://x" }, "the option url"],
      [{ url: "http://me:sk-1@x" }, "the option url"],
      [{ url: "http://x", dimension: 0 }, "the option dimension"],
      [{ url: "http://x", model: "" }, "the option model"],
      [{ url: "http://x", key: "sk-1" }, "the option key"],
      [{ url: "http://x", batchSize: 0 }, "the option batchSize"]
    ]
    for (const [options, reason] of wrong) {
      // Sound: this is what JavaScript may pass, and the types do not let through.
      const error = yield* Effect.flip(make(options as { readonly url: string }))
      expect(error._tag).toBe("StorageUnavailable")
      expect(error.message).toContain(reason)
      expect(error.message).not.toContain("sk-1")
    }
  })
)
