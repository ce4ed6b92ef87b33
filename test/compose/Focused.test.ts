import { expect, expectTypeOf, it } from "@effect/vitest"
import { Cached, type Claims, DataAgent, type Family, Focused, Revision, VolatileAgent } from "dgents"
import { Effect, Fiber, Optic, Option, Schema, Stream } from "effect"
import { backend, countingCodec } from "./support.ts"

const Settings = Schema.Struct({ theme: Schema.String, size: Schema.Number })
const Draft = Schema.Struct({ text: Schema.String })
const User = Schema.Struct({ name: Schema.String, settings: Settings, draft: Schema.optionalKey(Draft) })
type User = typeof User.Type

const user: User = { name: "Ada", settings: { theme: "dark", size: 1 } }
const users = VolatileAgent.make({ name: "user", schema: User, initial: user, history: "full" })
const whole = Optic.id<User>()
const settings = Focused.make({ lens: whole.key("settings"), schema: Settings })
const theme = Focused.make({ lens: whole.key("settings").key("theme"), schema: Schema.String })
const size = Focused.make({ lens: whole.key("settings").key("size"), schema: Schema.Number })
const name = Focused.make({ lens: whole.key("name"), schema: Schema.String })
const draft = Focused.makeOptional({ lens: whole.optionalKey("draft"), schema: Draft })

it.effect("a part loads, saves and modifies as an agent of its own, and leaves what is beside it alone", () =>
  Effect.gen(function* () {
    const agent = yield* users
    const part = settings(agent)
    expect(yield* part.load).toEqual(user.settings)
    expect(yield* part.current).toEqual(Option.none())
    yield* part.save({ theme: "light", size: 2 })
    expect(yield* agent.load).toEqual({ ...user, settings: { theme: "light", size: 2 } })
    expect(yield* theme(agent).update((theme) => `${theme}!`)).toBe("light!")
    expect(yield* agent.load).toEqual({ ...user, settings: { theme: "light!", size: 2 } })
    expect(yield* part.current).toEqual(
      yield* Effect.map(
        agent.current,
        Option.map((now) => ({ ...now, state: now.state.settings }))
      )
    )
  })
)

it.effect("the lens laws hold: get after put, put after get, put after put, of the part and of the whole", () =>
  Effect.gen(function* () {
    const agent = yield* users
    const part = settings(agent)
    yield* agent.save({ ...user, draft: { text: "x" } })
    const before = yield* agent.load
    yield* part.save(yield* part.load)
    expect(yield* agent.load).toEqual(before)
    yield* part.save({ theme: "a", size: 1 })
    expect(yield* part.load).toEqual({ theme: "a", size: 1 })
    yield* part.save({ theme: "b", size: 2 })
    const twice = yield* agent.load
    yield* agent.save(before)
    yield* part.save({ theme: "b", size: 2 })
    expect(yield* agent.load).toEqual(twice)
  })
)

it.effect("writers of different parts and of the whole never lose each other's writes", () =>
  Effect.gen(function* () {
    const agent = yield* users
    const writers = Array.from({ length: 60 }, (_, i) =>
      i % 3 === 0
        ? size(agent).modify((n) => Effect.as(Effect.yieldNow, [0, n + 1] as const), { retries: 0 })
        : i % 3 === 1
          ? name(agent).modify((n) => Effect.as(Effect.yieldNow, [0, `${n}.`] as const), { retries: 0 })
          : agent.modify((u) =>
              Effect.as(Effect.yieldNow, [0, { ...u, draft: { text: `${u.draft?.text ?? ""}-` } }] as const)
            )
    )
    yield* Effect.all(writers, { concurrency: "unbounded" })
    expect(yield* agent.load).toEqual({
      name: `Ada${".".repeat(20)}`,
      settings: { theme: "dark", size: 21 },
      draft: { text: "-".repeat(20) }
    })
  })
)

it.live("a save of a part survives a write of another part by another process in between", () =>
  Effect.gen(function* () {
    const below = backend({ schema: User, initial: user })
    const agent = yield* below.agent
    yield* agent.save(user)
    const meddle = below.commitElsewhere(JSON.stringify({ ...user, name: "Grace" }))
    let meddled = false
    below.hooks.afterRead = Effect.suspend(() => {
      if (meddled) return Effect.void
      meddled = true
      return Effect.asVoid(meddle)
    })
    yield* Effect.forkChild(size(agent).save(7)).pipe(Effect.flatMap(Fiber.join))
    expect(yield* agent.load).toEqual({ ...user, name: "Grace", settings: { theme: "dark", size: 7 } })
  })
)

it.effect("a save expected at a revision conflicts when anything of the whole was written since", () =>
  Effect.gen(function* () {
    const agent = yield* users
    yield* name(agent).save("Grace")
    const seen = Option.getOrThrow(yield* size(agent).current).revision
    yield* name(agent).save("Ada")
    const error = yield* Effect.flip(size(agent).compareAndSave(2, seen))
    expect(error).toMatchObject({ _tag: "RevisionConflict", expected: 1, actual: 2 })
    yield* size(agent).compareAndSave(2, Revision.make(2))
    expect(yield* size(agent).load).toBe(2)
  })
)

it.effect("a part that may be missing is created, deleted and created again, while the whole stays", () =>
  Effect.gen(function* () {
    const agent = yield* users
    const part = draft(agent)
    expect((yield* Effect.flip(part.load))._tag).toBe("StateNotFound")
    yield* part.compareAndSave({ text: "one" }, Revision.absent)
    expect(yield* part.load).toEqual({ text: "one" })
    yield* part.delete
    yield* part.delete
    expect(yield* agent.load).toEqual(user)
    expect(yield* part.current).toEqual(Option.none())
    expect(yield* Stream.runCollect(part.history())).toEqual([])
    // Others wrote meanwhile: a missing part is still what is expected.
    yield* name(agent).save("Grace")
    yield* part.compareAndSave({ text: "two" }, Revision.absent)
    yield* part.save({ text: "three" })
    expect((yield* Stream.runCollect(part.history())).map(({ state }) => state.text)).toEqual(["three", "two"])
    expect((yield* Effect.flip(part.at(Revision.make(1))))._tag).toBe("StateNotFound")
    expect((yield* part.at(Revision.make(4))).state).toEqual({ text: "two" })
    expect(yield* agent.load).toEqual({ ...user, name: "Grace", draft: { text: "three" } })
  })
)

it.effect("an initial of the whole is the initial of its parts, of those that it has", () =>
  Effect.gen(function* () {
    const agent = yield* VolatileAgent.make({ name: "user", schema: User, initial: { ...user, draft: { text: "hi" } } })
    expect(yield* draft(agent).load).toEqual({ text: "hi" })
    expect(yield* DataAgent.exists(draft(agent))).toBe(false)
    expect(yield* draft(yield* users).pipe(DataAgent.loadOption)).toEqual(Option.none())
  })
)

it.effect("what cannot be written is refused with words for it, and nothing is written", () =>
  Effect.gen(function* () {
    const agent = yield* users
    yield* agent.save(user)
    const always = yield* Effect.flip(settings(agent).delete)
    expect(always).toMatchObject({ _tag: "StateInvalid", agent: "user" })
    expect(always.message).toContain("always there")
    // Not a number according to the types: JavaScript callers exist.
    const wrong = yield* Effect.flip(size(agent).save("large" as unknown as number))
    expect(wrong).toMatchObject({ _tag: "StateInvalid", path: [] })
    const empty = yield* VolatileAgent.make({ name: "empty", schema: User })
    expect((yield* Effect.flip(size(empty).save(1))).message).toContain("save the whole first")
    expect((yield* Effect.flip(size(empty).load))._tag).toBe("StateNotFound")
    expect(Option.getOrThrow(yield* agent.current).revision).toBe(1)
  })
)

it.effect("changes tell of commits that changed the part, of its own saves, and of its deletion; of nothing else", () =>
  Effect.gen(function* () {
    const agent = yield* users
    const part = draft(agent)
    const seen: Array<string> = []
    const watching = yield* Effect.forkChild(
      Stream.runForEach(part.changes, (change) =>
        Effect.sync(() =>
          seen.push(change._tag === "Saved" ? `${change.revision} ${change.state.text}` : `${change.revision} deleted`)
        )
      )
    )
    yield* settle
    yield* agent.save(user) // 1: has no draft
    yield* part.save({ text: "a" }) // 2
    yield* name(agent).save("Grace") // 3: beside it
    yield* part.save({ text: "a" }) // 4: its own, though equal
    yield* agent.update((u) => ({ ...u, name: "Ada" })) // 5: beside it
    yield* agent.update((u) => ({ ...u, draft: { text: "b" } })) // 6: changed through the whole
    yield* settle
    yield* part.delete // 7
    yield* agent.update((u) => ({ ...u, name: "Grace" })) // 8
    yield* settle
    expect(seen).toEqual(["2 a", "4 a", "6 b", "6 deleted"])
    yield* Fiber.interrupt(watching)
  })
)

it.effect("modify reads the whole once and writes it once", () =>
  Effect.gen(function* () {
    const { codec, count } = countingCodec(User)
    const below = backend({ schema: codec, initial: user })
    const agent = yield* below.agent
    yield* agent.save(user)
    const before = { ...below.count, ...count }
    yield* size(agent).update((n) => n + 1)
    expect(below.count.reads - before.reads).toBe(1)
    expect(below.count.writes - before.writes).toBe(1)
    expect(count.encodings - before.encodings).toBe(1)
  })
)

it.effect("of a family the same part of every state is a family, listed and loaded together", () =>
  Effect.gen(function* () {
    const family = yield* VolatileAgent.family({ name: "users", schema: User, initial: user })
    const drafts = Focused.familyOptional(family, { lens: whole.optionalKey("draft"), schema: Draft })
    const names = family.pipe(Focused.family({ lens: whole.key("name"), schema: Schema.String }))
    yield* names.saveMany([
      ["a", "Ada"],
      ["b", "Grace"]
    ])
    yield* drafts.at("a").save({ text: "x" })
    expect([...(yield* names.loadMany(["a", "b"]))]).toEqual([
      ["a", "Ada"],
      ["b", "Grace"]
    ])
    expect([...(yield* drafts.loadMany(["a", "b"]))]).toEqual([["a", { text: "x" }]])
    expect(yield* Stream.runCollect(drafts.keys())).toEqual(["a"])
    expect((yield* Stream.runCollect(names.keys())).toSorted()).toEqual(["a", "b"])
    yield* drafts.deleteMany(["a"])
    expect(yield* drafts.has("a")).toBe(false)
    expect(yield* family.at("a").load).toEqual({ ...user, name: "Ada" })
  })
)

it.effect("goes under a cache and over one", () =>
  Effect.gen(function* () {
    const agent = yield* users
    const above = yield* Cached.make(size(agent))
    const below = size(yield* Cached.make(agent))
    yield* above.save(5)
    expect(yield* below.load).toBe(5)
    yield* below.save(6)
    yield* settle
    expect(yield* above.load).toBe(6)
  })
)

it("claims what the agent claims, of an exact history only some", () => {
  const claims: Claims.Claims = { durability: "power", consistency: "linearizable", sharing: "host", history: "full" }
  expect(Focused.claims(claims)).toEqual(claims)
  expect(Focused.claims({ ...claims, history: { bounded: 3 } })).toEqual({ ...claims, history: "some" })
})

it("a part has the type that its lens and its schema agree on", () => {
  const of = (agent: DataAgent.DataAgent<User>) => size(agent)
  expectTypeOf(of).returns.toEqualTypeOf<DataAgent.DataAgent<number>>()
  const optional = (family: Family.Family<User>) =>
    Focused.familyOptional(family, { lens: whole.optionalKey("draft"), schema: Draft })
  expectTypeOf(optional).returns.toEqualTypeOf<Family.Family<typeof Draft.Type>>()
})

const settle = Effect.repeat(Effect.yieldNow, { times: 20 })
