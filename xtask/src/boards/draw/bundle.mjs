// Bundles the page. Grafana's modules are ES modules that import CommonJS ones as their bundler does: `default` is what
// the module calls so. esbuild does that for files that are not called .mjs.

import { readFile } from "node:fs/promises";
import { dirname } from "node:path";

import { build } from "esbuild";

const asScripts = {
  name: "as scripts",
  setup(on) {
    on.onResolve({ filter: /^@grafana\/|\.mjs$/ }, async ({ path, importer, resolveDir, kind, pluginData }) => {
      if (pluginData?.known) return undefined;
      const found = await on.resolve(path, { importer, resolveDir, kind, pluginData: { known: true } });
      if (found.errors.length || !/@grafana\/.*\.mjs$/.test(found.path)) return found;
      return { path: `${found.path}?`, namespace: "grafana" };
    });
    on.onLoad({ filter: /.*/, namespace: "grafana" }, async ({ path }) => {
      const file = path.slice(0, -1);
      return { contents: await readFile(file, "utf8"), resolveDir: dirname(file), loader: "js" };
    });
  },
};

await build({
  entryPoints: ["page.tsx"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  jsx: "automatic",
  outfile: "page.js",
  logLevel: "error",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".svg": "dataurl", ".woff2": "dataurl", ".png": "dataurl", ".ttf": "dataurl" },
  plugins: [asScripts],
});
