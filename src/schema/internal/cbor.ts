/**
 * JSON trees as CBOR (RFC 8949): self-described (tag 55799), with strings that come again written as references to their first
 * occurrence (tags 256 and 25, http://cbor.schmorp.de/stringref), base64 text as the bytes that it stands for (tag 22), and text that
 * UTF-8 cannot hold as JSON (tag 262). What is decoded is the very tree that was encoded.
 */

const major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const
const tag = { base64: 22, reference: 25, namespace: 256, json: 262, selfDescribed: 55799 } as const

// What our own trees have at most, and a few levels for tags: what is nested deeper was not written here.
const maxLevels = 1_100

// A reference is shorter than a string of this many bytes when so many strings are known.
const isReferable = (bytes: number, known: number): boolean =>
  bytes >= (known < 24 ? 3 : known < 256 ? 4 : known < 65_536 ? 5 : 7)

const base64 = /^[A-Za-z0-9+/]+={0,2}$/

/** The bytes of base64 text that is written in the one way that decoding and encoding gives back. */
const bytesOf = (text: string): Buffer | undefined => {
  if (text.length < 16 || text.length % 4 !== 0 || !base64.test(text)) return undefined
  const bytes = Buffer.from(text, "base64")
  return bytes.toString("base64") === text ? bytes : undefined
}

class Writer {
  #bytes = Buffer.allocUnsafeSlow(1024)
  #at = 0
  readonly #known = new Map<string, number>()
  #count = 0

  tree(value: unknown): void {
    if (typeof value === "string") this.#string(value, true)
    else if (typeof value === "number") this.#number(value)
    else if (typeof value === "boolean") this.#byte(value ? 0xf5 : 0xf4)
    else if (Array.isArray(value)) this.#array(value)
    else if (typeof value === "object" && value !== null) this.#map(value)
    else this.#byte(0xf6)
  }

  finish(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, 0, this.#at)
  }

  head(kind: number, value: number): void {
    this.#reserve(9)
    const top = kind << 5
    if (value < 24) this.#bytes[this.#at++] = top | value
    else if (value < 0x100) {
      this.#bytes[this.#at++] = top | 24
      this.#bytes[this.#at++] = value
    } else if (value < 0x1_0000) {
      this.#bytes[this.#at++] = top | 25
      this.#at = this.#bytes.writeUInt16BE(value, this.#at)
    } else if (value < 0x1_0000_0000) {
      this.#bytes[this.#at++] = top | 26
      this.#at = this.#bytes.writeUInt32BE(value, this.#at)
    } else {
      this.#bytes[this.#at++] = top | 27
      this.#at = this.#bytes.writeBigUInt64BE(BigInt(value), this.#at)
    }
  }

  #array(items: ReadonlyArray<unknown>): void {
    this.head(major.array, items.length)
    for (const item of items) this.tree(item)
  }

  #map(value: object): void {
    const entries = Object.entries(value)
    this.head(major.map, entries.length)
    for (const [name, item] of entries) {
      this.#string(name, false)
      this.tree(item)
    }
  }

  #string(text: string, mayBeBytes: boolean): void {
    const known = this.#known.get(text)
    const bytes = known === undefined && mayBeBytes ? bytesOf(text) : undefined
    if (known !== undefined) {
      this.head(major.tag, tag.reference)
      this.head(major.unsigned, known)
    } else if (bytes !== undefined) {
      this.head(major.tag, tag.base64)
      this.#chunk(bytes)
    } else if (text.isWellFormed()) {
      this.#text(text)
    } else {
      this.head(major.tag, tag.json)
      this.#chunk(Buffer.from(JSON.stringify(text)))
    }
  }

  #text(text: string): void {
    const length = Buffer.byteLength(text)
    if (isReferable(length, this.#count)) this.#known.set(text, this.#count++)
    this.head(major.text, length)
    this.#reserve(length)
    // Text of as many bytes as characters is ASCII, which can be written several times faster.
    this.#at += this.#bytes.write(text, this.#at, length === text.length ? "latin1" : "utf8")
  }

  // Bytes are not looked up among those known, yet readers count them.
  #chunk(bytes: Buffer): void {
    if (isReferable(bytes.length, this.#count)) this.#count++
    this.head(major.bytes, bytes.length)
    this.#reserve(bytes.length)
    this.#at += bytes.copy(this.#bytes, this.#at)
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value < 0) this.head(major.negative, -1 - value)
      else this.head(major.unsigned, value)
    } else this.#float(value)
  }

  #float(value: number): void {
    this.#reserve(9)
    const isShort = Object.is(Math.fround(value), value)
    this.#bytes[this.#at++] = isShort ? 0xfa : 0xfb
    this.#at = isShort ? this.#bytes.writeFloatBE(value, this.#at) : this.#bytes.writeDoubleBE(value, this.#at)
  }

  #byte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#at++] = byte
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + length))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

/** The bytes of a JSON tree. */
export const encode = (tree: unknown): Uint8Array => {
  const writer = new Writer()
  writer.head(major.tag, tag.selfDescribed)
  writer.head(major.tag, tag.namespace)
  writer.tree(tree)
  return writer.finish()
}

const wrong = (): never => {
  throw new SyntaxError("is not CBOR as it is written here")
}

class Reader {
  hasMinusZero = false
  readonly #bytes: Buffer
  #at = 0
  #levels = 0
  readonly #known: Array<string | undefined> = []

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  expectTag(expected: number): void {
    if (this.#byte() >> 5 !== major.tag) wrong()
    this.#at--
    if (this.#argument(this.#byte() & 31) !== expected) wrong()
  }

  tree(): unknown {
    const first = this.#byte()
    const more = first & 31
    switch (first >> 5) {
      case major.unsigned:
        return this.#argument(more)
      case major.negative:
        return -1 - this.#argument(more)
      case major.text:
        return this.#text(this.#argument(more))
      case major.array:
        return this.#nested(() => this.#array(this.#argument(more)))
      case major.map:
        return this.#nested(() => this.#map(this.#argument(more)))
      case major.tag:
        return this.#tagged(this.#argument(more))
      case major.simple:
        return this.#simple(first)
      default:
        return wrong()
    }
  }

  #nested<A>(read: () => A): A {
    if (++this.#levels > maxLevels) wrong()
    const value = read()
    this.#levels--
    return value
  }

  #array(length: number): Array<unknown> {
    // Each item takes a byte at least, so that a length that lies reserves no memory.
    if (length > this.#bytes.length - this.#at) wrong()
    const items: Array<unknown> = []
    for (let i = 0; i < length; i++) items.push(this.tree())
    return items
  }

  #map(length: number): object {
    const map: Record<string, unknown> = {}
    for (let i = 0; i < length; i++) {
      const name = this.tree()
      if (typeof name !== "string") return wrong()
      const value = this.tree()
      // A plain assignment to `__proto__` would set the prototype.
      if (name === "__proto__")
        Object.defineProperty(map, name, { value, enumerable: true, writable: true, configurable: true })
      else map[name] = value
    }
    return map
  }

  #tagged(kind: number): unknown {
    if (kind === tag.reference) return this.#reference()
    if (kind === tag.base64) return this.#chunk().toString("base64")
    if (kind !== tag.json) return wrong()
    const text: unknown = JSON.parse(this.#chunk().toString("utf8"))
    return typeof text === "string" ? text : wrong()
  }

  #reference(): string {
    const first = this.#byte()
    if (first >> 5 !== major.unsigned) return wrong()
    return this.#known[this.#argument(first & 31)] ?? wrong()
  }

  #chunk(): Buffer {
    const first = this.#byte()
    if (first >> 5 !== major.bytes) return wrong()
    const length = this.#argument(first & 31)
    if (isReferable(length, this.#known.length)) this.#known.push(undefined)
    return this.#take(length)
  }

  #text(length: number): string {
    const bytes = this.#take(length)
    // Decoding replaces what is no UTF-8 by U+FFFD.
    const text = bytes.toString("utf8")
    if (text.includes("\ufffd") && !Buffer.from(text).equals(bytes)) wrong()
    if (isReferable(length, this.#known.length)) this.#known.push(text)
    return text
  }

  #simple(first: number): unknown {
    switch (first) {
      case 0xf4:
        return false
      case 0xf5:
        return true
      case 0xf6:
        return null
      case 0xfa:
        return this.#float(this.#take(4).readFloatBE())
      case 0xfb:
        return this.#float(this.#take(8).readDoubleBE())
      default:
        return wrong()
    }
  }

  #float(value: number): number {
    if (!Number.isFinite(value)) return wrong()
    this.hasMinusZero ||= Object.is(value, -0)
    return value
  }

  #argument(more: number): number {
    if (more < 24) return more
    switch (more) {
      case 24:
        return this.#byte()
      case 25:
        return this.#take(2).readUInt16BE()
      case 26:
        return this.#take(4).readUInt32BE()
      case 27: {
        const value = Number(this.#take(8).readBigUInt64BE())
        return Number.isSafeInteger(value) ? value : wrong()
      }
      default:
        return wrong()
    }
  }

  #byte(): number {
    return this.#bytes[this.#at++] ?? wrong()
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) wrong()
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}

/** A JSON tree, and whether -0 is in it. */
export interface Decoded {
  readonly tree: unknown
  readonly hasMinusZero: boolean
}

/** The tree of bytes. Throws a SyntaxError for what `encode` cannot have written. */
export const decode = (bytes: Uint8Array): Decoded => {
  const reader = new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  reader.expectTag(tag.selfDescribed)
  reader.expectTag(tag.namespace)
  const tree = reader.tree()
  return reader.isAtEnd ? { tree, hasMinusZero: reader.hasMinusZero } : wrong()
}
