import { explain, type IoError, Unsettled } from "../../file/ioError.ts"
import { LockTimeout } from "../../file/lock.ts"
import { LogCorrupt } from "../../file/log/scan.ts"
import type { Failure } from "../../internal/backend.ts"

/** What the operations on the files of a stream fail with. */
export type FileFailure = IoError | Unsettled | LogCorrupt | LockTimeout

/** The same as a log says it. */
export const failureOf = (error: FileFailure): Failure => {
  if (error instanceof LogCorrupt)
    return { _tag: "Corrupt", location: `${error.path}, byte ${error.offset}`, reason: error.reason }
  if (error instanceof LockTimeout) return { _tag: "Unavailable", reason: error.message, retryable: true, cause: error }
  if (error instanceof Unsettled) {
    const reason = `a step after the events were in place failed: ${explain(error.error)[0]}`
    return { _tag: "Indeterminate", reason, cause: error.error.cause }
  }
  const [reason, retryable] = explain(error)
  return { _tag: "Unavailable", reason, retryable, cause: error.cause }
}
