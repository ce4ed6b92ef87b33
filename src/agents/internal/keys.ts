import { StateInvalid } from "../StateError.ts"
import type { Where } from "./stateRegister.ts"

/** Refuses a key that storage could not tell from others: lone surrogates become one and the same character in UTF-8. */
export const illFormed = (where: Where): StateInvalid =>
  new StateInvalid({ ...where, path: [], reason: "its key has a lone surrogate; keys are well-formed Unicode strings" })
