import { PlatformError } from "effect"

/** A system call that failed: thrown inside the simulated disk, told to users as Effect's own file system tells it. */
export class Failure {
  readonly code: Code
  readonly syscall: string

  constructor(code: Code, syscall: string) {
    this.code = code
    this.syscall = syscall
  }
}

const messages = {
  EACCES: [13, "permission denied"],
  EBADF: [9, "bad file descriptor"],
  EBUSY: [16, "resource busy or locked"],
  EEXIST: [17, "file already exists"],
  EINVAL: [22, "invalid argument"],
  EISDIR: [21, "illegal operation on a directory"],
  ELOOP: [40, "too many symbolic links encountered"],
  ENAMETOOLONG: [36, "name too long"],
  ENOENT: [2, "no such file or directory"],
  ENOSPC: [28, "no space left on device"],
  ENOTDIR: [20, "not a directory"],
  ENOTEMPTY: [39, "directory not empty"],
  EPERM: [1, "operation not permitted"],
  // Node's own name for `rm` of a directory that is not to be removed recursively.
  ERR_FS_EISDIR: [21, "Path is a directory: rm returned EISDIR (is a directory)"]
} as const satisfies Record<string, readonly [number, string]>

export type Code = keyof typeof messages

// As in @effect/platform-node-shared, internal/utils.ts.
const tags: Partial<Record<Code, PlatformError.SystemErrorTag>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  EISDIR: "BadResource",
  ENOTDIR: "BadResource",
  EBUSY: "Busy",
  ELOOP: "BadResource"
}

/** Errors are part of ordinary work here (is the file there?), and nobody reads where in this file they were made. */
const withoutStack = <A>(make: () => A): A => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = limit
  }
}

/** The error that users get. */
export const platformError = (
  { code, syscall }: Failure,
  method: string,
  path: string | number
): PlatformError.PlatformError =>
  withoutStack(() => {
    const [errno, message] = messages[code]
    const at = typeof path === "string" ? ` '${path}'` : ""
    const cause = Object.assign(new Error(`${code}: ${message}, ${syscall}${at}`), { code, errno: -errno, syscall })
    return PlatformError.systemError({
      _tag: tags[code] ?? "Unknown",
      module: "FileSystem",
      method,
      pathOrDescriptor: path,
      syscall,
      cause: typeof path === "string" ? Object.assign(cause, { path }) : cause
    })
  })

/** An argument that Node refuses before it asks the system. */
export class Refusal {
  readonly description: string

  constructor(description: string) {
    this.description = description
  }
}

export const badArgument = ({ description }: Refusal, method: string): PlatformError.PlatformError =>
  withoutStack(() => PlatformError.badArgument({ module: "FileSystem", method, description }))
