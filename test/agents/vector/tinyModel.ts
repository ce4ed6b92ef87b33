// A model of a few words, made here: an ONNX graph that looks each token up in a table, and a tokenizer that knows the words.
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const varint = (n: number): Buffer => {
  const bytes: Array<number> = []
  for (let left = n; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left])
    bytes.push((left % 128) + 128)
  }
}

// The two kinds of field of a protocol buffer that are needed, by their numbers in onnx.proto.
const int = (field: number, value: number): Buffer => Buffer.concat([varint(field * 8), varint(value)])
const bytes = (field: number, value: string | Uint8Array): Buffer => {
  const content = Buffer.from(value)
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content])
}
const message = (field: number, ...parts: ReadonlyArray<Buffer>): Buffer => bytes(field, Buffer.concat(parts))

const float32 = 1
const int64 = 7

const valueOf = (field: number, name: string, type: number, ...dims: ReadonlyArray<string | number>): Buffer => {
  const shape = dims.map((dim) => message(1, typeof dim === "string" ? bytes(2, dim) : int(1, dim)))
  return message(field, bytes(1, name), message(2, message(1, int(1, type), message(2, ...shape))))
}

/** Writes a model that has a vector for each word, and an own one for all words it does not know. */
export const writeModel = (directory: string, vectors: Readonly<Record<string, ReadonlyArray<number>>>): void => {
  const words = Object.keys(vectors)
  const dimension = vectors[words[0] ?? ""]?.length ?? 0
  const table = Float32Array.from(Object.values(vectors).flat())
  const graph = message(
    7,
    message(1, bytes(1, "table"), bytes(1, "input_ids"), bytes(2, "last_hidden_state"), bytes(4, "Gather")),
    bytes(2, "tiny"),
    message(
      5,
      int(1, words.length),
      int(1, dimension),
      int(2, float32),
      bytes(8, "table"),
      bytes(9, new Uint8Array(table.buffer))
    ),
    valueOf(11, "input_ids", int64, "batch", "tokens"),
    valueOf(11, "attention_mask", int64, "batch", "tokens"),
    valueOf(12, "last_hidden_state", float32, "batch", "tokens", dimension)
  )
  const json = (name: string, value: unknown) => writeFileSync(join(directory, name), JSON.stringify(value))
  mkdirSync(join(directory, "onnx"), { recursive: true })
  writeFileSync(
    join(directory, "onnx/model.onnx"),
    Buffer.concat([int(1, 8), graph, message(8, bytes(1, ""), int(2, 13))])
  )
  json("config.json", { model_type: "bert", hidden_size: dimension })
  json("tokenizer_config.json", {
    tokenizer_class: "BertTokenizer",
    pad_token: "[PAD]",
    unk_token: "[UNK]",
    model_max_length: 16
  })
  json("tokenizer.json", {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: ["[PAD]", "[UNK]"].map((content) => ({
      id: words.indexOf(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true
    })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: null,
    decoder: null,
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(words.map((word, i) => [word, i]))
    }
  })
}
