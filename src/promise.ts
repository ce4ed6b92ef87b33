/**
 * The same agents for programs that know nothing of Effect: promises, async iterables, `await using`, and errors that are
 * thrown. Constructors and combinators are those of `dgents`; `open` is the way in.
 */
export { Schema } from "effect"
export * from "./agents/StateError.ts"
export type { Agent } from "./promise/Agent.ts"
export type { EventStream, EventStreamFamily } from "./promise/EventStream.ts"
export type { Family } from "./promise/Family.ts"
export { iterate, run, task, through, within } from "./promise/functions.ts"
export { connect, type Handle, type Opened, type OpenedAll, type Openings, open, type Program } from "./promise/open.ts"
export type { Answer, Member, Members, Plain, Promised, Runnable } from "./promise/promised.ts"
export type { Awaitable, Signal } from "./promise/Runner.ts"
export type { VectorMemory } from "./promise/VectorMemory.ts"
