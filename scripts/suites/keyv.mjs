/** Each mistake made in Keyv's adapter, with a witness as in langgraph.mjs. */
import assert from "node:assert/strict"
import {
  CacheFirst,
  Cut,
  Late,
  LeakedLock,
  LostUpdates,
  over,
  PlainJson,
  reference,
  SafeNames,
  SilentFailure,
  StaleCache,
  StopsEarly,
  startsOver,
  withoutCase
} from "./keyv-broken.mjs"
import { damage, soon, whileLocked } from "./support.mjs"

export { controls } from "./keyv-controls.mjs"
export { reference }

const apart = (one, other) => async (open) => {
  const keyv = open()
  await keyv.set(one, 1)
  await keyv.set(other, 2)
  assert.equal(await keyv.get(one), 1)
}

/** By the name of the mistake. `open` makes the adapter, `Keyv` is what is put on top of it if not Keyv itself. */
export const mutants = {
  "lost update": {
    open: over(LostUpdates),
    witness: async (open) => {
      const keyv = open()
      await Promise.all(["a", "b"].map((key) => keyv.set(key, 1)))
      assert.deepEqual(await keyv.get(["a", "b"]), [1, 1])
    }
  },
  "leaked lock": {
    open: over(LeakedLock),
    witness: async (open, path) => {
      const keyv = open()
      await keyv.set("a", 1)
      await whileLocked(path, async () => assert.equal(await keyv.set("a", 2), false))
      await soon(keyv.set("a", 3))
      assert.equal(await keyv.get("a"), 3)
    }
  },
  "acknowledged early": {
    open: over(Late),
    witness: async (open) => {
      const keyv = open()
      await keyv.set("a", 1)
      await keyv.disconnect()
      assert.equal(await open().get("a"), 1)
    }
  },
  "cut at 64 KiB": {
    open: over(Cut),
    witness: async (open) => {
      const keyv = open()
      await keyv.set("a", "x".repeat(100_000))
      assert.equal((await keyv.get("a")).length, 100_000)
    }
  },
  "plain JSON": {
    open: reference,
    Keyv: PlainJson,
    witness: async (open) => {
      const keyv = open()
      await keyv.set("a", Buffer.from("bytes"))
      assert.deepEqual(await keyv.get("a"), Buffer.from("bytes"))
    }
  },
  "stale cache": {
    open: over(StaleCache),
    witness: async (open) => {
      const keyv = open()
      await keyv.set("a", 1)
      assert.equal(await keyv.get("a"), 1)
      await keyv.clear()
      assert.equal(await keyv.get("a"), undefined)
    }
  },
  "cache before store": {
    open: over(CacheFirst),
    witness: async (open, path) => {
      const keyv = open()
      await keyv.set("a", 1)
      await whileLocked(path, async () => assert.equal(await keyv.set("a", 2), false))
      assert.equal(await keyv.get("a"), 1)
    }
  },
  "silent failure": {
    open: over(SilentFailure),
    witness: async (open, path) => {
      const keyv = open()
      await keyv.set("a", 1)
      await whileLocked(path, async () => assert.equal(await keyv.set("a", 2), false))
    }
  },
  "unescaped LIKE": {
    open: reference,
    published: true,
    witness: async (open) => {
      const other = open("axb")
      await other.set("key", 1)
      await open("a_b").clear()
      assert.equal(await other.get("key"), 1)
    }
  },
  "safe names": { open: over(SafeNames), witness: apart("a/b", "a.b") },
  "case folded": { open: withoutCase, witness: apart("Ada", "ada") },
  "batch stops early": {
    open: over(StopsEarly),
    witness: async (open) => {
      const keyv = open()
      await keyv.set("b", 1)
      await keyv.delete(["a", "b"])
      assert.equal(await keyv.get("b"), undefined)
    }
  },
  "damaged is new": {
    open: startsOver,
    witness: async (open, path) => {
      const keyv = open()
      await keyv.set("a", 1)
      await keyv.disconnect()
      damage(path)
      // Keyv itself tells of a broken connection by an event and answers undefined.
      const told = Promise.withResolvers()
      const again = open()
      again.on("error", told.resolve)
      await again.get("a")
      await soon(told.promise)
    }
  }
}
