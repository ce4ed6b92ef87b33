/** One state in one file, with a checksum; and what becomes of it without. */
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { DataAgent, type Register, StateError } from "dgents"
import type { Site, Subject } from "dgents/testing"
import { Effect, Option } from "effect"
import { type Cell, claims, emptyCell, right, State } from "./memory.ts"

type Fault = "no checksum" | "starts over" | undefined

const digest = (text: string): string => createHash("sha256").update(text).digest("hex")

const file = (site: Site.Site): string => site.path("state")

const read = (path: string, fault: Fault): Effect.Effect<Cell, StateError.StateCorrupt> =>
  Effect.suspend(() => {
    if (!existsSync(path)) return Effect.succeed(emptyCell())
    // Latin-1 keeps every byte apart, so that a damaged one cannot hide behind a replacement character.
    const text = readFileSync(path, "latin1")
    const sum = text.slice(0, 64)
    const body = text.slice(65)
    if ((fault === "no checksum" && text.length > 65) || (sum === digest(body) && text[64] === "\n"))
      try {
        // Only `write` below makes such files, or the fault under test says not to care.
        return Effect.succeed(JSON.parse(Buffer.from(body, "latin1").toString("utf8")) as Cell)
      } catch {
        // Falls through to the refusal.
      }
    return fault === "starts over"
      ? Effect.succeed(emptyCell())
      : Effect.fail(
          new StateError.StateCorrupt({ agent: "file", location: "the file", reason: "its checksum does not fit" })
        )
  })

const write = (path: string, cell: Cell): void => {
  const body = Buffer.from(JSON.stringify(cell), "utf8").toString("latin1")
  writeFileSync(path, `${digest(body)}\n${body}`, "latin1")
}

/** A subject over a file that the corruption law may tamper with; right without a fault. */
export const fileSubject = (name: string, fault?: Fault): Subject<State> => ({
  name,
  schema: State,
  open: (site) =>
    Effect.gen(function* () {
      const path = file(site)
      const use = <A, E>(f: (register: Register.Register) => Effect.Effect<A, E>) =>
        Effect.gen(function* () {
          const cell = yield* read(path, fault)
          const answer = yield* f(right(cell))
          write(path, cell)
          return answer
        })
      const register: Register.Register = {
        read: Effect.map(read(path, fault), (cell) => Option.fromUndefinedOr(cell.entries.at(-1))),
        write: (next, expected) => use((register) => register.write(next, expected)),
        remove: use((register) => register.remove)
      }
      return yield* DataAgent.fromRegister({ name, schema: State, claims: { ...claims, history: "none" }, register })
    }),
  tamper: (site) =>
    Effect.succeed({
      read: Effect.sync(() => new Uint8Array(readFileSync(file(site)))),
      write: (bytes) => Effect.sync(() => writeFileSync(file(site), bytes))
    })
})
