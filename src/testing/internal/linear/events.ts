import type { Event, History, Operation } from "../../History.ts"

/** Operations from their events. */
export const fold = (events: Iterable<Event>): History => {
  const operations: Array<Operation> = []
  // Where in `operations` the last operation under an id is.
  const places = new Map<string, number>()
  const amend = (id: string, f: (operation: Operation) => Operation) => {
    const place = places.get(id)
    const operation = place === undefined ? undefined : operations[place]
    if (place !== undefined && operation !== undefined) operations[place] = f(operation)
  }
  for (const event of events) {
    if ("action" in event) {
      const { action, at, client, id, key } = event
      // An id that is used again belongs to a restarted process: the operation that had it stays open.
      places.set(id, operations.length)
      operations.push({ client, key, call: at, action, answer: { kind: "open" } })
    } else if ("ran" in event) amend(event.id, (operation) => withRun(operation, event.ran))
    else amend(event.id, (operation) => ({ ...operation, return: event.at, answer: event.answer }))
  }
  return operations.sort((a, b) => a.call - b.call)
}

const withRun = (operation: Operation, ran: { readonly read: string; readonly wrote: string }): Operation => {
  const { action } = operation
  return action.kind === "update" || action.kind === "modify" ? { ...operation, action: { ...action, ran } } : operation
}

/** The events that make a history, in the order of their times. */
export const unfold = (history: History): ReadonlyArray<Event> =>
  history
    .flatMap(({ action, answer, call, client, key, ...operation }, i): ReadonlyArray<Event> => {
      const id = `${client}#${i}`
      const called: Event = { id, at: call, client, key, action }
      return operation.return === undefined ? [called] : [called, { id, at: operation.return, answer }]
    })
    .sort((a, b) => a.at - b.at)
