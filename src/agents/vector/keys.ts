/** Under which keys of its family a memory keeps its items: a prefix keeps every id, whatever it is, apart from the settings. */
export const itemPrefix = "i/"

export const keyOf = (id: string): string => itemPrefix + id

export const idOf = (key: string): string => key.slice(itemPrefix.length)
