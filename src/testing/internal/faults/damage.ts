import type { Payload } from "../../../schema/Codec.ts"
import type { Fault } from "./plan.ts"

/** Bytes with one bit flipped, or without their tail; `where`, in [0, 1), says which. The given ones stay as they are. */
export const damageBytes = (bytes: Uint8Array, { does }: Fault, where: number): Uint8Array => {
  const at = Math.floor(where * bytes.length)
  if (does === "cut") return bytes.slice(0, at)
  const copy = bytes.slice()
  const byte = copy[at]
  if (byte !== undefined) copy[at] = byte ^ (1 << (Math.floor(where * 8 * bytes.length) % 8))
  return copy
}

/** The same for a payload; text is damaged as the UTF-8 that it is stored as. */
export const damagePayload = (payload: Payload, fault: Fault, where: number): Payload =>
  typeof payload === "string"
    ? Buffer.from(damageBytes(Buffer.from(payload), fault, where)).toString("utf8")
    : damageBytes(payload, fault, where)
