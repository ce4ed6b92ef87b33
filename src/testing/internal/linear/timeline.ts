/** One operation to draw. */
export interface Span {
  readonly client: string
  readonly call: number
  readonly return?: number | undefined
  readonly label: string
  /** The one to look at. */
  readonly marked: boolean
}

// What a terminal or the log of a test runner shows without wrapping.
const widest = 118

/**
 * Operations as bars, one lane a client, time from left to right: what does not overlap happened one after the other. The
 * marked ones are underlined. Where the labels take too much room, the bars are numbered and a list says what they are.
 */
export const timeline = (spans: ReadonlyArray<Span>): string => {
  const sorted = [...spans].sort((a, b) => a.call - b.call)
  const drawn = draw(sorted, (span) => span.label)
  if (Math.max(0, ...drawn.map((line) => line.length)) <= widest) return drawn.join("\n")
  const numbers = new Map(sorted.map((span, i) => [span, String(i + 1)]))
  const width = Math.max(...sorted.map(({ client }) => client.length))
  const list = sorted.map((span, i) => `${String(i + 1).padStart(3)}  ${span.client.padEnd(width)}  ${span.label}`)
  return [...draw(sorted, (span) => numbers.get(span) ?? ""), "", ...list].join("\n")
}

const draw = (spans: ReadonlyArray<Span>, text: (span: Span) => string): ReadonlyArray<string> => {
  const { end, from, to } = columns(spans, text)
  const margin = Math.max(0, ...spans.map(({ client }) => client.length)) + 2
  return rows(spans).flatMap((row, i, all) => {
    let line = ""
    let under = ""
    for (const span of row) {
      const [start, stop] = [from.get(span) ?? 0, to.get(span) ?? end]
      const inside = `[ ${text(span)} `
      const bar =
        span.return === undefined ? `${inside.padEnd(stop - start, ".")}` : `${inside.padEnd(stop - start, "-")}]`
      line = line.padEnd(start) + bar
      if (span.marked) under = under.padEnd(start) + "^".repeat(bar.length)
    }
    const client = row[0]?.client ?? ""
    const name = all[i - 1]?.[0]?.client === client ? "" : client
    return [name.padEnd(margin) + line, ...(under === "" ? [] : ["".padEnd(margin) + under])]
  })
}

/** Where each bar begins and ends: in the order of the times, and as near to each other as the texts allow. */
const columns = (spans: ReadonlyArray<Span>, text: (span: Span) => string) => {
  const from = new Map<Span, number>()
  const to = new Map<Span, number>()
  const events = spans
    .flatMap((span) => [
      { span, at: span.call, isReturn: false },
      ...(span.return === undefined ? [] : [{ span, at: span.return, isReturn: true }])
    ])
    .sort((a, b) => a.at - b.at || Number(a.isReturn) - Number(b.isReturn))
  let column = -2
  for (const { isReturn, span } of events) {
    column += 2
    if (isReturn) {
      column = Math.max(column, (from.get(span) ?? 0) + text(span).length + 3)
      to.set(span, column)
    } else from.set(span, column)
  }
  const longest = spans.map((span) => (from.get(span) ?? 0) + text(span).length + 6)
  return { from, to, end: Math.max(column + 2, ...longest.filter((_, i) => spans[i]?.return === undefined)) }
}

/** Lanes, clients in the order of their first call; what overlaps in one client (an open operation) gets another row. */
const rows = (spans: ReadonlyArray<Span>): ReadonlyArray<ReadonlyArray<Span>> => {
  const clients = new Map<string, Array<Array<Span>>>()
  for (const span of spans) {
    const lanes = clients.get(span.client) ?? []
    clients.set(span.client, lanes)
    const free = lanes.find((lane) => (lane.at(-1)?.return ?? Number.POSITIVE_INFINITY) < span.call)
    if (free === undefined) lanes.push([span])
    else free.push(span)
  }
  return [...clients.values()].flat()
}
