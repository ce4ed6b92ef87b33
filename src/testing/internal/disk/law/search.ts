/** Opens the agent on the disks that crashes of one run leave behind, and on those that crashes of the recoveries leave. */
import { Effect } from "effect"
import { survives } from "../../../../agents/Claims.ts"
import * as CrashDisk from "../../../CrashDisk.ts"
import { random } from "../../../SeededScheduler.ts"
import { type Broken, broken, type Case } from "../../case.ts"
import { another, type Expectation, exactly, expectationAt, mismatch } from "./expectation.ts"
import { type Found, recover, recoverAndSave, type Unrecovered } from "./recovery.ts"
import type { Attempt, Script } from "./workload.ts"

/** How much of one run is looked at. */
export interface Effort {
  /** At most this many disks of one crash point and model. */
  readonly perPoint: number
  /** At most this many disks of the run. */
  readonly perRun: number
  /** On one disk in so many, another save is done. */
  readonly saveEvery: number
  /** On one disk in so many, the recovery is crashed in turn. */
  readonly crashEvery: number
  /** At most this many disks of each recovery that is crashed. */
  readonly perRecovery: number
  /** In one run of so many, a save is killed again and again, to see what piles up. */
  readonly litterEvery: number
}

// Stands for the 512 or 4 096 bytes of real disks: so that states of a usual size have several blocks.
const blockSize = 64

const quiet: CrashDisk.Options = { yields: false }

/** What files may be there besides those of a run without a crash: a lock, a floor, a temporary file. */
const slack = 3

/** A disk to open the agent on. */
interface Candidate {
  readonly point: CrashDisk.CrashPoint
  readonly image: CrashDisk.Image
}

export class Search<S> {
  readonly #run: Case<S>
  readonly #script: Script<S>
  readonly #attempts: ReadonlyArray<Attempt<S>>
  readonly #effort: Effort
  readonly #models: ReadonlyArray<CrashDisk.Model>
  readonly #next: () => number
  readonly #another: S

  constructor(run: Case<S>, script: Script<S>, attempts: ReadonlyArray<Attempt<S>>, effort: Effort) {
    this.#run = run
    this.#script = script
    this.#attempts = attempts
    this.#effort = effort
    // What is left in order is also among what is left in any way.
    this.#models = survives(run.world.claims.durability, "power") ? ["process", "posix"] : ["process"]
    this.#next = random(script.seed)
    this.#another = another(run.world, attempts)
  }

  /** Every crash point of the run. */
  all(disk: CrashDisk.CrashDisk): Effect.Effect<void, Broken> {
    const effort = this.#effort
    return Effect.gen({ self: this }, function* () {
      const points = [...disk.crashPoints()]
      this.#run.count("crash points", points.length)
      const most = yield* this.#filesWithout(disk)
      for (const [i, candidate] of this.#chosen(points).entries())
        yield* this.#check(candidate, most, i % effort.saveEvery === 0, i % effort.crashEvery === 0)
      if (this.#script.seed % effort.litterEvery === 0) yield* this.#litter(points)
    })
  }

  /** A kill at every point, and of the power cuts as many as there is room for, spread evenly. */
  #chosen(points: ReadonlyArray<CrashDisk.CrashPoint>): ReadonlyArray<Candidate> {
    const kills: Array<Candidate> = []
    const others: Array<Candidate> = []
    for (const point of points)
      for (const [i, candidate] of this.#candidates(point, this.#effort.perPoint).entries())
        (i === 0 ? kills : others).push(candidate)
    const { perRun } = this.#effort
    return [...this.#evenly(kills, perRun), ...this.#evenly(others, Math.max(1, perRun - kills.length))]
  }

  #evenly<A>(list: ReadonlyArray<A>, most: number): ReadonlyArray<A> {
    const stride = Math.max(1, list.length / most)
    const from = Math.floor(this.#next() * stride)
    return list.filter((_, i) => Math.floor((i - from) / stride) > Math.floor((i - from - 1) / stride))
  }

  #candidates(point: CrashDisk.CrashPoint, limit: number): ReadonlyArray<Candidate> {
    const seen = new Set<string>()
    const found: Array<Candidate> = []
    for (const model of point.isPending ? this.#models : ["process" as const])
      for (const image of point.images(model, { limit, blockSize, seed: this.#script.seed })) {
        if (seen.has(image.key)) continue
        seen.add(image.key)
        found.push({ point, image })
      }
    return found
  }

  #check({ image, point }: Candidate, most: number, saves: boolean, crashes: boolean): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const run = this.#run
      run.doing = `recovering from a crash ${point.describe}`
      run.count("disk images")
      const expected = expectationAt(this.#script, this.#attempts, point.at)
      const where = () => this.#where(point, image)
      // After a kill the system goes on, and with it all that is pending.
      const killed = image.model === "process" && image.lost.length === 0
      const disk = killed ? CrashDisk.resume(point, quiet) : CrashDisk.fromImage(image, quiet)
      const found = yield* this.#expect(where, expected, recover(run, disk))
      if (disk.openHandles > 0) yield* broken(`${where()}\nthe recovery left ${disk.openHandles} files open`)
      if (saves) yield* this.#save(where, expected, CrashDisk.fromImage(image, quiet), most)
      if (crashes) yield* this.#crashAgain(where, image.key, expected, found, disk)
      else if (killed) yield* this.#cutAfterReading(where, expected, found, disk)
    })
  }

  #where(point: CrashDisk.CrashPoint, image: CrashDisk.Image): string {
    const { key, model } = image
    const options = { limit: 4_096, blockSize }
    const inOrder =
      model === "posix" ? [...point.images("ordered", options)].find((other) => other.key === key) : undefined
    const { lost } = inOrder ?? image
    const kind =
      model === "process"
        ? "a kill"
        : inOrder === undefined
          ? "a power cut"
          : "a power cut (even of a file system that keeps the order of names)"
    const what = lost.length === 0 ? "nothing is lost" : `lost: ${lost.join("; ")}`
    return `${kind} after ${point.at} operations, ${point.describe}; ${what}`
  }

  #expect(
    where: () => string,
    expected: Expectation,
    recovery: Effect.Effect<Found, Unrecovered>
  ): Effect.Effect<Found, Broken> {
    return Effect.matchEffect(recovery, {
      onFailure: ({ reason }) => broken(`${where()}\n${reason}`),
      onSuccess: (found) => {
        const wrong = mismatch(this.#run.world, expected, found)
        return wrong === undefined ? Effect.succeed(found) : broken(`${where()}\n${wrong}`)
      }
    })
  }

  /** One more save works, gets a new revision, and leaves no more files than a run without a crash. */
  #save(where: () => string, expected: Expectation, disk: CrashDisk.CrashDisk, most: number) {
    return Effect.gen({ self: this }, function* () {
      const run = this.#run
      const state = this.#another
      const [before, after] = yield* Effect.mapError(recoverAndSave(run, disk, state), ({ reason }) => reason).pipe(
        Effect.catch((reason) => broken(`${where()}\n${reason}`))
      )
      const least = Math.max(expected.floor, before.current?.revision ?? 0)
      if (after.current?.key !== run.world.same.key(state))
        yield* broken(`${where()}\na save after the recovery was acknowledged and is not there`)
      const revision = after.current?.revision ?? 0
      if (revision <= least)
        yield* broken(
          `${where()}\na save after the recovery got revision ${revision}, though ${least} was used before it`
        )
      const files = disk.tree.size
      if (files > most + slack)
        yield* broken(
          `${where()}\n${files} files and directories are there after the recovery and one more save, against ${most} without a crash: ${[...disk.tree.keys()].join(", ")}`
        )
    })
  }

  /** Crashes of the recovery itself, and a power cut after what it found was read. */
  #crashAgain(
    where: () => string,
    key: string,
    expected: Expectation,
    found: Found,
    recovered: CrashDisk.CrashDisk
  ): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const run = this.#run
      const { perRecovery } = this.#effort
      run.count("recoveries crashed again")
      // What it looks like without any operation of the recovery has been checked.
      const seen = new Set<string>([key])
      let left = perRecovery
      // The end first: what was read then must not be taken back.
      for (let at = recovered.length; at >= 0 && left > 0; at--) {
        const isEnd = at === recovered.length
        if (isEnd) seen.clear()
        const allowed = isEnd ? exactly(found, expected.floor) : expected
        for (const point of recovered.crashPoints(at, at))
          for (const { image } of this.#candidates(point, Math.max(2, left))) {
            if (seen.has(image.key) || left <= 0) continue
            seen.add(image.key)
            left--
            run.count("disk images")
            yield* this.#expect(
              () => this.#again(where, point, image),
              allowed,
              recover(run, CrashDisk.fromImage(image, quiet))
            )
          }
        if (isEnd) seen.add(key)
      }
    })
  }

  #again(where: () => string, point: CrashDisk.CrashPoint, image: CrashDisk.Image): string {
    return `${where()}\nthen, in the recovery, ${this.#where(point, image)}`
  }

  /** Time travel: the power fails after a recovery has served its state. With nothing pending there is nothing to lose. */
  #cutAfterReading(
    where: () => string,
    expected: Expectation,
    found: Found,
    recovered: CrashDisk.CrashDisk
  ): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      for (const point of recovered.crashPoints(recovered.length))
        for (const { image } of this.#candidates(point, Math.ceil(this.#effort.perRecovery / 3)).slice(1)) {
          this.#run.count("disk images")
          yield* this.#expect(
            () => this.#again(where, point, image),
            exactly(found, expected.floor),
            recover(this.#run, CrashDisk.fromImage(image, quiet))
          )
        }
    })
  }

  /** How many files there are in a run without a crash, at most, one more save included. */
  #filesWithout(disk: CrashDisk.CrashDisk): Effect.Effect<number, Broken> {
    return Effect.gen({ self: this }, function* () {
      let most = 0
      for (const { acknowledged } of this.#attempts) {
        if (acknowledged === undefined) continue
        for (const point of disk.crashPoints(acknowledged.at, acknowledged.at))
          most = Math.max(most, CrashDisk.resume(point, quiet).tree.size)
      }
      for (const point of disk.crashPoints(disk.length)) {
        const last = CrashDisk.resume(point, quiet)
        yield* this.#must("at the end, without a crash", recoverAndSave(this.#run, last, this.#another))
        most = Math.max(most, last.tree.size)
      }
      return most
    })
  }

  /** Killed again and again in the middle of a save, and whatever that leaves is swept in the end. */
  #litter(points: ReadonlyArray<CrashDisk.CrashPoint>): Effect.Effect<void, Broken> {
    return Effect.gen({ self: this }, function* () {
      const start = points[Math.floor(this.#next() * points.length)]
      if (start === undefined) return
      const run = this.#run
      const rounds = 2 * slack
      let killed = CrashDisk.resume(start, quiet)
      let quietly = CrashDisk.resume(start, quiet)
      for (let round = 0; round <= rounds; round++) {
        const what = `a kill ${start.describe}, then ${round} kills in the middle of one more save`
        run.doing = what
        yield* this.#must(what, recoverAndSave(run, killed, this.#another))
        yield* this.#must(what, recoverAndSave(run, quietly, this.#another))
        if (round === rounds) break
        const at = Math.floor(this.#next() * (killed.length + 1))
        for (const point of killed.crashPoints(at, at)) killed = CrashDisk.resume(point, quiet)
        for (const point of quietly.crashPoints(quietly.length)) quietly = CrashDisk.resume(point, quiet)
      }
      if (killed.tree.size > quietly.tree.size + slack)
        yield* broken(
          `after a kill ${start.describe} and ${rounds} kills in the middle of one more save, ${killed.tree.size} files and directories are there, against ${quietly.tree.size} without the kills: ${[...killed.tree.keys()].join(", ")}`
        )
    })
  }

  #must<A>(what: string, effect: Effect.Effect<A, Unrecovered>): Effect.Effect<A, Broken> {
    return Effect.catch(effect, ({ reason }) => broken(`${what}\n${reason}`))
  }
}
