import { expect, it } from "@effect/vitest"
import { TextSplitter } from "dgents"
import { random } from "./engineConformance.ts"

const texts = (text: string, options?: TextSplitter.Options) =>
  TextSplitter.split(text, options).map(({ text }) => text)

it("a text that fits is one piece, without the white space around it; a blank one is none", () => {
  expect(TextSplitter.split("  a text \n")).toEqual([{ text: "a text", start: 2, end: 8 }])
  for (const blank of ["", " \n\t \u00a0"]) expect(TextSplitter.split(blank)).toEqual([])
})

it("cuts are made between paragraphs, else lines, else sentences, else words, else characters", () => {
  const size = 40
  expect(texts("One. Two is here.\nAnd more words.\n\nThe second paragraph.", { size })).toEqual([
    "One. Two is here.\nAnd more words.",
    "The second paragraph."
  ])
  expect(texts("One. Two is in here.\nA second line. That goes on.", { size })).toEqual([
    "One. Two is in here.",
    "A second line. That goes on."
  ])
  expect(texts("This is one sentence. And this one is another.", { size })).toEqual([
    "This is one sentence.",
    "And this one is another."
  ])
  expect(texts("a sentence that goes on and on without any end", { size: 16 })).toEqual([
    "a sentence that",
    "goes on and on",
    "without any end"
  ])
  expect(texts("x".repeat(40), { size: 16 })).toEqual(["x".repeat(16), "x".repeat(16), "x".repeat(8)])
})

it("what a reader sees as one character is not cut", () => {
  const family = "👨‍👩‍👧‍👦"
  for (const piece of texts(family.repeat(10), { size: 30 })) expect(piece).toBe(family.repeat(2))
  for (const piece of texts("e\u0301".repeat(50), { size: 17 })) expect(piece.length % 2).toBe(0)
  for (const piece of texts(`a${"𝒳".repeat(50)}`, { size: 16 })) expect(piece.isWellFormed()).toBe(true)
  const marks = texts(`e${"\u{1d165}".repeat(100)}`, { size: 16 })
  expect(marks.every((piece) => piece.isWellFormed() && piece.length <= 16)).toBe(true)
})

it("with an overlap the next piece begins with a sentence or with words of the one before", () => {
  const text = "Ann came in. Bob went out. Carl sat down. Dora stood up. Emil ran off."
  expect(texts(text, { size: 30, overlap: 14 })).toEqual([
    "Ann came in. Bob went out.",
    "Bob went out. Carl sat down.",
    "Carl sat down. Dora stood up.",
    "Dora stood up. Emil ran off."
  ])
  expect(texts(text, { size: 42, overlap: 18 })[1]).toBe("Carl sat down. Dora stood up.")
  expect(texts("one two three four five six", { size: 16, overlap: 7 })).toEqual([
    "one two three",
    "three four five",
    "five six"
  ])
})

it("whatever the text, pieces are short enough, in order, and leave nothing out", () => {
  const next = random(5)
  const parts = [
    "word",
    "Ein Satz. ",
    " ",
    "\n",
    "\n\n",
    "東京都",
    "👩‍🚀",
    "e\u0301",
    "x".repeat(50),
    "\r\n",
    "\u00a0",
    "\ud800"
  ]
  for (let round = 0; round < 300; round++) {
    const text = Array.from(
      { length: 1 + Math.floor(next() * 60) },
      () => parts[Math.floor(next() * parts.length)]
    ).join("")
    const size = 16 + Math.floor(next() * 60)
    const overlap = Math.floor((next() * size) / 2.01)
    const pieces = TextSplitter.split(text, { size, overlap })
    let covered = 0
    let last = -1
    for (const { end, start, text: piece } of pieces) {
      expect(text.slice(start, end)).toBe(piece)
      expect(piece.trim()).toBe(piece)
      expect(piece).not.toBe("")
      expect(piece.length).toBeLessThanOrEqual(size)
      expect(start).toBeGreaterThan(last)
      expect(end).toBeGreaterThan(covered)
      if (start > covered) expect(text.slice(covered, start).trim()).toBe("")
      else expect(covered - start).toBeLessThanOrEqual(overlap)
      last = start
      covered = end
    }
    expect(text.slice(covered).trim()).toBe("")
  }
})

it("a size or an overlap that is none is refused", () => {
  for (const options of [
    { size: 15 },
    { size: 20.5 },
    { overlap: -1 },
    { size: 20, overlap: 10 },
    { overlap: Number.NaN }
  ])
    expect(() => TextSplitter.split("x", options)).toThrow(RangeError)
})
