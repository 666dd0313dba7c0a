// Asserts what `dwmap demo --format json` must say: no errors, no echo, both sides agree.
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
let passed = 0;
let failed = 0;

function expect(what, isSo) {
  isSo ? passed++ : failed++;
  if (!isSo) console.log(`FAILED  ${what}`);
}

expect("format_version is 1", report.format_version === 1);
expect("there are maps", report.maps.length > 0);
for (const map of report.maps) {
  console.log(JSON.stringify(map));
  expect(`${map.map}: something was written`, map.created + map.updated > 0);
  expect(`${map.map}: errors`, map.errors === 0);
  expect(`${map.map}: echo_writes`, map.echo_writes === 0);
  expect(`${map.map}: agree`, map.agree === true);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
