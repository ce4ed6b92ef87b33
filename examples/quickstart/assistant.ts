// The assistant: finds passages, notices questions that were asked before, and remembers each turn.
import { EntropyConstrained, type StateError, Symbiont } from "dgents"
import { Effect } from "effect"
import type { Conversation, Memory, Turn } from "./memory.ts"

/** Drops the oldest quarter of the turns. */
const forget = ({ forgotten, turns }: Conversation): Conversation => {
  const drop = Math.ceil(turns.length / 4)
  return { turns: turns.slice(drop), forgotten: forgotten + drop }
}

export const makeAssistant = ({ conversation, passages, questions }: Memory) => {
  // Logic and memory, fused: turns that come at once are remembered one after the other, none is lost. The oldest ones
  // make room before the budget is hit.
  const remember = Symbiont.make({
    memory: conversation,
    logic: (turn: Turn, state: Conversation) =>
      EntropyConstrained.fit(conversation, { ...state, turns: [...state.turns, turn] }, forget).pipe(
        Effect.map((next) => [next.forgotten + next.turns.length, next] as const)
      )
  })

  const ask = (question: string) =>
    Effect.gen(function* () {
      const [hits, earlier] = yield* Effect.all([
        passages.search({ text: question, k: 3, minScore: 0.05 }),
        questions.search({ text: question, k: 1, minScore: 0.5 })
      ])
      const sources = hits.map((hit) => `${hit.item.file}:${hit.item.line}`)
      const turn: Turn = { askedAt: new Date(), question, sources }
      const number = yield* remember.run(turn)
      yield* questions.add(question, turn)
      return { hits, number, earlier: earlier[0]?.item }
    })

  return { ask }
}

export type Assistant = ReturnType<typeof makeAssistant>
export type AskError = StateError.StateError
