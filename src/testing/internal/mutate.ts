import { Schema } from "effect"

/**
 * Changes everything in a value that lets itself be changed: what a careless caller may do to a state that it was given,
 * or that it gave away. Frozen parts stay as they are.
 */
export const vandalise = (root: unknown): void => {
  const seen = new Set<object>()
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null || seen.has(value)) return
    seen.add(value)
    if (value instanceof Date) {
      value.setTime(value.getTime() === 1 ? 2 : 1)
    } else if (value instanceof Uint8Array) {
      for (let i = 0; i < value.length; i++) value[i] = (value[i] ?? 0) ^ 0xff
    } else if (value instanceof Map) {
      for (const [key, item] of value) {
        visit(key)
        visit(item)
      }
      if (value.size > 0) value.clear()
      else value.set("vandal", "vandal")
    } else if (value instanceof Set) {
      for (const item of value) visit(item)
      if (value.size > 0) value.clear()
      else value.add("vandal")
    } else if (Array.isArray(value)) {
      for (const item of value) visit(item)
      attempt(() => value.reverse())
      attempt(() => value.push("vandal"))
    } else if (isData(value)) {
      for (const key of Object.keys(value)) {
        visit(Reflect.get(value, key))
        Reflect.set(value, key, "vandal")
      }
      Reflect.set(value, "vandal", "vandal")
    }
  }
  visit(root)
}

const attempt = (run: () => unknown): void => {
  try {
    run()
  } catch {
    // Frozen: exactly what an agent may do to protect itself.
  }
}

// Values of other classes (Option, DateTime, ...) are immutable by contract, and some of them are shared by everybody.
const isData = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Schema.isSchema(value.constructor)
}
