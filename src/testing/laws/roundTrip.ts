import { Effect, Option } from "effect"
import { survives } from "../../agents/Claims.ts"
import { Broken } from "../internal/case.ts"
import { show } from "../internal/same.ts"
import { type Law, property, skip } from "../internal/world.ts"

/** What is saved comes back the same, from `load`, `current` and `history`; and encoding it again changes nothing. */
export const roundTrip: Law = {
  name: "round trip",
  rule: "what was saved is what is loaded, from the moment on that the save is acknowledged, from `load`, `current` and `at` alike.",
  plan: (world) =>
    property(world, {
      cases: world.states,
      show: (state) => [`save ${show(state)}`, "load"],
      holds: (state, run) =>
        Effect.gen(function* () {
          const { agent } = yield* run.open
          const encoded = yield* run.must("encode", agent.codec.encode(state))
          const decoded = yield* run.must("decode", agent.codec.decode(encoded))
          yield* run.same("decode(encode(state))", state, decoded)
          const again = yield* run.must("encode again", agent.codec.encode(decoded))
          const twice = yield* run.must("decode again", agent.codec.decode(again))
          yield* run.same("decode(encode(decode(encode(state))))", state, twice)
          if (!(yield* run.save("save", agent.save(state)))) return
          run.count("states")
          yield* run.same("load after save", state, yield* run.must("load", agent.load))
          const current = yield* run.must("current", agent.current)
          if (Option.isNone(current)) return yield* new Broken({ evidence: "current is none after a save" })
          yield* run.same("current after save", state, current.value.state)
          const at = yield* run.must("at(current revision)", agent.at(current.value.revision))
          yield* run.same("at(current revision)", state, at.state)
        })
    })
}

/** What is saved comes back the same after the agent was closed and opened again. */
export const reopen: Law = {
  name: "reopen round trip",
  rule: "what was saved is there, with its revision and time, when the agent has been closed and opened again: an acknowledgement means stored.",
  plan: (world) =>
    survives(world.claims.durability, "process")
      ? property(world, {
          cases: world.states,
          show: (state) => [`save ${show(state)}`, "reopen", "load"],
          holds: (state, run) =>
            Effect.gen(function* () {
              const first = yield* run.open
              if (!(yield* run.save("save", first.agent.save(state)))) return
              const before = yield* run.must("current", first.agent.current)
              yield* first.close
              run.count("reopenings")
              const { agent } = yield* run.open
              yield* run.same("load after reopening", state, yield* run.must("load", agent.load))
              const after = yield* run.must("current", agent.current)
              const revisions = [before, after].map(Option.map((current) => [current.revision, current.savedAt]))
              if (show(revisions[0]) !== show(revisions[1]))
                return yield* new Broken({
                  evidence: `revision and time were ${show(revisions[0])} before reopening, and are ${show(revisions[1])}`
                })
            })
        })
      : skip("the state does not outlive the agent's scope: durability volatile")
}
