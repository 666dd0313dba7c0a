// JSONata over records that are parsed once, asked line by line.
//
// In: the customers as JSON, one a line; an empty line; then one line for every round that is wanted.
// Out: after the empty line the accounts as JSON, one a line, `null` where there is none; for every round one line of
// JSON, how many accounts there are and how long the process was on a processor, in nanoseconds.

import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import jsonata from "jsonata";

const job = jsonata(readFileSync(new URL("job.jsonata", import.meta.url), "utf8"));
const customers = [];

async function round() {
  const start = process.cpuUsage();
  let accounts = 0;
  for (const customer of customers) {
    const account = await job.evaluate(customer);
    if (account !== null) accounts += 1;
  }
  const { user, system } = process.cpuUsage(start);
  return { accounts, ns: (user + system) * 1000 };
}

let isComplete = false;
for await (const line of createInterface({ input: process.stdin })) {
  if (isComplete) {
    console.log(JSON.stringify(await round()));
  } else if (line !== "") {
    customers.push(JSON.parse(line));
  } else {
    isComplete = true;
    for (const customer of customers) console.log(JSON.stringify(await job.evaluate(customer)));
  }
}
