// Opens the files given as a user to whom permissions apply, and prints what that says.
import { SqliteDriver } from "dgents/sqlite"
import { Effect } from "effect"

// What is loaded here may be readable for root alone.
await Effect.runPromise(Effect.scoped(SqliteDriver.make({ filename: ":memory:" })))
if (process.getuid?.() === 0) process.setuid?.(65534)

const answers = await Promise.all(
  process.argv.slice(2).map((filename) =>
    Effect.runPromise(
      Effect.map(Effect.flip(Effect.scoped(SqliteDriver.make({ filename }))), ({ _tag, message, ...error }) => ({
        tag: _tag,
        message,
        ...error
      }))
    )
  )
)
process.stdout.write(JSON.stringify(answers))
