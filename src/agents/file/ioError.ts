import { Data, type PlatformError } from "effect"
import { StorageUnavailable, WriteIndeterminate } from "../StateError.ts"

/** An I/O operation failed, and left what is visible as it was. */
export class IoError extends Data.TaggedError("IoError")<{
  readonly path: string
  readonly cause: PlatformError.PlatformError
}> {}

/** An I/O operation failed after the step that makes a change visible, or may have. */
export class Unsettled extends Data.TaggedError("Unsettled")<{ readonly error: IoError }> {}

/** The system's name of an error (`ENOSPC`), where the file system tells. */
export const codeOf = ({ reason }: PlatformError.PlatformError): string | undefined => {
  const cause = "cause" in reason ? reason.cause : undefined
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined
}

const forbidding: ReadonlySet<string | undefined> = new Set(["EACCES", "EPERM", "EROFS", "PermissionDenied"])

/** Whether the system does not let this process change what is there. */
export const isForbiddenError = (error: unknown): boolean =>
  error instanceof IoError && (forbidding.has(codeOf(error.cause)) || forbidding.has(error.cause.reason._tag))

const words: Readonly<Record<string, readonly [reason: string, retryable: boolean]>> = {
  ENOENT: ["it, or the directory that it should be in, does not exist", false],
  NotFound: ["it, or the directory that it should be in, does not exist", false],
  EACCES: ["permission was denied", false],
  EPERM: ["the system does not permit it", false],
  PermissionDenied: ["permission was denied", false],
  EROFS: ["the file system is read-only", false],
  ENOSPC: ["the disk is full", false],
  EDQUOT: ["the disk quota is used up", false],
  EFBIG: ["the file would be larger than the file system allows", false],
  EISDIR: ["it is a directory", false],
  ENOTDIR: ["it, or a part of its path, is not a directory", false],
  ENAMETOOLONG: ["its name is too long for the file system", false],
  ELOOP: ["its path has too many symbolic links", false],
  EEXIST: ["something else is in its place", false],
  AlreadyExists: ["something else is in its place", false],
  BadResource: ["something of another kind is in its place", false],
  BadArgument: ["the file system does not accept its name", false],
  EMFILE: ["this process has too many files open", true],
  ENFILE: ["the system has too many files open", true],
  ENOMEM: ["the system is out of memory", true],
  EBUSY: ["it is in use", true],
  Busy: ["it is in use", true],
  EAGAIN: ["it is in use", true],
  WouldBlock: ["it is in use", true],
  EINTR: ["the system interrupted the call", true],
  ETIMEDOUT: ["the file system did not answer in time", true],
  TimedOut: ["the file system did not answer in time", true],
  EIO: ["the disk reported an input/output error", true],
  WriteZero: ["the file system took none of the bytes", true]
}

/** What happened, in words, and whether a retry makes sense. */
export const explain = ({ cause, path }: IoError): readonly [reason: string, retryable: boolean] => {
  const code = codeOf(cause)
  const { _tag, method } = cause.reason
  const [reason, retryable] = words[code ?? _tag] ?? words[_tag] ?? [`the system reported ${code ?? _tag}`, false]
  return [`${path}: ${reason} (${method})`, retryable]
}

interface Where {
  readonly agent: string
  readonly key?: string | undefined
}

/** The one place where what the file system says becomes what an agent says. */
export const unavailable =
  (where: Where, operation: string) =>
  (error: IoError): StorageUnavailable => {
    const [reason, retryable] = explain(error)
    return new StorageUnavailable({ ...where, operation, reason, retryable, cause: error.cause })
  }

/** As `unavailable`, with the errors of agents as they are. */
export const failed =
  (where: Where, operation: string) =>
  <E>(error: E | IoError): Exclude<E, IoError> | StorageUnavailable =>
    // Sound: the other branch has taken IoError out.
    error instanceof IoError ? unavailable(where, operation)(error) : (error as Exclude<E, IoError>)

/** As `failed`, with a write as indeterminate whose last steps failed. */
export const failedWrite =
  (where: Where, operation: string) =>
  <E>(error: E | IoError | Unsettled): Exclude<E, IoError | Unsettled> | StorageUnavailable | WriteIndeterminate => {
    if (error instanceof IoError) return unavailable(where, operation)(error)
    if (error instanceof Unsettled) {
      const reason = `a step after the change was in place failed: ${explain(error.error)[0]}`
      return new WriteIndeterminate({ ...where, reason, cause: error.error.cause })
    }
    // Sound: both classes have just been taken out.
    return error as Exclude<E, IoError | Unsettled>
  }
