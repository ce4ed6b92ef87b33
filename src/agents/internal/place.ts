/** Names an agent, and the key inside a family, in an error's message. */
export const placeOf = (agent: string, key: string | undefined): string =>
  key === undefined ? `agent "${agent}"` : `agent "${agent}", key ${JSON.stringify(shorten(key))}`

const shorten = (text: string): string => (text.length <= 80 ? text : `${text.slice(0, 77)}...`)
