// Runs each module in two forms and prints where they differ: with exceptions, and lowered.
const fs = require("fs");
const [, , folder, count, word] = process.argv;
const tag = new WebAssembly.Tag({ parameters: ["i32"] });

async function run(file, argument, name) {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const log = [];
  const env = { memory, log: (mark) => { if (log.length < 5000) log.push(mark); } };
  env.__memory_base = 64;
  env.__cpp_exception = tag;
  const { instance } = await WebAssembly.instantiate(fs.readFileSync(file), { env });
  let result;
  try {
    result = instance.exports[name](argument);
  } catch (error) {
    if (error instanceof WebAssembly.Exception) result = "threw " + error.getArg(tag, 0);
    else if (error.message === "unreachable")
      result = "threw " + new Int32Array(memory.buffer)[(64 + Number(word)) / 4];
    else result = error.message;
  }
  return JSON.stringify([result === undefined ? null : result, log]);
}

(async () => {
  const totals = { runs: 0, threw: 0, different: [] };
  for (let module = 0; module < Number(count); module++)
    for (let argument = 0; argument < 12; argument++)
      for (const name of ["value", "void"]) {
        const before = await run(`${folder}/${module}.wasm`, argument, name);
        const after = await run(`${folder}/${module}.lowered.wasm`, argument, name);
        totals.runs++;
        if (before.startsWith('["threw')) totals.threw++;
        if (before !== after) totals.different.push({ module, argument, name, before, after });
      }
  console.log(JSON.stringify(totals));
})();
