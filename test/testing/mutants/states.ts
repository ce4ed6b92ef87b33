/** Agents that break the laws of states, of concurrency, of families and of damaged bytes. */
import { type Codec, Register, Revision } from "dgents"
import { Effect, Exit, Option, Semaphore, Stream } from "effect"
import { fileSubject } from "./file.ts"
import { emptyCell, right, type State, subject } from "./memory.ts"
import { type Mutant, mutant } from "./mutant.ts"

const scripts = "scripts against a model"
const counted = "concurrent increments are all counted"
const keysApart = "hostile keys stay apart"
const hostile = "hostile values come back equal or are refused"

/** JSON as one writes it without thinking: dates become text, NaN becomes null, -0 becomes 0. */
const carelessCodec = (honest: Codec.Codec<State>): Codec.Codec<State> => ({
  ...honest,
  encode: (state) => Exit.succeed(JSON.stringify(state)),
  // What the careless author casts, too.
  decode: (payload) => Exit.succeed(JSON.parse(String(payload)) as State)
})

const cutStrings = (text: string): string =>
  text.length <= 65_536
    ? text
    : JSON.stringify(
        JSON.parse(text, (_key, value: unknown) => (typeof value === "string" ? value.slice(0, 65_536) : value))
      )

type Change<A, E, R> = (state: State) => Effect.Effect<readonly [A, State], E, R>

const likeToRegExp = (prefix: string): RegExp =>
  new RegExp(
    `^${[...`${prefix}%`].map((c) => (c === "%" ? "[^]*" : c === "_" ? "[^]" : c.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&"))).join("")}$`,
    "i"
  )

export const stateMutants = (honest: Codec.Codec<State>): ReadonlyArray<Mutant> => [
  mutant(
    counted,
    subject("read-modify-write without a lock", {
      agent: (agent) => ({
        modify: <A, E, R>(f: Change<A, E, R>) =>
          Effect.gen(function* () {
            const [answer, next] = yield* f(yield* agent.load)
            yield* agent.save(next)
            return answer
          })
      })
    })
  ),
  mutant(
    "of many compareAndSave one wins",
    subject("the expected revision is not compared", {
      register: (_cell, right) => ({ write: (next) => right.write(next, "any") })
    })
  ),
  mutant(
    "of many compareAndSave one wins",
    subject("the revision is compared before a yield, and written after it", {
      agent: (agent) => ({
        compareAndSave: (state, expected) =>
          Effect.gen(function* () {
            const current = yield* agent.current
            yield* Register.check(
              { agent: agent.name },
              expected,
              Option.isSome(current) ? current.value.revision : Revision.absent
            )
            yield* Effect.yieldNow
            yield* agent.save(state)
            const saved = yield* agent.current
            return Option.isSome(saved) ? saved.value.revision : Revision.absent
          })
      })
    })
  ),
  mutant(
    "a write cut short leaves state and lock as they were",
    subject("a lock that is leaked by an interrupt", {
      agent: (agent) => {
        const lock = Semaphore.makeUnsafe(1)
        return {
          modify: <A, E, R>(f: Change<A, E, R>) =>
            Effect.gen(function* () {
              yield* lock.take(1)
              const exit = yield* Effect.exit(agent.modify(f))
              yield* lock.release(1)
              return yield* exit
            })
        }
      }
    }),
    250
  ),
  mutant(
    "a write cut short leaves state and lock as they were",
    subject("modify leaves a mark before its function has finished", {
      agent: (agent) => ({
        modify: <A, E, R>(f: Change<A, E, R>) =>
          Effect.andThen(
            agent.update((state) => ({ ...state, tags: [...state.tags, "in progress"] })),
            agent.modify(f)
          )
      })
    })
  ),
  mutant(
    "reopen round trip",
    subject("acknowledged before it is stored", {
      register: (cell) => {
        const mine = { ...cell, entries: [...cell.entries] }
        const buffered = right(mine)
        return {
          ...buffered,
          write: (next, expected) => {
            // Flushed by the write after it, which may never come.
            cell.entries = [...mine.entries]
            cell.last = mine.last
            return buffered.write(next, expected)
          }
        }
      }
    })
  ),
  mutant(
    hostile,
    subject("a string is cut at 64 KiB", {
      register: (_cell, right) => ({
        write: (next, expected) => right.write({ ...next, state: cutStrings(String(next.state)) }, expected)
      })
    })
  ),
  mutant("round trip", subject("plain JSON", { codec: carelessCodec(honest) })),
  mutant(
    scripts,
    subject("delete leaves the history", {
      register: (cell, right) => {
        const graves: Array<Register.Entry> = []
        return {
          remove: Effect.suspend(() => {
            graves.push(...cell.entries)
            return right.remove
          }),
          history: (options) =>
            Stream.concat(
              right.history?.(options) ?? Stream.empty,
              Stream.suspend(() => Stream.fromIterable([...graves].reverse()))
            )
        }
      }
    })
  ),
  mutant(
    scripts,
    subject("a revision is used again after a delete", {
      register: (cell, right) => ({
        remove: Effect.tap(right.remove, () =>
          Effect.sync(() => {
            cell.last = 0
          })
        )
      })
    })
  ),
  mutant(
    scripts,
    subject("history oldest first", {
      register: (cell) => ({
        history: ({ before, limit } = {}) =>
          Stream.suspend(() =>
            Stream.fromIterable(cell.entries.filter((e) => before === undefined || e.revision < before).slice(0, limit))
          )
      })
    })
  ),
  mutant(
    scripts,
    subject("a state at a time is the one that was saved next", {
      register: (cell) => ({
        asOf: (time) => Effect.sync(() => Option.fromUndefinedOr(cell.entries.find((e) => e.savedAt >= time)))
      })
    })
  ),
  mutant(
    scripts,
    subject("history with limit 0 means all of it", {
      register: (_cell, right) => ({
        history: (options) =>
          right.history?.({ ...options, limit: options.limit === 0 ? undefined : options.limit }) ?? Stream.empty
      })
    })
  ),
  mutant(
    scripts,
    subject("a cache that compareAndSave does not invalidate", {
      agent: (agent) => {
        let cache: Option.Option<State> = Option.none()
        const filled = Effect.tap(agent.load, (state) =>
          Effect.sync(() => {
            cache = Option.some(state)
          })
        )
        const clear = Effect.sync(() => {
          cache = Option.none()
        })
        return {
          load: Effect.suspend(() => (Option.isSome(cache) ? Effect.succeed(cache.value) : filled)),
          save: (state) => Effect.andThen(agent.save(state), clear),
          update: (f, options) => Effect.tap(agent.update(f, options), () => clear),
          modify: (f, options) => Effect.tap(agent.modify(f, options), () => clear),
          delete: Effect.andThen(agent.delete, clear)
        }
      }
    })
  ),
  mutant(
    "changes give each commit once, in order",
    subject("changes that drop what a slow subscriber has no room for", {
      agent: (agent) => ({ changes: Stream.buffer(agent.changes, { capacity: 1, strategy: "dropping" }) })
    }),
    250
  ),
  mutant(
    "changes give each commit once, in order",
    subject("changes that do not tell of deletions", {
      agent: (agent) => ({ changes: Stream.filter(agent.changes, (change) => change._tag === "Saved") })
    }),
    250
  ),
  mutant(
    "no aliasing",
    subject("the stored object is handed out", {
      agent: (agent) => {
        let kept: State | undefined
        return {
          load: Effect.suspend(() => (kept === undefined ? agent.load : Effect.succeed(kept))),
          save: (state) =>
            Effect.map(agent.save(state), () => {
              kept = state
            }),
          update: (f, options) =>
            Effect.tap(agent.update(f, options), () =>
              Effect.sync(() => {
                kept = undefined
              })
            )
        }
      }
    })
  ),
  mutant(
    "use after closing is typed",
    subject("a load that still answers after closing", {
      agent: (agent) => {
        let last: State | undefined
        return {
          save: (state) =>
            Effect.map(agent.save(state), () => {
              last = state
            }),
          load: Effect.catchTag(agent.load, "AgentClosed", (closed) =>
            last === undefined ? Effect.fail(closed) : Effect.succeed(last)
          )
        }
      }
    })
  ),
  mutant(
    keysApart,
    subject("an unescaped LIKE prefix", {
      store: (cells) => ({
        keys: (prefix) =>
          Stream.suspend(() =>
            Stream.fromIterable(
              [...cells].flatMap(([key, cell]) =>
                cell.entries.length > 0 && likeToRegExp(prefix).test(key) ? [key] : []
              )
            )
          )
      })
    })
  ),
  mutant(
    keysApart,
    subject("keys made safe for file names by replacing characters", {
      store: (_cells, base) => {
        const safe = (key: string) => key.replaceAll(/[^a-zA-Z0-9]/g, "_")
        return { at: (key) => base.at(safe(key)), keys: base.keys }
      }
    })
  ),
  mutant(
    keysApart,
    subject("keys that the back end compares without case", {
      store: (cells) => ({
        at: (key) => {
          const folded = key.toLowerCase()
          const cell = cells.get(folded) ?? emptyCell()
          cells.set(folded, cell)
          return right(cell)
        }
      })
    })
  ),
  mutant(
    "family scripts against a model",
    subject("a batch delete that stops at the first missing key", {
      store: (cells) => ({
        removeMany: (keys) =>
          Effect.sync(() => {
            const removed = new Map<string, Revision.Revision>()
            for (const key of keys) {
              const cell = cells.get(key)
              const revision = cell?.entries.at(-1)?.revision
              if (cell === undefined || revision === undefined) break
              cell.entries = []
              removed.set(key, revision)
            }
            return removed
          })
      })
    })
  ),
  mutant("damaged bytes are told", fileSubject("a file without a checksum", "no checksum")),
  mutant("damaged bytes are told", fileSubject("a damaged file is taken for a new one", "starts over")),
  mutant("opens, and is as strong as it says", {
    ...subject("an agent that is weaker than it is sold"),
    claims: { durability: "power", consistency: "linearizable", sharing: "process", history: "full" }
  })
]
