/// <reference lib="esnext.disposable" preserve="true" />
import { Context, Effect, Exit, Layer, Predicate, Scope } from "effect"
import { type Promised, promised } from "./promised.ts"
import { Runner, type Signal } from "./Runner.ts"

/** What opening answers: the value in promises, and its end. */
export type Opened<A> = Promised<A> & Handle<A>

/** What is open until it is closed, or until the block of its `await using` ends. */
export interface Handle<out A> extends AsyncDisposable {
  /** The value as Effect knows it: for combinators, queries, and all else in dgents that takes an agent. */
  readonly effect: A
  /** Closes what was opened. What still runs is given up and rejected with `AgentClosed`; iterations end. */
  readonly close: () => Promise<void>
}

/** What is opened together: a record of what constructors make. */
export type Openings<R> = Readonly<Record<string, Effect.Effect<unknown, unknown, R>>>

/** What comes of it. */
export type OpenedAll<T extends Openings<unknown>> = Opened<{ readonly [K in keyof T]: Effect.Success<T[K]> }>

/** Services that are open, such as the connection to a database, and what is opened over them. */
export interface Program<R> extends AsyncDisposable {
  /** Opens what a constructor or a combinator makes, or a record of such. */
  readonly open: {
    <A, E>(opening: Effect.Effect<A, E, R | Scope.Scope>, options?: Signal): Promise<Opened<A>>
    <T extends Openings<R | Scope.Scope>>(openings: T, options?: Signal): Promise<OpenedAll<T>>
  }
  /** The value behind a service tag. */
  readonly get: <I extends R, A>(tag: Context.Key<I, A>) => Promised<A>
  /** Runs any effect that needs no more than these services. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, R>, options?: Signal) => Promise<A>
  /** Closes all that was opened, the last one first, and then the services. */
  readonly close: () => Promise<void>
}

/** Opens the services of a layer: a driver, or the agents of a whole program behind their tags. */
export const connect = async <R, E>(layer: Layer.Layer<R, E>, options?: Signal): Promise<Program<R>> => {
  const scope = Scope.makeUnsafe()
  const builder = new Runner("the program", Context.empty(), scope)
  try {
    return fromContext(await builder.run(Layer.buildWithScope(layer, scope), options), scope)
  } catch (error) {
    await builder.close()
    throw error
  }
}

const fromContext = <R>(context: Context.Context<R>, scope: Scope.Closeable): Program<R> => {
  const runner = new Runner("the program", context, scope)
  const opened = new Set<() => Promise<void>>()
  const run = <A, E>(effect: Effect.Effect<A, E, R>, options?: Signal): Promise<A> =>
    runner.run(Effect.provideContext(effect, context), options)

  const openOne = async (opening: Effect.Effect<unknown, unknown, R | Scope.Scope>, options?: Signal) => {
    const own = Scope.forkUnsafe(scope)
    try {
      const value = await run(Scope.provide(opening, own), options)
      const one = new Runner(nameOf(value), context, own)
      const close = () => one.close().finally(() => opened.delete(close))
      opened.add(close)
      return withHandle(promised(value, one), value, close)
    } catch (error) {
      await Effect.runPromise(Scope.close(own, Exit.void))
      throw error
    }
  }

  const close = async () => {
    const errors: Array<unknown> = []
    for (const end of [...[...opened].reverse(), runner.close]) await end().catch((error) => errors.push(error))
    if (errors.length > 0) throw errors[0]
  }

  const program = {
    open: (opening: Effect.Effect<unknown, unknown, R | Scope.Scope> | Openings<R | Scope.Scope>, options?: Signal) =>
      openOne(Effect.isEffect(opening) ? opening : Effect.all(opening), options),
    get: <I extends R, A>(tag: Context.Key<I, A>) => promised(Context.get(context, tag), runner),
    run,
    close,
    [Symbol.asyncDispose]: close
  }
  // Sound: what is opened is answered as its type in promises, which a function that takes both kinds cannot say.
  return program as Program<R>
}

/** Opens an agent, a family, a memory, ...: what a constructor or a combinator makes, over the services of a layer. */
export const open: {
  <A, E>(opening: Effect.Effect<A, E, Scope.Scope>, options?: Signal): Promise<Opened<A>>
  <A, E, R, E2>(
    opening: Effect.Effect<A, E, R>,
    options: Signal & { readonly layer: Layer.Layer<Exclude<R, Scope.Scope>, E2> }
  ): Promise<Opened<A>>
} = async <A, E>(
  opening: Effect.Effect<A, E, Scope.Scope>,
  { layer = Layer.empty, signal }: Signal & { readonly layer?: Layer.Layer<never, unknown> } = {}
): Promise<Opened<A>> => {
  const program = await connect(layer, { signal })
  try {
    const opened = await program.open(opening, { signal })
    return { ...opened, close: program.close, [Symbol.asyncDispose]: program.close }
  } catch (error) {
    await program.close()
    throw error
  }
}

const withHandle = <A>(value: Promised<A>, effect: A, close: () => Promise<void>) => ({
  ...value,
  effect,
  close,
  [Symbol.asyncDispose]: close
})

const nameOf = (value: unknown): string =>
  Predicate.hasProperty(value, "name") && Predicate.isString(value.name) ? value.name : "what was opened"
