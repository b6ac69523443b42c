import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// The page is served by the node itself, under a content security policy that allows this origin and nothing else:
// no inline script or style, no asset turned into a data: URL.
const node = process.env.KUROSHIO_NODE ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [svelte()],
  base: "./",
  build: {
    outDir: "../src/kuroshio/api/page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2500,
  },
  worker: { format: "es" },
  server: { proxy: { "/api": { target: node, ws: true } } },
  test: { include: ["tests/**/*.test.ts"] },
});
