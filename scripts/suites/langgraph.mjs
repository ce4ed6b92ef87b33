/**
 * Each mistake made in LangGraph's checkpointer, with a witness: a short use that the published one stands and the broken
 * one does not. A mutant that nobody could tell from the original would prove nothing.
 */
import assert from "node:assert/strict"
// biome-ignore lint/correctness/noUndeclaredDependencies: installed where this file is copied to
import { emptyCheckpoint, MemorySaver, uuid6 } from "@langchain/langgraph-checkpoint"
import {
  CacheFirst,
  cached,
  FailedReadIsNone,
  HalfWrites,
  Late,
  LeakedLock,
  LeftRows,
  LostUpdates,
  OldestFirst,
  over,
  plainJson,
  reference,
  SafeNames,
  SilentFailure,
  startsOver,
  UnescapedLike,
  withoutCase,
  withSerde
} from "./langgraph-broken.mjs"
import { damage, soon, whileLocked } from "./support.mjs"

export { controls } from "./langgraph-controls.mjs"
export { reference }

const close = (saver) => saver.db.close()

const thread = (thread_id) => ({ configurable: { thread_id, checkpoint_ns: "" } })
const checkpoint = (values = {}) => ({ ...emptyCheckpoint(), id: uuid6(0), channel_values: values })
const put = (saver, id, state = checkpoint()) =>
  saver.put(thread(id), state, { source: "loop", step: 0, parents: {} }, {})
const values = async (saver, config) => (await saver.getTuple(config))?.checkpoint.channel_values
const writes = async (saver, config) => (await saver.getTuple(config))?.pendingWrites
const listed = async (tuples) => (await Array.fromAsync(tuples)).map((tuple) => tuple.checkpoint.id)

const apart = (one, other) => async (open) => {
  const saver = open()
  const mine = await put(saver, one, checkpoint({ of: one }))
  await put(saver, other, checkpoint({ of: other }))
  assert.deepEqual(await values(saver, thread(one)), { of: one })
  await saver.deleteThread(other)
  assert.deepEqual(await values(saver, mine), { of: one })
}

/** By the name of the mistake. */
export const mutants = {
  "lost update": {
    open: over(LostUpdates),
    witness: async (open) => {
      const saver = open()
      const config = await put(saver, "a")
      await Promise.all(["one", "two"].map((task) => saver.putWrites(config, [["channel", task]], task)))
      assert.equal((await writes(saver, config)).length, 2)
    }
  },
  "leaked lock": {
    open: over(LeakedLock),
    witness: async (open) => {
      const saver = open()
      await assert.rejects(saver.put({ configurable: {} }, checkpoint(), {}, {}))
      await soon(put(saver, "a"))
    }
  },
  "half a write": {
    open: over(HalfWrites),
    witness: async (open) => {
      const saver = open()
      const config = await put(saver, "a")
      const { serde } = saver
      saver.serde = {
        dumpsTyped: async (value) => {
          assert.notEqual(value, "refused")
          return serde.dumpsTyped(value)
        },
        loadsTyped: (type, data) => serde.loadsTyped(type, data)
      }
      const both = [
        ["one", 1],
        ["two", "refused"]
      ]
      await assert.rejects(saver.putWrites(config, both, "task"))
      assert.deepEqual(await writes(saver, config), [])
    }
  },
  "acknowledged early": {
    open: over(Late),
    witness: async (open) => {
      const saver = open()
      const config = await put(saver, "a", checkpoint({ n: 1 }))
      close(saver)
      assert.deepEqual(await values(open(), config), { n: 1 })
    }
  },
  "cut at 64 KiB": {
    open: withSerde((serde) => ({
      dumpsTyped: async (value) => {
        const [type, bytes] = await serde.dumpsTyped(value)
        return [type, bytes.subarray(0, 65_535)]
      },
      loadsTyped: (type, data) => serde.loadsTyped(type, data)
    })),
    witness: async (open) => {
      const saver = open()
      const config = await put(saver, "a", checkpoint({ text: "x".repeat(100_000) }))
      assert.equal((await values(saver, config)).text.length, 100_000)
    }
  },
  "plain JSON": {
    open: withSerde(() => plainJson),
    witness: async (open) => {
      const saver = open()
      const state = { map: new Map([["a", 1]]), set: new Set([1]), bytes: new Uint8Array([1, 2]) }
      assert.deepEqual(await values(saver, await put(saver, "a", checkpoint(state))), state)
    }
  },
  "delete leaves history": {
    open: over(LeftRows),
    witness: async (open) => {
      const saver = open()
      const state = checkpoint()
      const config = await put(saver, "a", state)
      await saver.putWrites(config, [["channel", "old"]], "task")
      await saver.deleteThread("a")
      await put(saver, "a", state)
      assert.deepEqual(await writes(saver, config), [])
    }
  },
  "oldest first": {
    open: over(OldestFirst),
    witness: async (open) => {
      const saver = open()
      const ids = []
      for (const _ of [1, 2, 3]) ids.unshift((await put(saver, "a")).configurable.checkpoint_id)
      assert.deepEqual(await listed(saver.list(thread("a"))), ids)
    }
  },
  "stale cache": {
    open: over(cached({ forgetOn: ["put", "deleteThread"], copy: true })),
    witness: async (open) => {
      const saver = open()
      const config = await put(saver, "a")
      assert.deepEqual(await writes(saver, config), [])
      await saver.putWrites(config, [["channel", 1]], "task")
      assert.equal((await writes(saver, config)).length, 1)
    }
  },
  aliasing: {
    open: over(cached({ forgetOn: ["put", "putWrites", "deleteThread"], copy: false })),
    witness: async (open) => {
      const saver = open()
      const config = await put(saver, "a", checkpoint({ list: [1] }))
      const tuple = await saver.getTuple(config)
      tuple.checkpoint.channel_values.list.push(2)
      assert.deepEqual(await values(saver, config), { list: [1] })
    }
  },
  "cache before store": {
    open: over(CacheFirst),
    witness: async (open, path) => {
      const saver = open()
      await put(saver, "a")
      const state = checkpoint()
      await whileLocked(path, () => assert.rejects(put(saver, "a", state)))
      const config = { configurable: { ...thread("a").configurable, checkpoint_id: state.id } }
      assert.equal(await saver.getTuple(config), undefined)
    }
  },
  "silent failure": {
    open: over(SilentFailure),
    witness: async (open, path) => {
      const saver = open()
      await put(saver, "a")
      await whileLocked(path, () => assert.rejects(put(saver, "a")))
    }
  },
  "failed read is none": {
    open: over(FailedReadIsNone),
    witness: async (open) => {
      const saver = open()
      const config = await put(saver, "a")
      saver.db.exec("DROP TABLE writes")
      await assert.rejects(saver.getTuple(config))
    }
  },
  "unescaped LIKE": { open: over(UnescapedLike), witness: apart("axb", "a_b") },
  "safe names": { open: over(SafeNames), witness: apart("a:b", "a/b") },
  "case folded": { open: withoutCase, witness: apart("Ada", "ada") },
  "damaged is new": {
    open: startsOver,
    witness: async (open, path) => {
      const saver = open()
      const config = await put(saver, "a", checkpoint({ n: 1 }))
      close(saver)
      damage(path)
      await assert.rejects(async () => open().getTuple(config))
    }
  }
}

/** How many of two checkpoints `list` gives with `limit: 0`, of which LangGraph's documentation says nothing. */
export const limitZero = async (path) => {
  const counts = []
  for (const saver of [reference(path), new MemorySaver()]) {
    for (const _ of [1, 2]) await put(saver, "a")
    counts.push((await listed(saver.list(thread("a"), { limit: 0 }))).length)
  }
  return counts
}
