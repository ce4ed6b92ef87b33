/**
 * A family that many tenants share, of which each sees its own states alone. Who the tenant is, the running fiber says:
 * `Tenant.as(program, "acme")`; the program itself knows nothing of it.
 *
 * - Promises: what the family below promises, to each tenant. No key, listing, query, batch or subscription reaches a
 *   state of another tenant, and inside one tenant's program none can be entered.
 * - Costs: one look at the fiber's context an operation. The key below is longer by the tenant's name and one character;
 *   a query reads the tenant's states instead of being answered by the storage.
 * - Fails: as the family below does. Without a tenant, and with one that is not the fiber's, every operation fails with
 *   `StorageUnavailable`, which is not retryable. Other errors name the key as it is stored, tenant included.
 *
 * Law: under each tenant it keeps every law that the family below keeps, whatever is done meanwhile under another one.
 */
import { Context, Effect, Function, Option, Result, Stream } from "effect"
import type { Claims } from "../agents/Claims.ts"
import * as DataAgent from "../agents/DataAgent.ts"
import * as Family from "../agents/Family.ts"
import { type Lock, unlocked } from "../agents/internal/keyedLock.ts"
import type { StateRegister, Where } from "../agents/internal/stateRegister.ts"
import { RevisionConflict, StorageUnavailable } from "../agents/StateError.ts"

// Not exported: with it a program could leave its tenant.
const Current = Context.Reference<string | undefined>("dgents/compose/Tenant", { defaultValue: () => undefined })

// ---------------------------------------------------------------------------------------------------------------------
// Who the tenant is

/** The tenant of the running fiber. Forked fibers inherit it. */
export const current: Effect.Effect<Option.Option<string>> = Effect.map(Current, Option.fromUndefinedOr)

/**
 * Runs an effect, and the fibers that it forks, under a tenant. Inside one tenant's program another one cannot be
 * entered: that, and an empty name, is a defect.
 */
export const as: {
  (tenant: string): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, tenant: string): Effect.Effect<A, E, R>
} = Function.dual(2, <A, E, R>(effect: Effect.Effect<A, E, R>, tenant: string) =>
  Effect.flatMap(Current, (outer) => {
    if (tenant === "") return Effect.die(new Error("A tenant has to have a name: the one given is empty."))
    if (outer !== undefined && outer !== tenant)
      return Effect.die(
        new Error("A program that runs under one tenant tried to enter another one. Do so outside of both.")
      )
    return Effect.provideService(effect, Current, tenant)
  })
)

// ---------------------------------------------------------------------------------------------------------------------
// Claims

/** What it promises over a family: the same. */
export const claims = (below: Claims): Claims => below

// ---------------------------------------------------------------------------------------------------------------------
// make

/** The family as the tenant of the running fiber sees it. */
export const make = <S>(self: Family.Family<S>): Family.Family<S> =>
  under(self, (tenant) => (tenant === undefined ? Result.fail(nobody) : Result.succeed(tenant)))

/** The family as one tenant sees it, whether or not the fiber says so. A fiber of another tenant is refused. */
export const of: {
  (tenant: string): <S>(self: Family.Family<S>) => Family.Family<S>
  <S>(self: Family.Family<S>, tenant: string): Family.Family<S>
} = Function.dual(2, <S>(self: Family.Family<S>, tenant: string) =>
  under(self, (outer) => {
    if (tenant === "") return Result.fail("the tenant's name is empty")
    return outer === undefined || outer === tenant ? Result.succeed(tenant) : Result.fail(foreign)
  })
)

const nobody = "the fiber has no tenant; run it with Tenant.as(effect, tenant)"
const foreign = "it belongs to another tenant than the fiber does"

/** From the fiber's tenant to whose states are meant, or why nobody's are. */
type Whose = (current: string | undefined) => Result.Result<string, string>

// The first slash ends the tenant, whatever the key holds; so no tenant's prefix is that of another one.
const prefixOf = (tenant: string): string => `${tenant.replaceAll("%", "%25").replaceAll("/", "%2F")}/`

const under = <S>(self: Family.Family<S>, whose: Whose): Family.Family<S> => {
  /** Does something as the tenant. */
  const asTenant = <A, E, R>(
    where: Where,
    operation: string,
    use: (tenant: string) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | StorageUnavailable, R> =>
    Effect.flatMap(Current, (current): Effect.Effect<A, E | StorageUnavailable, R> => {
      const tenant = whose(current)
      return Result.isSuccess(tenant)
        ? use(tenant.success)
        : Effect.fail(new StorageUnavailable({ ...where, operation, reason: tenant.failure, retryable: false }))
    })

  const at = (key: string): DataAgent.DataAgent<S> => {
    const where: Where = { agent: self.name, key }
    // Mostly one tenant uses an agent many times.
    let last: { readonly tenant: string; readonly internals: DataAgent.Internals<S> } | undefined
    const below = (tenant: string): DataAgent.Internals<S> => {
      if (last?.tenant !== tenant) last = { tenant, internals: self.at(prefixOf(tenant) + key).internals }
      return last.internals
    }
    const within = <A, E>(operation: string, use: (register: StateRegister<S>) => Effect.Effect<A, E>) =>
      asTenant(where, operation, (tenant) => use(below(tenant).register))
    const stream = <A, E>(operation: string, use: (register: StateRegister<S>) => Stream.Stream<A, E>) =>
      Stream.unwrap(within(operation, (register) => Effect.succeed(use(register))))
    return DataAgent.fromInternals(where, self.codec, claims(self.claims), {
      register: {
        read: within("read", (register) => register.read),
        write: (draft, expected) =>
          within("write", (register) =>
            // An agent knows its own conflicts, which it tries again after, by its own name and key.
            Effect.mapErrorEager(register.write(draft, expected), (error) =>
              error._tag === "RevisionConflict" ? new RevisionConflict({ ...error, ...where }) : error
            )
          ),
        remove: within("delete", (register) => register.remove),
        history: (options) => stream("read the history of", (register) => register.history(options)),
        at: (revision) => within("read", (register) => register.at(revision)),
        asOf: (time) => within("read", (register) => register.asOf(time)),
        get changes() {
          return stream("watch", (register) => register.changes)
        }
      },
      lock: lockOf((tenant) => below(tenant).lock, whose),
      initial: self.at(key).internals.initial,
      isPerFiber: true
    })
  }

  const where: Where = { agent: self.name }
  const within = <A, E>(operation: string, use: (prefix: string) => Effect.Effect<A, E>) =>
    asTenant(where, operation, (tenant) => use(prefixOf(tenant)))
  return Family.fromAgents<S>({
    name: self.name,
    codec: self.codec,
    claims: claims(self.claims),
    at,
    keys: (options) =>
      Stream.unwrap(
        within("list", (prefix) =>
          Effect.succeed(
            Stream.map(self.keys({ prefix: prefix + (options?.prefix ?? "") }), (key) => key.slice(prefix.length))
          )
        )
      ),
    loadMany: (keys) =>
      within("read", (prefix) =>
        Effect.map(
          self.loadMany(Array.from(keys, (key) => prefix + key)),
          (states) => new Map([...states].map(([key, state]) => [key.slice(prefix.length), state]))
        )
      ),
    saveMany: (states) =>
      within("write", (prefix) => self.saveMany(Array.from(states, ([key, state]) => [prefix + key, state] as const))),
    deleteMany: (keys) => within("delete", (prefix) => self.deleteMany(Array.from(keys, (key) => prefix + key))),
    has: (key) => within("read", (prefix) => self.has(prefix + key))
  })
}

/** The lock of the tenant's own key; none where there is no tenant, since nothing is written then. */
const lockOf = (below: (tenant: string) => Lock, whose: Whose): Lock => {
  const withLock = <A, E, R>(use: (lock: Lock | undefined) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Current, (current) => {
      const tenant = whose(current)
      return use(Result.isSuccess(tenant) ? below(tenant.success) : undefined)
    })
  return {
    hold: (effect) => withLock((lock) => lock?.hold(effect) ?? effect),
    holdNow: (begin) => withLock((lock) => lock?.holdNow(begin) ?? unlocked(begin)),
    holdForUser: (effect) => withLock((lock) => lock?.holdForUser(effect) ?? effect)
  }
}
