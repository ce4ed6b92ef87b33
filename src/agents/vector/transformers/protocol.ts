/** What a thread with a model says. Requests are lists of texts, answered in their order. */
export type Said =
  | { readonly _tag: "Ready"; readonly dimension: number }
  | { readonly _tag: "Embedded"; readonly vectors: Float32Array<ArrayBuffer> }
  | { readonly _tag: "Failed"; readonly reason: string; readonly code: string | undefined }

/** A failure in words that another thread can read. */
export const failed = (cause: unknown): Extract<Said, { readonly _tag: "Failed" }> => ({
  _tag: "Failed",
  reason: cause instanceof Error ? cause.message : "it did not say why",
  code: cause instanceof Error && "code" in cause ? String(cause.code) : undefined
})
