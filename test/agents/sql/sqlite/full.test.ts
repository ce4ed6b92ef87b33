import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { smallDisk } from "../../smallDisk.ts"
import { run } from "../children/run.ts"

it.live("a disk that is really full fails typed, keeps what was acknowledged, and works again with room", () =>
  Effect.gen(function* () {
    const { directory, isMounted } = yield* smallDisk(1_000)
    const { code, err, out } = yield* run("fullDisk.ts", [directory], { before: isMounted ? ":" : "ulimit -f 1200" })
    expect([code, err]).toEqual([0, ""])
    const { alone, together, ...rest } = JSON.parse(out)
    // Where a limit on each file stands in for the disk nothing makes room.
    const roomAgain = isMounted ? { again: "saved", reopened: "after" } : {}
    expect(rest).toMatchObject({ kept: true, integrity: [], ...roomAgain })
    expect(alone).toContain("saved")
    for (const answers of [alone, together]) {
      const failed = answers.filter((answer: string) => answer !== "saved")
      expect(failed.length).toBeGreaterThan(0)
      for (const answer of failed)
        expect(answer).toMatch(isMounted ? /^StorageUnavailable: .*the disk is full; free some space/ : /^(Stor|Write)/)
    }
  })
)
