/** A name for a write, unlike those of any other process, and of any other write of this one. */
export const nextOperation = (): string => `${thisProcess}.${(operations++).toString(36)}`

const thisProcess = crypto.randomUUID().replaceAll("-", "").slice(0, 16)
let operations = 0
