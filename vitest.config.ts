import { defineConfig } from "vitest/config"

// Tests import the package by its public names, and this condition resolves them to the sources.
const conditions = ["@dgents/source"]

export default defineConfig({
  ssr: { resolve: { conditions } },
  resolve: { conditions },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/setup.ts"],
    // Laws and crash tests are long by nature; what hangs still ends.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2
  }
})
