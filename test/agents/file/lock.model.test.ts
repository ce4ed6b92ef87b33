import { expect, it } from "@effect/vitest"
import { type Decision, decide, isOlder } from "../../../src/agents/file/claim.ts"

// Every interleaving of a few processes that claim, list, withdraw, hold, leave and are killed at any point, with
// listings that take time: of what comes or goes meanwhile they may say anything.

type Decide = typeof decide

interface Process {
  readonly step: "claim" | "list" | "listing" | "withdraw" | "look" | "looking" | "hold" | "done" | "dead"
  readonly age: number
  readonly attempt: number
  /** Acquisitions that are left. */
  readonly left: number
  /** While its claim is in the directory. */
  readonly claimed: boolean
  readonly awaited?: ReadonlyArray<string>
  /** During a listing: the names there all the time, and those that came or went. */
  readonly must: ReadonlyArray<string>
  readonly may: ReadonlyArray<string>
}

type State = ReadonlyArray<Process>

const nameOf = ({ age, attempt }: Process) => `${String(age).padStart(3, "0")}-${attempt}`

const subsets = (names: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  names.reduce<ReadonlyArray<ReadonlyArray<string>>>((all, name) => all.flatMap((s) => [s, [...s, name]]), [[]])

const replace = (state: State, i: number, process: Process): State => state.map((p, j) => (j === i ? process : p))

/** What listings under way learn of a claim that comes or goes. */
const disturbed = (state: State, name: string): State =>
  state.map((p) =>
    p.step === "listing" || p.step === "looking"
      ? { ...p, must: p.must.filter((n) => n !== name), may: [...new Set([...p.may, name])].sort() }
      : p
  )

const present = (state: State, i: number) => state.flatMap((p, j) => (j !== i && p.claimed ? [nameOf(p)] : []))

const removeClaim = (state: State, i: number, process: Process, next: Process): State =>
  replace(disturbed(state, nameOf(process)), i, { ...next, claimed: false })

const afterDecision = (state: State, i: number, p: Process, decision: Decision): State => {
  const { awaited: _, ...rest } = p
  if (decision === "hold") return replace(state, i, { ...rest, step: "hold" })
  if (decision === "withdraw") return replace(state, i, { ...rest, step: "withdraw" })
  return replace(state, i, { ...rest, step: "list", awaited: [...decision].sort() })
}

const hasEnded = ({ step }: Process) => step === "done" || step === "dead"

/** A process is killed, or no longer wants to wait. */
const faults = (state: State): Array<State> =>
  state.flatMap((p, i) => {
    if (hasEnded(p)) return []
    const { awaited, ...rest } = { ...p, must: [], may: [] }
    const killed = replace(state, i, { ...rest, step: "dead" })
    const isWaiting = p.step === "look" || (p.step === "list" && awaited !== undefined)
    return isWaiting ? [killed, removeClaim(state, i, p, { ...rest, step: "done" })] : [killed]
  })

const steps = (state: State, decide: Decide): Array<State> => {
  const all: Array<State> = []
  state.forEach((p, i) => {
    if (hasEnded(p)) return
    const heard = () => {
      const dead = new Set(state.flatMap((q) => (q.claimed && q.step === "dead" ? [nameOf(q)] : [])))
      return subsets(p.may).map((some) => [...p.must, ...some].filter((name) => !dead.has(name)))
    }
    const quiet = { ...p, must: [], may: [] }
    switch (p.step) {
      case "claim":
        all.push(replace(disturbed(state, nameOf(p)), i, { ...p, step: "list", claimed: true }))
        break
      case "list":
      case "look":
        all.push(replace(state, i, { ...p, step: p.step === "list" ? "listing" : "looking", must: present(state, i) }))
        break
      case "listing":
        for (const names of heard()) {
          const awaited = p.awaited === undefined ? undefined : new Set(p.awaited)
          all.push(afterDecision(state, i, quiet, decide(nameOf(p), names, awaited)))
        }
        break
      case "withdraw":
        all.push(removeClaim(state, i, p, { ...p, step: "look" }))
        break
      case "looking":
        for (const names of heard()) {
          const waits = names.some((name) => isOlder(name, nameOf(p)))
          all.push(
            replace(state, i, waits ? { ...quiet, step: "look" } : { ...quiet, step: "claim", attempt: p.attempt + 1 })
          )
        }
        break
      case "hold": {
        const age = Math.max(...state.map(({ age }) => age)) + 1
        const again = { ...p, step: "claim", age, attempt: 0, left: p.left - 1 } as const
        all.push(removeClaim(state, i, p, p.left > 1 ? again : { ...p, step: "done", left: 0 }))
      }
    }
  })
  return all
}

const start = (acquisitions: ReadonlyArray<number>): State =>
  acquisitions.map((left, age) => ({ step: "claim", age, attempt: 0, left, claimed: false, must: [], may: [] }))

/** Explores all states; answers how many, or what is wrong with one. */
const explore = (acquisitions: ReadonlyArray<number>, kills: boolean, rule: Decide = decide): number | string => {
  const before = new Map<string, Array<string>>()
  const first = start(acquisitions)
  const queue = [first]
  const ends: Array<string> = []
  before.set(JSON.stringify(first), [])
  for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
    const id = JSON.stringify(state)
    if (state.filter(({ step }) => step === "hold").length > 1) return "two hold it"
    // Each attempt but the first follows one of an older process.
    if (state.some(({ attempt }) => attempt > 20)) return "attempts without end"
    if (state.every(hasEnded)) ends.push(id)
    const visit = (one: State, from: ReadonlyArray<string>) => {
      const key = JSON.stringify(one)
      const known = before.get(key)
      if (known === undefined) queue.push(one)
      before.set(key, [...(known ?? []), ...from])
    }
    for (const one of steps(state, rule)) visit(one, [id])
    // A kill would end any wait, so it is no way to the end.
    if (kills) for (const one of faults(state)) visit(one, [])
  }
  const reached = new Set(ends)
  for (let id = ends.pop(); id !== undefined; id = ends.pop()) {
    for (const earlier of before.get(id) ?? []) {
      if (reached.has(earlier)) continue
      reached.add(earlier)
      ends.push(earlier)
    }
  }
  return reached.size === before.size ? before.size : "some wait for ever"
}

it("in no interleaving do two processes hold the lock, and none waits for ever", () => {
  expect(explore([1, 1], true)).toBeGreaterThan(100)
  expect(explore([2, 2], true)).toBeGreaterThan(2_000)
  expect(explore([1, 1, 1], true)).toBeGreaterThan(7_000)
  expect(explore([2, 1, 1], false)).toBeGreaterThan(30_000)
})

it("a rule that does not wait for younger ones lets two hold it", () => {
  const impatient: Decide = (mine, others) => ([...others].some((name) => isOlder(name, mine)) ? "withdraw" : "hold")
  expect(explore([1, 1], false, impatient)).toBe("two hold it")
})

it("a rule by which nobody withdraws waits for ever", () => {
  const stubborn: Decide = (_, others, awaited) => {
    const left = [...others].filter((name) => awaited?.has(name) ?? true)
    return left.length === 0 ? "hold" : new Set(left)
  }
  expect(explore([1, 1], false, stubborn)).toBe("some wait for ever")
})

it("a rule by which everybody withdraws tries without end", () => {
  const shy: Decide = (_, others) => ([...others].length === 0 ? "hold" : "withdraw")
  expect(explore([1, 1, 1], false, shy)).toBe("attempts without end")
})
