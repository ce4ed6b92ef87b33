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

/** A command of ioredis that carries a call, as long as that is under way. */
export type Request = IoCommand & { readonly call: Call }

/** Makes the commands of a call, each of which is handed over once. */
export type Requests = (call: Call, listener: Listener) => Request

/** Commands that know whether they were written, and are told their replies without the promises that ioredis would need. */
export const requestsOf = (Command: typeof IoCommand): Requests => {
  class CallRequest extends Command {
    call: Call

    constructor(call: Call, listener: Listener) {
      super(call.name, call.args.map(toArgument))
      this.call = call
      settleBy(this, listener, this.resolve, this.reject)
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

/*
 * V8 puts a function that is written where it is assigned to a property among the old objects, and ioredis has such ones: until
 * the next full collection they keep their command, and what that refers to is copied by each collection of the young objects. So
 * a command that is over refers to neither its call nor its reply: with them, loads at once spent a fifth of their time on that.
 */
const settleBy = (
  request: IoCommand & { call: Call },
  listener: Listener,
  resolve: (reply: unknown) => void,
  reject: (error: Error) => void
): void => {
  const end = (): Call => {
    const { call } = request
    request.call = over
    return call
  }
  // No assignments, for what is said above.
  Object.assign(request, {
    resolve: (reply: Reply) => {
      const call = end()
      // The promise is still settled, for who traces commands through `node:diagnostics_channel`.
      resolve(undefined)
      listener.replied(call, reply)
    },
    reject: (error: Error) => {
      const call = end()
      request.promise.catch(() => {})
      reject(error)
      listener.rejected(call, error)
    }
  })
}

const over: Call = {
  kind: "read",
  name: "ping",
  args: [],
  node: undefined,
  deadline: 0,
  answer: () => {},
  fail: () => {},
  isDone: true,
  handedAt: 0,
  socket: undefined,
  refused: undefined
}

// ioredis knows bytes by their being Buffers only.
const toArgument = (argument: Argument): string | number | Buffer =>
  typeof argument === "object" && !Buffer.isBuffer(argument)
    ? Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength)
    : argument
