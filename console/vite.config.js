// Builds the console into dist, which the program contains.
import { readFileSync } from "node:fs";
import { defineConfig } from "vite";

/** The licences of the packages whose code is in the bundle. */
const licences = {
  name: "licences",
  generateBundle() {
    const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
    const texts = Object.entries(dependencies).map(([name, version]) =>
      `${name} ${version}\n\n${readFileSync(new URL(`node_modules/${name}/LICENSE`, import.meta.url), "utf8")}`);
    this.emitFile({ type: "asset", fileName: "licences.txt", source: texts.join("\n") });
  },
};

export default defineConfig({
  base: "./",
  plugins: [licences],
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: {
    target: ["chrome116", "firefox124", "safari17.4"],
    modulePreload: false,
    // Pictures and styles stay files: the content security policy permits nothing that is within the page.
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    rollupOptions: { output: { inlineDynamicImports: true } },
  },
});
