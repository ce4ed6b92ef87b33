// Who waits for company, and who does not. What is alone here commits at once; the rest goes into a group.
import { expect, it } from "@effect/vitest"
import { Turn } from "../../../../src/agents/internal/turn.ts"
import { Company } from "../../../../src/agents/sql/sqlite/company.ts"

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** A company that counts, and asks as a fiber of its own each time unless told which. */
const counting = () => {
  const turn = new Turn()
  const company = new Company(turn)
  const counts = { alone: 0, grouped: 0 }
  const isAlone = (writer: object = {}, later = 0) => {
    const alone = company.isAlone(writer, turn.began + later)
    if (alone) counts.alone++
    else counts.grouped++
    return alone
  }
  return { company, counts, isAlone }
}

it("one fiber is alone however often it writes, until the event loop has to turn", async () => {
  const { isAlone } = counting()
  const fiber = {}
  for (let i = 0; i < 100; i++) expect(isAlone(fiber)).toBe(true)
  expect(isAlone(fiber, 6)).toBe(false)
  await nextTurn()
  expect(isAlone(fiber)).toBe(true)
})

it("fibers that write without anything else running in between are company at once", () => {
  const { isAlone } = counting()
  expect([isAlone(), isAlone(), isAlone()]).toEqual([true, false, false])
})

it("a program that awaits each of its writes is alone but for some, and those become fewer", async () => {
  const { company, counts, isAlone } = counting()
  for (let i = 0; i < 300; i++) {
    if (!isAlone()) company.observe(1)
    await undefined
  }
  expect(counts.grouped).toBeGreaterThan(300 / 20)
  expect(counts.grouped).toBeLessThan(300 / 10)
})

it("programs that each write once in a turn are found out by the second, and remembered", async () => {
  const { company, counts, isAlone } = counting()
  const eachWrites = async () => {
    await nextTurn()
    counts.alone = 0
    for (let i = 0; i < 64; i++) {
      // Each in a task of its own, as when 64 requests have come in.
      await undefined
      isAlone()
    }
    return counts.alone
  }
  expect(await eachWrites()).toBe(2)
  company.observe(62)
  expect(await eachWrites()).toBe(0)
  company.observe(1)
  company.observe(1)
  expect(await eachWrites()).toBe(5)

  // However long there was only one program before.
  for (let i = 0; i < 10; i++) company.observe(1)
  expect(await eachWrites()).toBe(17)
  for (const count of [47, 1, 1]) company.observe(count)
  expect(await eachWrites()).toBe(5)
})
