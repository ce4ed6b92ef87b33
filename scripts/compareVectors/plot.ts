/** A plot as SVG: recall, higher is better, against the time of a search, in logarithms. */

/** One way to search, with what its settings gave. */
export interface Line {
  readonly name: string
  readonly points: ReadonlyArray<{ readonly label: string; readonly recall: number; readonly median: number }>
}

const width = 920
const [left, right, top, bottom] = [60, 560, 50, 430]
const colours = [
  "#1b6ca8",
  "#c0392b",
  "#1e8449",
  "#7d3c98",
  "#b9770e",
  "#0e7c7b",
  "#5d6d7e",
  "#a04000",
  "#2e4053",
  "#6c3483",
  "#117a65",
  "#943126"
]

// What a recall lacks of 1, in logarithms, as what matters is how many are missed; nothing below a thousandth is told apart.
const missed = (recall: number): number => Math.log10(Math.max(0.001, 1 - recall))

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;")

const text = (x: number, y: number, anchor: string, content: string, colour = "#333"): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${colour}">${escaped(content)}</text>`

const line = (x1: number, y1: number, x2: number, y2: number): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="#ddd"/>`

export const plot = (title: string, lines: ReadonlyArray<Line>): string => {
  const times = lines.flatMap(({ points }) => points.map(({ median }) => Math.log10(median)))
  const [first, last] = [Math.floor(Math.min(...times)), Math.ceil(Math.max(...times))]
  const least = Math.min(0.9, ...lines.flatMap(({ points }) => points.map(({ recall }) => recall)))
  const worst = missed(Math.max(0, least - 0.02))
  const x = (millis: number) => left + ((Math.log10(millis) - first) / Math.max(1, last - first)) * (right - left)
  const y = (recall: number) => top + ((missed(recall) + 3) / (worst + 3)) * (bottom - top)
  const parts = [text((left + right) / 2, 24, "middle", title)]
  for (let power = first; power <= last; power++) {
    const at = x(10 ** power)
    parts.push(line(at, top, at, bottom), text(at, bottom + 18, "middle", `${10 ** power} ms`))
  }
  for (const recall of [0.999, 0.99, 0.97, 0.95, 0.9, 0.8, 0.5])
    if (recall >= least - 0.02)
      parts.push(
        line(left, y(recall), right, y(recall)),
        text(left - 8, y(recall) + 4, "end", recall === 0.999 ? "≥ .999" : `${recall}`.slice(1))
      )
  for (const [i, { name, points }] of lines.entries()) {
    const colour = colours[i % colours.length] ?? "#333"
    const places = points.map(({ label, median, recall }) => ({ label, x: x(median), y: y(recall) }))
    if (places.length > 1)
      parts.push(
        `<polyline points="${places.map((at) => `${at.x.toFixed(1)},${at.y.toFixed(1)}`).join(" ")}" fill="none" stroke="${colour}"/>`
      )
    // A label where another one of the same line stands could not be read.
    let labelled = { x: Number.NEGATIVE_INFINITY, y: 0 }
    for (const at of places) {
      parts.push(`<circle cx="${at.x.toFixed(1)}" cy="${at.y.toFixed(1)}" r="3.5" fill="${colour}"/>`)
      if (at.label === "" || Math.hypot(at.x - labelled.x, at.y - labelled.y) < 20) continue
      labelled = at
      parts.push(text(at.x, at.y - 7, "middle", at.label, colour))
    }
    const row = top + 8 + 22 * i
    parts.push(
      `<circle cx="${right + 24}" cy="${row - 4}" r="4" fill="${colour}"/>`,
      text(right + 34, row, "start", name)
    )
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + 40}" font-family="sans-serif" font-size="11">
<title>${title}</title>
<rect width="100%" height="100%" fill="#fff"/>
${parts.join("\n")}
</svg>
`
}
