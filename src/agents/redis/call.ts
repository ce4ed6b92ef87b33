import type { Command as IoCommand } from "ioredis"
import type { Failure } from "../internal/backend.ts"
import type { Argument, Kind, Reply } from "./Server.ts"

/** A command on its way, from who asks to who is answered. */
export interface Call {
  /** `confirm` asks about writes before it on the same connection, and is worth nothing on another one. */
  readonly kind: Kind | "confirm"
  readonly name: string
  readonly args: ReadonlyArray<Argument>
  /** The node of a Cluster that it is for, where that is not up to its keys. */
  readonly node: string | undefined
  /** When its caller has waited long enough; as in `performance.now()`. */
  readonly deadline: number
  /** Called once. */
  readonly answer: (reply: Reply) => void
  /** Called once, and in place of `answer`. */
  readonly fail: (failure: Failure) => void
  /** Whether its caller waits no more: what is heard of it is nobody's business, and it must not be sent any more. */
  isDone: boolean
  /** When it was handed to ioredis; later, if it takes its time with good reason. */
  handedAt: number
  /** The connection that it was written to. `undefined`: the server has not seen it. */
  socket: object | undefined
  /** Why it was last refused for now. */
  refused: Failure | undefined
}

/** Who hears what becomes of a call that was handed over. */
export interface Listener {
  readonly replied: (call: Call, reply: Reply) => void
  readonly rejected: (call: Call, error: unknown) => void
}

/** A command of ioredis that carries a call. */
export type Request = IoCommand & { readonly call: Call }

/** Makes the commands of a call, each of which is handed over once. */
export type Requests = (call: Call, listener: Listener) => Request

/** Commands that know whether they were written, and are told their replies without the promises that ioredis would need. */
export const requestsOf = (Command: typeof IoCommand): Requests => {
  class CallRequest extends Command {
    readonly call: Call

    constructor(call: Call, listener: Listener) {
      super(call.name, call.args.map(toArgument))
      this.call = call
      const { reject, resolve } = this
      // The promise is still settled, for who traces commands through `node:diagnostics_channel`.
      this.resolve = (reply: Reply) => {
        resolve(reply)
        listener.replied(call, reply)
      }
      this.reject = (error) => {
        this.promise.catch(() => {})
        reject(error)
        listener.rejected(call, error)
      }
    }

    override toWritable(socket: object): string | Buffer {
      // It waited within ioredis, and its caller was told that it was not done.
      if (this.call.isDone) {
        this.name = "ping"
        this.args = []
      } else this.call.socket = socket
      return super.toWritable(socket)
    }
  }
  return (call, listener) => new CallRequest(call, listener)
}

// ioredis knows bytes by their being Buffers only.
const toArgument = (argument: Argument): string | number | Buffer =>
  typeof argument === "object" && !Buffer.isBuffer(argument)
    ? Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength)
    : argument
