import { Effect, Schema } from "effect"
import { survives } from "../../agents/Claims.ts"
import { broken } from "../internal/case.ts"
import * as Gen from "../internal/gen.ts"
import { show } from "../internal/same.ts"
import { type Law, property, skip } from "../internal/world.ts"

/** Another schema for the same storage, with some of its states. */
interface Other {
  readonly name: string
  readonly schema: Schema.Codec<unknown, unknown>
  readonly states: Gen.Gen<unknown>
}

interface Evolved<S> {
  readonly other: number
  /** States of each of the other schemas, of which one is used. */
  readonly states: ReadonlyArray<unknown>
  readonly mine: S
}

/**
 * A state that was written under another schema (a field more, a field less, a field of another type, another thing
 * altogether) is `StateCorrupt`, and is left as it is, unless it is a state of this schema as well.
 */
export const evolution: Law = {
  name: "a state of another schema is told",
  rule: "a state that was written under another schema, and is none of this one, is StateCorrupt, and is left as it is.",
  plan: (world) => {
    const { openAs } = world.subject
    if (openAs === undefined) return skip("the subject cannot be opened under another schema (openAs)")
    if (!survives(world.claims.durability, "process"))
      return skip("the state does not outlive the agent's scope: durability volatile")
    const others = othersOf(world.codec.schema)
    return property(world, {
      cases: Gen.record<Evolved<(typeof world.pool)[0]>>({
        other: Gen.int(0, others.length - 1),
        states: tuple(others.map(({ states }) => states)),
        mine: world.pooled
      }),
      show: ({ other, states }) => [
        `save ${show(states[other])} under a schema with ${others[other]?.name}`,
        "open under the schema, load"
      ],
      holds: ({ mine, other, states }, run) =>
        Effect.gen(function* () {
          const { name, schema } = others[other] ?? others[0]
          const state = states[other]
          const asOther = run.onDisk(openAs(run.site, schema))
          const written = yield* run.must(
            `save under a schema with ${name}`,
            Effect.scoped(
              Effect.flatMap(asOther, (agent) => Effect.andThen(agent.save(state), agent.codec.encode(state)))
            )
          )
          const answer = yield* run.attempt(
            "open and load",
            Effect.scoped(Effect.flatMap(run.onDisk(world.subject.open(run.site)), (agent) => agent.load))
          )
          // Some values are states of both schemas, and a migration may make one of the other.
          const both = yield* Effect.option(world.codec.decode(written))
          if (answer.ok) {
            run.count("states of both")
            if (both._tag === "Some") return yield* run.same("load", both.value, answer.value)
            const valid = yield* Effect.exit(world.codec.validate(answer.value))
            if (valid._tag === "Failure")
              return yield* broken(`a state with ${name} was loaded as ${show(answer.value)}, which is no state`)
            return yield* broken(`a state with ${name} was loaded as ${show(answer.value)}, expected StateCorrupt`)
          }
          run.count("refusals")
          if (answer.error._tag !== "StateCorrupt")
            return yield* broken(`a state with ${name}: failed with ${answer.error._tag}, expected StateCorrupt`)
          const left = yield* run.attempt(
            `load under a schema with ${name} again`,
            Effect.scoped(
              Effect.flatMap(asOther, (agent) => Effect.flatMap(agent.load, (loaded) => agent.codec.encode(loaded)))
            )
          )
          if (!left.ok || show(left.value) !== show(written))
            return yield* broken(`what the other schema had written was changed by a load that refused it`)
          // Its own states go on working, once what is in the way was removed by the one who knows it.
          yield* run.must(
            "delete under the other schema",
            Effect.scoped(Effect.flatMap(asOther, (agent) => agent.delete))
          )
          const { agent } = yield* run.open
          yield* run.must("save", agent.save(mine))
          yield* run.same("load", mine, yield* run.must("load", agent.load))
        })
    })
  }
}

const tuple = <A>(gens: ReadonlyArray<Gen.Gen<A>>): Gen.Gen<ReadonlyArray<A>> =>
  Gen.map(Gen.record(Object.fromEntries(gens.map((gen, i) => [String(i), gen]))), (record) =>
    gens.map((_, i) => record[i] as A)
  )

const other = <T>(name: string, schema: Schema.Codec<T, unknown>): Other => ({
  name,
  // Sound: the schema is used with its own states alone.
  schema: schema as Schema.Codec<unknown, unknown>,
  states: Gen.values(schema)
})

/** A value that hardly any schema has. */
const Stranger = Schema.Struct({ evolvedFrom: Schema.Literal("another type") })

/** Other schemas, made from the given one. */
const othersOf = (schema: Schema.Codec<unknown, unknown>): readonly [Other, ...ReadonlyArray<Other>] => {
  const fields = fieldsOf(schema)
  const names = Object.keys(fields)
  // Sound: the fields come from a codec's schema, so they need no services.
  const struct = (changed: Schema.Struct.Fields) =>
    Schema.Struct(changed) as Schema.Top as Schema.Codec<unknown, unknown>
  const altogether = other("another type altogether", Stranger)
  const wrapped = other("the state inside a record", Schema.Struct({ version: Schema.Literal(2), state: schema }))
  return names.length === 0
    ? [altogether, wrapped]
    : [
        other("a field more", struct({ ...fields, evolvedField: Schema.String })),
        ...names.map((name) => {
          const { [name]: _, ...rest } = fields
          return other(`no field ${show(name)}`, struct(rest))
        }),
        ...names.map((name) => other(`a field ${show(name)} of another type`, struct({ ...fields, [name]: Stranger }))),
        altogether,
        wrapped
      ]
}

/** The fields of a struct or of a class; none of any other schema. */
const fieldsOf = (schema: Schema.Codec<unknown, unknown>): Schema.Struct.Fields =>
  "fields" in schema && typeof schema.fields === "object" && schema.fields !== null
    ? // Sound: what has `fields` among schemas is a struct or a class, and keeps its fields there.
      (schema.fields as Schema.Struct.Fields)
    : {}
