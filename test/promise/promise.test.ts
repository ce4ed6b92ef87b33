import { setImmediate } from "node:timers/promises"
import {
  DataAgent,
  Embedder,
  EntropyConstrained,
  MemoryLog,
  Revision,
  SqlAgent,
  StreamAgent,
  Symbiont,
  Tenant,
  Transactional,
  VectorAgent,
  VolatileAgent
} from "dgents"
import {
  AgentClosed,
  connect,
  iterate,
  open,
  RevisionConflict,
  run,
  Schema,
  StateInvalid,
  StateNotFound,
  StateTooLarge,
  task,
  through,
  within
} from "dgents/promise"
import { SqliteDriver } from "dgents/sqlite"
import { Effect, Layer, Option, Stream } from "effect"
import { afterAll, describe, expect, it } from "vitest"

const Counter = Schema.Struct({ n: Schema.Number })
const counter = VolatileAgent.make({ name: "counter", schema: Counter, initial: { n: 0 }, history: "full" })
const inMemory = SqliteDriver.layer({ filename: ":memory:" })

/** What a promise was rejected with. */
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => "resolved",
    (error: unknown) => error
  )

const collect = async <A>(iterable: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for await (const item of iterable) all.push(item)
  return all
}

/** A promise, and its resolution by hand. */
const gate = () => Promise.withResolvers<void>()

const unhandled: Array<unknown> = []
process.on("unhandledRejection", (error) => unhandled.push(error))
afterAll(async () => {
  await setImmediate()
  expect(unhandled).toEqual([])
})

describe("an agent in promises", () => {
  it("loads, saves, updates, modifies, compares, deletes", async () => {
    await using agent = await open(counter)
    expect([agent.name, agent.key, agent.claims.durability]).toEqual(["counter", undefined, "volatile"])
    expect(await agent.load()).toEqual({ n: 0 })
    expect(await agent.current()).toBeUndefined()
    await agent.save({ n: 1 })
    expect(await agent.update(({ n }) => ({ n: n + 1 }))).toEqual({ n: 2 })
    expect(await agent.modify(async ({ n }) => [`was ${n}`, { n: n * 10 }] as const)).toBe("was 2")
    expect(await agent.modify(({ n }) => [n, { n }])).toBe(20)
    const current = await agent.current()
    expect(current).toMatchObject({ state: { n: 20 }, revision: 4 })
    expect(await agent.compareAndSave({ n: 5 }, Revision.make(4))).toBe(5)
    expect(await agent.at(Revision.make(1))).toMatchObject({ state: { n: 1 } })
    expect(await agent.restore(Revision.make(2))).toEqual({ n: 2 })
    await agent.delete()
    expect([await agent.load(), await agent.find()]).toEqual([{ n: 0 }, { n: 0 }])
  })

  it("shows history and changes as async iterables, each time anew", async () => {
    await using agent = await open(counter)
    for (const n of [1, 2, 3]) await agent.save({ n })
    const history = agent.history({ limit: 2 })
    for (let time = 0; time < 2; time++) {
      const seen: Array<number> = []
      for await (const { state } of history) seen.push(state.n)
      expect(seen).toEqual([3, 2])
    }
    const changes: Array<unknown> = []
    for await (const change of agent.changes()) {
      changes.push(change._tag === "Saved" ? change.state.n : "deleted")
      if (changes.length === 1) await agent.delete()
      else if (changes.length === 2) await agent.save({ n: 9 })
      else break
    }
    expect(changes).toEqual([3, "deleted", 9])
  })

  it("throws the typed errors themselves", async () => {
    await using agent = await open(VolatileAgent.make({ name: "strict", schema: Counter }))
    expect(await rejection(agent.load())).toBeInstanceOf(StateNotFound)
    expect(await agent.find()).toBeUndefined()
    // @ts-expect-error a state of another type
    expect(await rejection(agent.save({ n: "one" }))).toBeInstanceOf(StateInvalid)
    await agent.save({ n: 1 })
    const conflict = await rejection(agent.compareAndSave({ n: 2 }, Revision.absent))
    expect(conflict).toBeInstanceOf(RevisionConflict)
    expect(conflict).toMatchObject({ agent: "strict", expected: 0, actual: 1 })
    await expect(agent.at(Revision.make(7))).rejects.toThrow("is not kept")
    const initial = VolatileAgent.make({ name: "wrong", schema: Schema.Number, initial: Symbol("no") as never })
    expect(await rejection(open(initial))).toBeInstanceOf(StateInvalid)
  })

  it("rejects with what a function threw, and leaves the state as it was", async () => {
    await using agent = await open(counter)
    const thrown = new Error("mine")
    const late = async (): Promise<readonly [number, { n: number }]> => {
      await setImmediate()
      throw thrown
    }
    expect(await rejection(agent.modify(late))).toBe(thrown)
    expect(
      await rejection(
        agent.modify(() => {
          throw thrown
        })
      )
    ).toBe(thrown)
    expect(
      await rejection(
        agent.update(() => {
          throw thrown
        })
      )
    ).toBe(thrown)
    expect(await rejection(agent.modify(() => Promise.reject(undefined)))).toBeUndefined()
    expect(await agent.load()).toEqual({ n: 0 })
  })

  it("counts every increment of many at once", async () => {
    await using agent = await open(counter)
    await Promise.all(
      Array.from({ length: 50 }, () =>
        agent.modify(async ({ n }) => {
          await setImmediate()
          return [n, { n: n + 1 }]
        })
      )
    )
    expect(await agent.load()).toEqual({ n: 50 })
  })

  it("reports a write inside its own modify instead of waiting forever, also after an await", async () => {
    await using agent = await open(counter)
    await using other = await open(counter)
    const nested = agent.modify(async (state) => {
      await setImmediate()
      await other.save({ n: 7 })
      await agent.save(state)
      return [0, state]
    })
    await expect(nested).rejects.toThrow("inside its own modify")
    expect([await agent.load(), await other.load()]).toEqual([{ n: 0 }, { n: 7 }])
    // What is called in modify and comes later is no nested write.
    let later: Promise<void> = Promise.resolve()
    const { promise, resolve } = gate()
    await agent.modify((state) => {
      later = promise.then(() => agent.save({ n: 8 }))
      return [0, state]
    })
    resolve()
    await later
    expect(await agent.load()).toEqual({ n: 8 })
  })
})

describe("a signal", () => {
  it("gives a change up: the function is told, the state is as before, others go on", async () => {
    await using agent = await open(counter)
    const controller = new AbortController()
    const entered = gate()
    let told: unknown
    const given = agent.modify(
      async (state, signal) => {
        signal.addEventListener("abort", () => {
          told = "told"
        })
        entered.resolve()
        await new Promise(() => {})
        return [0, state]
      },
      { signal: controller.signal }
    )
    const waiting = agent.save({ n: 3 })
    await entered.promise
    controller.abort(new Error("enough"))
    expect(await rejection(given)).toMatchObject({ message: "enough" })
    await waiting
    expect([told, await agent.load()]).toEqual(["told", { n: 3 }])
  })

  it("that is aborted already starts nothing", async () => {
    await using agent = await open(counter)
    const signal = AbortSignal.abort("no")
    expect(await rejection(agent.save({ n: 1 }, { signal }))).toBe("no")
    expect(await rejection(open(counter, { signal }))).toBe("no")
    expect(await rejection(collect(agent.changes({ signal })))).toBe("no")
    expect(await agent.load()).toEqual({ n: 0 })
  })

  it("ends an iteration that waits, with its reason", async () => {
    await using agent = await open(counter)
    const controller = new AbortController()
    const seen: Array<unknown> = []
    await agent.save({ n: 1 })
    const reading = (async () => {
      for await (const change of agent.changes({ signal: controller.signal })) {
        seen.push(change)
        controller.abort("enough")
      }
    })()
    expect(await rejection(reading)).toBe("enough")
    expect(seen.length).toBe(1)
  })
})

describe("closing", () => {
  it("makes every later use an AgentClosed", async () => {
    const agent = await open(counter)
    await agent.close()
    await agent.close()
    for (const use of [agent.load(), agent.save({ n: 1 }), agent.modify((s) => [0, s]), collect(agent.history())])
      expect(await rejection(use)).toBeInstanceOf(AgentClosed)
    expect(await rejection(agent.load())).toMatchObject({ agent: "counter" })
  })

  it("ends iterations quietly, also those that nobody reads any more", async () => {
    const agent = await open(counter)
    await agent.save({ n: 1 })
    const forgotten = agent.changes()[Symbol.asyncIterator]()
    await forgotten.next()
    const reading = collect(agent.changes())
    await setImmediate()
    await agent.close()
    expect((await reading).length).toBe(1)
    expect(await forgotten.next()).toEqual({ done: true, value: undefined })
  })

  it("ends the streams that would never end, and what they hold", async () => {
    let isHeld = false
    const hold = (held: boolean) =>
      Effect.sync(() => {
        isHeld = held
      })
    const ticks = Stream.concat(Stream.make(1, 2), Stream.never).pipe(
      Stream.onStart(hold(true)),
      Stream.ensuring(hold(false))
    )
    const opened = await open(Effect.succeed({ ticks }))
    const [read, forgotten] = [collect(opened.ticks()), opened.ticks()[Symbol.asyncIterator]()]
    await forgotten.next()
    expect(isHeld).toBe(true)
    await opened.close()
    expect([await read, isHeld]).toEqual([[1, 2], false])
  })

  it("gives up what still runs, without an unhandled rejection when nobody awaits it", async () => {
    const agent = await open(counter)
    const entered = gate()
    const stuck = (entered: { resolve: () => void }) =>
      agent.modify(async (state) => {
        entered.resolve()
        await new Promise(() => {})
        return [0, state]
      })
    const awaited = stuck(entered)
    await entered.promise
    // Nobody hears of this one, nor of the one that waits for its turn.
    void agent.save({ n: 9 })
    await agent.close()
    expect(await rejection(awaited)).toBeInstanceOf(AgentClosed)
  })

  it("a block that throws closes what it opened, the last one first", async () => {
    const closed: Array<string> = []
    const noted = (name: string) =>
      Effect.tap(VolatileAgent.make({ name, schema: Counter }), () =>
        Effect.addFinalizer(() => Effect.sync(() => closed.push(name)))
      )
    const block = async () => {
      await using program = await connect(
        Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => closed.push("layer"))))
      )
      await using _first = await program.open(noted("first"))
      // Closed with the program.
      const second = await program.open(noted("second"))
      await program.open(noted("third"))
      await program.open(noted("fourth"))
      await second.close()
      throw new Error("out of the block")
    }
    await expect(block()).rejects.toThrow("out of the block")
    expect(closed).toEqual(["second", "first", "fourth", "third", "layer"])
  })

  it("a program that is closed opens nothing more", async () => {
    const program = await connect(Layer.empty)
    await program.close()
    expect(await rejection(program.open(counter))).toBeInstanceOf(AgentClosed)
    expect(await rejection(program.run(Effect.void))).toBeInstanceOf(AgentClosed)
  })

  it("an opening that fails leaves nothing open", async () => {
    const closed: Array<string> = []
    const failing = Effect.andThen(
      Effect.addFinalizer(() => Effect.sync(() => closed.push("first"))),
      Effect.fail("second does not open" as const)
    )
    expect(await rejection(open(failing))).toBe("second does not open")
    expect(closed).toEqual(["first"])
    await using program = await connect(Layer.empty)
    expect(await rejection(program.open(failing))).toBe("second does not open")
    expect(closed).toEqual(["first", "first"])
    const layer = Layer.effectDiscard(failing)
    expect(await rejection(connect(layer))).toBe("second does not open")
    expect(closed.length).toBe(3)
  })
})

describe("all of dgents", () => {
  it("a driver is shared by what is opened over it, one by one or together", async () => {
    await using app = await connect(inMemory)
    await using notes = await app.open(SqlAgent.family({ name: "notes", schema: Counter }))
    await notes.saveMany([
      ["a/1", { n: 1 }],
      ["a/2", { n: 2 }],
      ["b", { n: 3 }]
    ])
    expect((await collect(notes.keys({ prefix: "a/" }))).toSorted()).toEqual(["a/1", "a/2"])
    expect(await notes.loadMany(["a/2", "c"])).toEqual(new Map([["a/2", { n: 2 }]]))
    expect([await notes.has("b"), await notes.has("c")]).toEqual([true, false])
    await notes.deleteMany(["b"])
    expect(await notes.at("b").find()).toBeUndefined()
    await using both = await app.open({
      same: SqlAgent.family({ name: "notes", schema: Counter }),
      one: SqlAgent.make({ name: "one", schema: Counter, initial: { n: 5 } })
    })
    expect([await both.same.at("a/1").load(), await both.one.load()]).toEqual([{ n: 1 }, { n: 5 }])
    await using alone = await open(SqlAgent.make({ name: "x", schema: Counter }), { layer: inMemory })
    expect(await alone.find()).toBeUndefined()
  })

  it("combinators go around what a constructor makes, and bring what they add", async () => {
    await using agent = await open(
      through(counter, EntropyConstrained.make({ maxBytes: 9 }), (agent) => Effect.succeed(agent))
    )
    await agent.save({ n: 1 })
    expect(await agent.figures()).toMatchObject({ size: 7, limit: 9 })
    expect(agent.maxBytes).toBe(9)
    expect(await rejection(agent.save({ n: 12_345 }))).toBeInstanceOf(StateTooLarge)
    expect(await rejection(within(EntropyConstrained.child, () => agent.save({ n: 1 })))).toBeInstanceOf(StateTooLarge)
    expect(await run(DataAgent.exists(agent.effect))).toBe(true)
    expect(await collect(iterate(Stream.map(agent.effect.history(), ({ state }) => state.n)))).toEqual([1])
  })

  it("a tenant is that of all that its function awaits", async () => {
    await using notes = await open(
      through(VolatileAgent.family({ name: "notes", schema: Counter }), (family) => Tenant.make(family))
    )
    await within(Tenant.as("acme"), async () => {
      await setImmediate()
      await notes.at("today").save({ n: 1 })
      expect(await notes.at("today").modify(async (state) => [await collect(notes.keys()), state])).toEqual(["today"])
    })
    expect(await within(Tenant.as("other"), () => notes.has("today"))).toBe(false)
    await expect(notes.has("today")).rejects.toThrow("tenant")
  })

  it("a transaction is that of all that its function awaits, and rolled back when that throws", async () => {
    await using accounts = await open(
      through(VolatileAgent.family({ name: "accounts", schema: Schema.Number, initial: 10 }), Transactional.family)
    )
    const transfer = (amount: number) =>
      within(
        (effect) => Transactional.run(effect),
        async () => {
          await accounts.at("ada").update((balance) => balance - amount)
          await accounts.at("bob").update((balance) => balance + amount)
          if ((await accounts.at("ada").load()) < 0) throw new Error("too little")
        }
      )
    await transfer(4)
    await expect(transfer(7)).rejects.toThrow("too little")
    expect([await accounts.at("ada").load(), await accounts.at("bob").load()]).toEqual([6, 14])
  })

  it("events are appended, folded, decided on and followed", async () => {
    const account = StreamAgent.family({
      name: "accounts",
      events: Schema.TaggedStruct("Deposited", { amount: Schema.Number }),
      state: Schema.Number,
      initial: 0,
      fold: (balance, { amount }) => balance + amount
    })
    await using accounts = await open(account, { layer: MemoryLog.layer })
    const ada = accounts.at("ada")
    expect(await ada.append({ _tag: "Deposited", amount: 3 })).toBe(1)
    const answer = await ada.decide(async (balance) => [balance, [{ _tag: "Deposited" as const, amount: balance }]])
    expect([answer, await ada.load()]).toEqual([3, 6])
    expect((await collect(ada.events())).map(({ event }) => event.amount)).toEqual([3, 3])
    expect((await collect(ada.history())).map(({ state }) => state)).toEqual([3, 6])
    for await (const { position } of ada.changes({ from: 2 })) {
      expect(position).toBe(2)
      break
    }
    expect([await collect(accounts.keys()), (await ada.at(1)).state]).toEqual([["ada"], 3])
  })

  it("logic with a memory runs, and streams", async () => {
    const total = VolatileAgent.make({ name: "total", schema: Schema.Number, initial: 0 })
    const thrown = new Error("negative")
    const add = task(async (by: number, total: number, signal) => {
      if (by < 0) throw thrown
      await setImmediate(undefined, { signal })
      return [total + by, total + by] as const
    })
    await using adder = await open(through(total, (memory) => Symbiont.make({ memory, logic: add })))
    expect([await adder.run(40), await adder.run(2), adder.name]).toEqual([40, 42, "total"])
    expect(await rejection(adder.run(-1))).toBe(thrown)
    await using counting = await open(
      through(total, (memory) =>
        Symbiont.stream({ memory, logic: (to: number) => Stream.range(1, to), next: (_, outputs) => outputs.length })
      )
    )
    expect(await collect(counting.run(3))).toEqual([1, 2, 3])
  })

  it("a semantic memory is added to and searched", async () => {
    const Note = Schema.Struct({ text: Schema.String })
    const memory = VectorAgent.make({
      name: "notes",
      schema: Note,
      text: ({ text }) => text,
      items: (schema) => VolatileAgent.family({ name: "notes", schema })
    })
    await using notes = await open(memory, { layer: Embedder.layerLexical() })
    await notes.addMany([
      ["cat", { text: "the cat sleeps" }],
      ["ship", { text: "the ship sails" }]
    ])
    const [hit] = await notes.search({ text: "a sleeping cat sleeps", k: 1 })
    expect([hit?.id, await notes.size(), await notes.get("dog")]).toEqual(["cat", 2, undefined])
    await notes.update("cat", () => ({ text: "the cat wakes" }))
    await notes.remove("ship")
    expect(await notes.entries()).toEqual([["cat", { text: "the cat wakes" }]])
  })

  it("what is no agent is a record of functions", async () => {
    const users = new Map([["ada", 36]])
    await using ages = await open(
      Effect.succeed({
        name: "ages",
        at: (name: string) => Effect.succeed(Option.fromUndefinedOr(users.get(name))),
        all: Stream.fromIterable(users.values()),
        clear: Effect.sync(() => users.clear())
      })
    )
    expect([ages.name, await ages.at("ada"), await ages.at("bob")]).toEqual(["ages", 36, undefined])
    expect(await collect(ages.all())).toEqual([36])
    await ages.clear()
    expect(await ages.at("ada")).toBeUndefined()
  })

  it("services come by their tags", async () => {
    class Total extends DataAgent.Service<Total, typeof Counter.Type>()("test/Total") {}
    await using program = await connect(Layer.effect(Total, counter))
    await program.get(Total).save({ n: 4 })
    expect(await program.run(Effect.flatMap(Total, (total) => total.load))).toEqual({ n: 4 })
  })
})
