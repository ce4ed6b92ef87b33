import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { Worker } from "node:worker_threads"
import { it } from "@effect/vitest"
import { expect } from "vitest"
import * as Owner from "../../../src/agents/file/owner.ts"

const module = new URL("../../../src/agents/file/owner.ts", import.meta.url).href

it("an owner reads back from its text, and no two are the same", () => {
  const owners = Array.from({ length: 100 }, () => Owner.make())
  expect(owners.map((owner) => Owner.parse(Owner.format(owner)))).toEqual(owners)
  expect(new Set(owners.map(Owner.format)).size).toBe(100)
  expect(owners.every((owner) => /^[0-9a-z._]{1,130}$/.test(Owner.format(owner)))).toBe(true)
  for (const text of ["", "x", Owner.format(Owner.make()).slice(1), `${Owner.format(Owner.make())}.1`])
    expect(Owner.parse(text.replace(/^[0-9a-f]+/, ""))).toBeUndefined()
})

it("the threads of a process are owners of their own, and die on their own", async () => {
  const worker = new Worker(
    `import(${JSON.stringify(module)}).then((Owner) => {
       require("node:worker_threads").parentPort.postMessage(Owner.format(Owner.make()))
       setInterval(() => {}, 1000)
     })`,
    { eval: true, execArgv: ["--conditions=@dgents/source"] }
  )
  const [text] = await once(worker, "message")
  const owner = Owner.parse(text)
  if (owner === undefined) throw new Error(`not an owner: ${text}`)
  expect(owner.pid).toBe(process.pid)
  expect(Owner.isHere(owner)).toBe(false)
  expect(Owner.lifeOf(owner)).toBe("alive")
  await worker.terminate()
  // Elsewhere the system does not tell threads apart.
  expect(Owner.lifeOf(owner)).toBe(process.platform === "linux" ? "dead" : "alive")
})

it.runIf(process.platform === "linux")("a zombie is dead, before anybody has asked how it ended", async () => {
  const shell = spawn("/bin/sh", ["-c", "sleep 600 & echo $!; exec sleep 600"], { stdio: ["ignore", "pipe", "ignore"] })
  let child: number | undefined
  try {
    const [data] = await once(shell.stdout, "data")
    const pid = Number(String(data))
    child = pid
    const line = (of: number) => readFileSync(`/proc/${of}/stat`, "latin1")
    const until = async (done: () => boolean) => {
      while (!done()) await new Promise((resolve) => setImmediate(resolve))
    }
    // Once it is no shell any more, nobody asks how the child ended.
    await until(() => line(shell.pid ?? 0).includes("(sleep)"))
    const start = line(pid).split(") ")[1]?.split(" ")[19] ?? ""
    const owner = { ...Owner.make(), pid, thread: pid, start, session: "00" }
    expect(Owner.lifeOf(owner)).toBe("alive")
    process.kill(pid, "SIGKILL")
    await until(() => line(pid).includes(") Z "))
    child = undefined
    expect(Owner.lifeOf(owner)).toBe("dead")
  } finally {
    if (child !== undefined) process.kill(child, "SIGKILL")
    shell.kill("SIGKILL")
    await once(shell, "exit")
  }
})

it("a process of somebody else that we may not signal lives", () => {
  expect(Owner.lifeOf({ ...Owner.make(), pid: 1, thread: 1, start: "x", session: "00" })).toBe("alive")
})
