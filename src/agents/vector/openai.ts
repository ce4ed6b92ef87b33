/**
 * An embedder behind an HTTP endpoint of OpenAI's form (`POST /embeddings`), as OpenAI, Ollama, vLLM, LM Studio, llama.cpp,
 * Text Embeddings Inference and others have it.
 *
 * - Promises: vectors in the order of the texts, whatever order they come in. The key is in no error, no log and no trace, and
 *   neither is a text.
 * - Costs: one request a batch. What is limited (429), overloaded (5xx, 408) or broken off is tried again, see `retry`.
 * - Fails: with `EmbeddingFailed`, which says by status what to do; opening with `StorageUnavailable` for an option that is wrong.
 */
import { Duration, Effect, Layer, Predicate, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { check, duration, optional, type Rule, rule } from "../internal/options.ts"
import type { StorageUnavailable } from "../StateError.ts"
import { Embedder, type Shape } from "./Embedder.ts"
import { type RetryOptions, retrying } from "./retrying.ts"
import { EmbeddingFailed } from "./VectorError.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options

/** What `make` takes. */
export interface Options {
  /** The name of the model, as the endpoint knows it. */
  readonly model: string
  /** How many numbers its vectors have. */
  readonly dimension: number
  /** Asks the endpoint for vectors of this dimension, where a model can give shorter ones than its own. Default: `false`. */
  readonly shorten?: boolean | undefined
  /** Where the endpoint is, without `/embeddings`; a query stays. Default: `"https://api.openai.com/v1"`. */
  readonly url?: string | undefined
  /** Sent as a bearer token. Default: none is sent. */
  readonly key?: Redacted.Redacted<string> | undefined
  /** Names the model to memories. Change it whenever the vectors change. Default: the model's name. */
  readonly identity?: string | undefined
  /** The most texts in one request. Default: 128. */
  readonly batchSize?: number | undefined
  /** How long one request may take. Default: 1 minute. */
  readonly timeout?: Duration.Input | undefined
  /** How to try again, or `false`. */
  readonly retry?: RetryOptions | false | undefined
}

const name: Rule = rule("a string that is not empty", (value) => Predicate.isString(value) && value !== "")

const whole: Rule = rule("a whole number from 1", (value) => Number.isSafeInteger(value) && Number(value) >= 1)

const isEndpoint = (value: unknown): boolean => {
  const url = Predicate.isString(value) ? URL.parse(value) : null
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === ""
}

const rules = {
  model: name,
  dimension: whole,
  identity: optional(name),
  batchSize: optional(whole),
  timeout: optional(duration),
  key: optional(rule("Redacted", Redacted.isRedacted)),
  url: optional(rule("the URL of an endpoint, without a name and a password in it", isEndpoint))
}

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The embedder, over the HTTP client that is there: `FetchHttpClient.layer` of `effect/http`, say. */
export const make = (options: Options): Effect.Effect<Shape, StorageUnavailable, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    yield* check({ name: "openai", ...options }, rules)
    const client = yield* HttpClient.HttpClient
    const { batchSize, dimension, identity = options.model, key, model, retry, shorten, timeout = "1 minute" } = options
    const url = new URL(options.url ?? "https://api.openai.com/v1")
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/embeddings`
    const endpoint = new Endpoint(identity, url)
    const base = HttpClientRequest.post(url)
    const authorized = key === undefined ? base : HttpClientRequest.bearerToken(base, key)
    const embed: Shape["embed"] = (texts) => {
      const body = { model, input: texts, ...(shorten === true ? { dimensions: dimension } : {}) }
      const request = HttpClientRequest.bodyJsonUnsafe(authorized, body)
      return client.execute(request).pipe(
        Effect.mapError(({ reason }) => endpoint.failed(`${reason._tag} at ${endpoint.place}`, true, reason.cause)),
        Effect.flatMap((response) => endpoint.vectors(response, texts.length)),
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () =>
            Effect.fail(
              endpoint.failed(
                `no answer from ${endpoint.place} within ${Duration.format(Duration.fromInputUnsafe(timeout))}`,
                true
              )
            )
        })
      )
    }
    const once: Shape = { identity, dimension, batchSize, embed }
    return retry === false ? once : retrying(once, retry)
  })

const Answer = Schema.Struct({
  data: Schema.Array(Schema.Struct({ index: Schema.Number, embedding: Schema.Array(Schema.Number) }))
})

const decode = Schema.decodeUnknownEffect(Answer)

// What a status says to whoever has to put it right.
const advice: Readonly<Record<number, string>> = {
  400: "it refused the request: a text may be longer than the model takes, or the model may not know `dimensions`",
  401: "it wants another key",
  403: "it does not let this key in",
  404: "there is no such endpoint or model; look at the options url and model",
  413: "the request is too large; take a smaller batchSize",
  429: "it is asked too often, or the account has no credit left"
}

class Endpoint {
  readonly identity: string
  /** Where it is, without what may follow in a query. */
  readonly place: string

  constructor(identity: string, { origin, pathname }: URL) {
    this.identity = identity
    this.place = origin + pathname
  }

  failed(reason: string, retryable: boolean, cause?: unknown, retryAfter?: Duration.Duration): EmbeddingFailed {
    return new EmbeddingFailed({ embedder: this.identity, reason, retryable, cause, retryAfter })
  }

  vectors(
    response: HttpClientResponse.HttpClientResponse,
    count: number
  ): Effect.Effect<ReadonlyArray<ReadonlyArray<number>>, EmbeddingFailed> {
    const { status } = response
    if (status < 200 || status > 299) {
      const retryable = status === 408 || status === 429 || status >= 500
      const reason = `${this.place} answered with status ${status}: ${advice[status] ?? "it did not say more that can be shown"}`
      return Effect.flatMap(waitOf(response), (wait) => Effect.fail(this.failed(reason, retryable, undefined, wait)))
    }
    // The answer of a stranger may repeat a text, so it is in no error.
    const unreadable = () => this.failed(`the answer of ${this.place} has not the form of OpenAI's embeddings`, false)
    return Effect.flatMap(
      Effect.mapError(
        Effect.flatMap(
          Effect.mapError(response.json, ({ reason }) =>
            this.failed(`${reason._tag} at ${this.place}`, reason._tag === "TransportError")
          ),
          decode
        ),
        (error) => (error._tag === "EmbeddingFailed" ? error : unreadable())
      ),
      ({ data }) => {
        const vectors: Array<ReadonlyArray<number>> = []
        for (const { embedding, index } of data) vectors[index] = embedding
        const isWhole =
          data.length === count && vectors.length === count && new Set(data.map(({ index }) => index)).size === count
        return isWhole ? Effect.succeed(vectors) : Effect.fail(unreadable())
      }
    )
  }
}

/** What `Retry-After` says: seconds, or a date (RFC 9110, 10.2.3). */
const waitOf = ({ headers }: HttpClientResponse.HttpClientResponse): Effect.Effect<Duration.Duration | undefined> =>
  Effect.clockWith((clock) => {
    const text = headers["retry-after"] ?? ""
    const date = Date.parse(text)
    if (/^\d+(\.\d+)?$/.test(text)) return Effect.succeed(Duration.seconds(Number(text)))
    return Effect.succeed(
      Number.isNaN(date) ? undefined : Duration.millis(Math.max(0, date - clock.currentTimeMillisUnsafe()))
    )
  })

// ---------------------------------------------------------------------------------------------------------------------
// layer

/** The same as a layer for memories. */
export const layer = (options: Options): Layer.Layer<Embedder, StorageUnavailable, HttpClient.HttpClient> =>
  Layer.effect(Embedder, make(options))
