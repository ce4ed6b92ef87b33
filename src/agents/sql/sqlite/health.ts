import { statSync } from "node:fs"
import { Effect, Exit } from "effect"
import type { Failure } from "../Engine.ts"
import type { Connection } from "./connection.ts"
import { readFailure } from "./errors.ts"
import type { Figures } from "./figures.ts"
import type { Answer } from "./protocol.ts"
import type { Writer } from "./writer.ts"

const look = <A>(connection: Connection, writer: Writer, body: () => A): Effect.Effect<A, Failure> =>
  Effect.suspend(() => {
    if (writer.isClosing) return Exit.fail<Failure>({ _tag: "Closed" })
    try {
      return Exit.succeed(body())
    } catch (error) {
      return Exit.fail(readFailure(error, connection.file))
    }
  })

/** See `SqliteDriverService.figures`. */
export const figures = (connection: Connection, writer: Writer): Effect.Effect<Figures, Failure> =>
  look(connection, writer, () => {
    const { db, file } = connection
    const number = (pragma: string) => Number(db.pragma(pragma, { simple: true }))
    const pageBytes = number("page_size")
    return {
      fileBytes: number("page_count") * pageBytes,
      freeBytes: number("freelist_count") * pageBytes,
      logBytes: statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0,
      ...writer.counts
    }
  })

/** See `SqliteDriverService.integrity`. */
export const integrity = (connection: Connection, writer: Writer): Effect.Effect<ReadonlyArray<string>, Failure> =>
  Effect.suspend(() => {
    if (writer.isClosing) return Exit.fail<Failure>({ _tag: "Closed" })
    const here = look(connection, writer, () => connection.check())
    const asked = writer.ask({ _tag: "Integrity" })
    if (asked === undefined) return here
    // A worker that cannot be started is made up for here.
    return Effect.matchEffect(
      Effect.tryPromise(() => asked),
      {
        onFailure: () => here,
        onSuccess: (answer) => found(answer)
      }
    )
  })

const found = (answer: Answer): Exit.Exit<ReadonlyArray<string>, Failure> =>
  answer._tag === "Integrity"
    ? Exit.succeed(answer.found)
    : answer._tag === "Failed"
      ? Exit.fail(answer.failure)
      : Exit.die(new Error(`the worker answered ${answer._tag}`))
