import { Effect, Option, Stream } from "effect"
import type { Family } from "../Family.ts"
import { type ReadError, StateCorrupt } from "../StateError.ts"
import { type Compiled, isPlain, plainOf, type Subject } from "./compile.ts"
import type { Cells, Plan, RowsPlan } from "./ir.ts"
import { answer, matches, type StoredRow } from "./memory.ts"
import { SchemaFields } from "./schemaFields.ts"
import * as Text from "./text.ts"

// States may be large: this many are read at once, and rows of a stream come in pages of this many.
const statesAtOnce = 16
const rowsInPage = 256

/** What a family answers for a plan: by its store where that can, and otherwise from all of its states, read one by one. */
export const cells = <S>(family: Family<S>, plan: Plan): Effect.Effect<ReadonlyArray<Cells>, ReadError> =>
  Effect.flatMap(asked(family, plan), (answers) =>
    answers === undefined
      ? Effect.map(
          Stream.runCollect(Stream.filter(stored(family, plan.over, family.keys()), (row) => matches(plan, row))),
          (rows) => answer(plan, rows)
        )
      : Effect.succeed(answers)
  )

const asked = <S>(family: Family<S>, plan: Plan): Effect.Effect<ReadonlyArray<Cells> | undefined, ReadError> =>
  // A store sees what is stored, which may be binary, encrypted, or of an older version.
  (isPlain(family) ? family.query?.(plan) : undefined) ?? Effect.succeed(undefined)

/** The answers of a plan, read. */
export const run = <S>(family: Family<S>, { plan, read }: Compiled<Plan>): Effect.Effect<Array<unknown>, ReadError> =>
  Effect.flatMap(cells(family, plan), (rows) => Effect.forEach(rows, read))

/** The answers of a plan without an order of its own, a page at a time. */
export const stream = <S>(family: Family<S>, { plan, read }: Compiled<RowsPlan>): Stream.Stream<unknown, ReadError> =>
  Stream.mapEffect(streamCells(family, plan), read)

type Rows = Effect.Effect<ReadonlyArray<Cells>, ReadError>

const streamCells = <S>(family: Family<S>, plan: RowsPlan): Stream.Stream<Cells, ReadError> => {
  // Each page begins after the last row of the one before, so that rows which come and go move no others.
  const key = plan.columns.findIndex((column) => column._tag === "Key")
  const revision = plan.columns.findIndex((column) => column._tag === "Revision")
  const pages = (first: ReadonlyArray<Cells>) =>
    Stream.paginate<Rows, Cells, ReadError>(Effect.succeed(first), (rows) =>
      Effect.map(rows, (found) => {
        const last = found.at(-1)
        if (last === undefined || found.length < rowsInPage) return [found, Option.none()]
        const after = { key: String(last[key]), revision: Number(last[revision]) }
        // By `cells`, in case that somebody changes how the history is kept meanwhile.
        return [found, Option.some(cells(family, { ...plan, after, limit: rowsInPage }))]
      })
    )
  return Stream.unwrap(
    Effect.map(asked(family, { ...plan, limit: rowsInPage }), (first) =>
      first === undefined ? streamStored(family, plan) : pages(first)
    )
  )
}

// Keys come in no particular order; they are small, and states are not.
const streamStored = <S>(family: Family<S>, plan: RowsPlan): Stream.Stream<Cells, ReadError> =>
  Stream.unwrap(
    Effect.map(Stream.runCollect(family.keys()), (keys) =>
      stored(family, plan.over, Stream.fromIterable([...keys].sort(Text.compare))).pipe(
        Stream.filter((row) => matches(plan, row)),
        Stream.map((row) => answer(plan, [row])),
        Stream.flattenIterable
      )
    )
  )

/** Every state, or every revision of it with the oldest first, as it is stored. */
const stored = <S>(
  family: Family<S>,
  over: Plan["over"],
  keys: Stream.Stream<string, ReadError>
): Stream.Stream<StoredRow, ReadError> => {
  const toRow = encoder(family)
  return over === "current"
    ? Stream.mapEffect(
        keys,
        (key) =>
          Effect.flatMap(family.at(key).current, (current) =>
            Option.isNone(current) ? Effect.succeed([]) : Effect.map(toRow(key, current.value), (row) => [row])
          ),
        { concurrency: statesAtOnce }
      ).pipe(Stream.flattenIterable)
    : Stream.flatMap(keys, (key) =>
        Stream.unwrap(
          Effect.map(
            Stream.runCollect(Stream.mapEffect(family.at(key).history(), (revisioned) => toRow(key, revisioned))),
            (rows) => Stream.fromIterable([...rows].reverse())
          )
        )
      )
}

const encoder = <S>(family: Subject<S>) => {
  const { parse } = SchemaFields.of(family.codec)
  const codec = plainOf(family)
  return (
    key: string,
    { revision, savedAt, state }: { readonly state: S; readonly revision: number; readonly savedAt: number }
  ): Effect.Effect<StoredRow, StateCorrupt> =>
    Effect.mapBoth(codec.encode(state), {
      onSuccess: (payload) => {
        const text = typeof payload === "string" ? payload : Buffer.from(payload).toString("utf8")
        return { key, revision, savedAt, payload: text, tree: parse(text) }
      },
      // What was loaded has been encoded before.
      onFailure: (error) =>
        new StateCorrupt({ agent: family.name, key, location: `revision ${revision}`, reason: error.reason })
    })
}
