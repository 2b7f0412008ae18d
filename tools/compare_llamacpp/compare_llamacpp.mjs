#!/usr/bin/env node
// Facet beside llama.cpp on this machine: the same file, the same tests, turn by turn.
//
// A shared machine has good and bad minutes, so single figures of two programs can not be compared.
// Here they take turns, A B B A A B ..., each turn gives the median of its runs, and what counts is
// the median of the pairs' ratios with its quartiles. Beside each test stands the state of memory
// before and after it. llama.cpp comes from npm (node-llama-cpp, prebuilt libraries) into the build
// folder; it runs in its best settings here: no mmap, 2 MiB pages, each thread on a CPU of its own.
import {spawnSync} from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";

const kVersion = "3.22.1";  // of node-llama-cpp; llamacpp_turn.mjs uses its inner interface
const kHere = path.dirname(fileURLToPath(import.meta.url));
const kRoot = path.join(kHere, "..", "..");
const kHelp = `Usage: node tools/compare_llamacpp/compare_llamacpp.mjs -m FILE [options]

  -m, --model FILE      the GGUF file both run
  -p, --prompt N,...    prompt lengths (512)
  -n, --generate N,...  tokens to decode one by one (64)
  -d, --depth N,...     tokens in the context before (0)
  -r, --repetitions N   runs of each test in a turn (3)
      --pairs N         pairs of turns (5)
  -t, --threads N       threads of both (one a core)
      --isa NAME        Facet's instruction set (its best)
      --peer-isa NAME   llama.cpp's: avx2, or a library's name such as haswell or zen4 (its best)
      --facet PROGRAM   build/facet
      --folder DIR      where node-llama-cpp is or will be installed (build/llamacpp)
      --json            one JSON object
`;

function fail(message, code = 1) {
    process.stderr.write(`compare_llamacpp: ${message}\n`);
    process.exit(code);
}

function say(message) {
    process.stderr.write(`${message}\n`);
}

// ---- options

function readOptions() {
    const text = (short, fallback) => ({type: "string", ...(short && {short}), ...(fallback && {default: fallback})});
    let values;
    try {
        ({values} = parseArgs({options: {
            model: text("m"), prompt: text("p", "512"), generate: text("n", "64"), depth: text("d", "0"),
            repetitions: text("r", "3"), pairs: text(null, "5"), threads: text("t"), isa: text(), "peer-isa": text(),
            facet: text(null, path.join(kRoot, "build", "facet")),
            folder: text(null, path.join(kRoot, "build", "llamacpp")),
            json: {type: "boolean"}, help: {type: "boolean", short: "h"}
        }}));
    } catch (error) {
        fail(`${error.message}; see --help`, 2);
    }
    if (values.help) {
        process.stdout.write(kHelp);
        process.exit(0);
    }
    if (values.model == null)
        fail("expected -m FILE; see --help", 2);
    for (const file of [values.model, values.facet]) {
        if (!fs.existsSync(file))
            fail(`${file}: no such file`);
    }
    const whole = (name, value, least) => {
        if (!/^\d{1,8}$/.test(value) || Number(value) < least)
            fail(`--${name} ${value}: expected a whole number from ${least} on`, 2);
        return Number(value);
    };
    const list = (name, least) => values[name].split(",").map((value) => whole(name, value, least));
    return {
        ...values,
        model: path.resolve(values.model),
        facet: path.resolve(values.facet),
        folder: path.resolve(values.folder),
        prompt: list("prompt", 1), generate: list("generate", 1), depth: list("depth", 0),
        repetitions: whole("repetitions", values.repetitions, 1), pairs: whole("pairs", values.pairs, 1),
        threads: values.threads == null ? allowedCpus() : whole("threads", values.threads, 1)
    };
}

function allowedCpus() {
    return Number(spawnSync("nproc", {encoding: "utf8"}).stdout) || 1;
}

// In the order and with the names of `facet bench`.
function listTests(options) {
    const tests = [];
    for (const depth of options.depth) {
        for (const prompt of [true, false]) {
            for (const count of prompt ? options.prompt : options.generate) {
                const at = depth > 0 ? `@d${depth}` : "";
                tests.push({name: `${prompt ? "pp" : "tg"}${count}${at}`, prompt, count, depth});
            }
        }
    }
    return tests;
}

// ---- llama.cpp

// The folder of the package, installed if it is not there.
function findPackage(folder) {
    const found = path.join(folder, "node_modules", "node-llama-cpp");
    if (!fs.existsSync(path.join(found, "package.json"))) {
        say(`installing node-llama-cpp ${kVersion} in ${folder}`);
        fs.mkdirSync(folder, {recursive: true});
        // Its optional parts are libraries for every system and GPU: only this one's is wanted.
        const npm = spawnSync("npm", ["install", "--prefix", folder, "--no-audit", "--no-fund",
            "--omit=optional", "--ignore-scripts", `node-llama-cpp@${kVersion}`,
            `@node-llama-cpp/${process.platform}-${process.arch}@${kVersion}`], {stdio: ["ignore", 2, 2]});
        if (npm.status !== 0)
            fail("npm could not install node-llama-cpp");
    }
    return found;
}

// llama.cpp takes the best of its libraries of kernels; to have another one, a copy of the package
// (hard links) is made that lacks the others. Returns that copy's folder of the package.
function packageWithIsa(folder, isa) {
    const wanted = {avx2: "haswell", avx512: "skylakex"}[isa] ?? isa;
    const from = path.join(folder, "node_modules"), to = path.join(folder, `only-${wanted}`, "node_modules");
    let kept = 0;
    const copy = (source, target) => {
        for (const entry of fs.readdirSync(source, {withFileTypes: true})) {
            const name = entry.name, one = path.join(source, name), other = path.join(target, name);
            const kernels = /^libggml-cpu-(.*)\.so$/.exec(name);
            if (kernels != null && kernels[1] !== wanted)
                continue;
            kept += kernels != null ? 1 : 0;
            if (entry.isDirectory()) {
                if (/-(cuda|vulkan)/.test(name) || name === ".bin")
                    continue;
                fs.mkdirSync(other, {recursive: true});
                copy(one, other);
            } else if (!fs.existsSync(other)) {
                if (entry.isSymbolicLink())
                    fs.symlinkSync(fs.readlinkSync(one), other);
                else
                    fs.linkSync(one, other);
            }
        }
    };
    fs.mkdirSync(to, {recursive: true});
    copy(from, to);
    if (kept === 0) {
        fs.rmSync(path.dirname(to), {recursive: true});
        fail(`--peer-isa ${isa}: node-llama-cpp has no libggml-cpu-${wanted}.so`);
    }
    return path.join(to, "node-llama-cpp");
}

// The library that pins threads, compiled if it is not there; nothing without a compiler.
function pinLibrary(folder) {
    const source = path.join(kHere, "pin_threads.c"), library = path.join(folder, "pin_threads.so");
    if (fs.existsSync(library) && fs.statSync(library).mtimeMs > fs.statSync(source).mtimeMs)
        return library;
    const cc = spawnSync(process.env.CC ?? "cc", ["-O2", "-shared", "-fPIC", source, "-o", library, "-ldl", "-lpthread"],
        {stdio: ["ignore", 2, 2]});
    if (cc.status === 0)
        return library;
    say("no C compiler: llama.cpp's threads are not pinned, which can cost it much");
    return null;
}

function runJson(what, program, args, environment) {
    const run = spawnSync(program, args, {
        encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26,
        env: {...process.env, ...environment}
    });
    if (run.status !== 0)
        fail(`${what} failed: ${run.error?.message ?? run.stderr.trim().split("\n").slice(-5).join("\n")}`);
    return JSON.parse(run.stdout);
}

// ---- turns

// A turn's answer: for each test by name the runs, in tokens a second, and the states of memory
// measured before and after them.

function facetTurn(options) {
    const args = ["bench", "-m", options.model, "-p", options.prompt.join(), "-n", options.generate.join(),
        "-d", options.depth.join(), "-r", String(options.repetitions), "-t", String(options.threads), "--json"];
    if (options.isa != null)
        args.push("--isa", options.isa);
    const report = runJson("facet bench", options.facet, args);
    options.machine ??= report.machine;
    return Object.fromEntries(report.tests.map((test) => [test.test, {
        runs: test.tokens_per_s.runs,
        states: [0, -1].map((at) => ({read_gb_per_s: test.read_gb_per_s.at(at), ping_pong_ns: test.ping_pong_ns.at(at)}))
    }]));
}

function peerTurn(options, tests) {
    const request = {package: options.package, model: options.model, threads: options.threads,
        repetitions: options.repetitions, tests, facet: options.facet};
    const environment = {GLIBC_TUNABLES: "glibc.malloc.hugetlb=1", PIN_THREADS: String(options.threads)};
    if (options.pin != null)
        environment.LD_PRELOAD = options.pin;
    const report = runJson("llama.cpp", process.execPath,
        [path.join(kHere, "llamacpp_turn.mjs"), JSON.stringify(request)], environment);
    options.peer ??= {package: report.package, llamacpp: report.llamacpp, kernels: report.kernels};
    return Object.fromEntries(report.results.map(({test, runs, states}) => [test, {runs, states}]));
}

function turn(name, options, tests) {
    const answer = name === "facet" ? facetTurn(options) : peerTurn(options, tests);
    for (const test of tests) {
        const {runs, states: [before, after]} = answer[test.name];
        say(`  ${name.padEnd(10)}${test.name.padEnd(14)}${quantile(runs, 0.5).toFixed(2).padStart(9)} tokens/s` +
            `   memory ${before.read_gb_per_s} -> ${after.read_gb_per_s} GB/s, ${before.ping_pong_ns} -> ${after.ping_pong_ns} ns`);
    }
    return answer;
}

// ---- results

function quantile(values, q) {
    const sorted = [...values].sort((a, b) => a - b), at = (sorted.length - 1) * q, low = Math.floor(at);
    return sorted[low] + (sorted[Math.ceil(at)] - sorted[low]) * (at - low);
}

// Whether all four measurements around a test in the two turns of a pair are of one state of memory.
function sameState(pair, test) {
    const states = [...pair.facet[test.name].states, ...pair.llamacpp[test.name].states];
    return ["read_gb_per_s", "ping_pong_ns"].every((what) => {
        const values = states.map((state) => state[what]);
        return Math.max(...values) <= 1.25 * Math.min(...values);
    });
}

function summarize(test, pairs) {
    const of = (name) => {
        const turns = pairs.map((pair) => quantile(pair[name][test.name].runs, 0.5));
        const all = pairs.flatMap((pair) => pair[name][test.name].runs);
        return {median: quantile(turns, 0.5), best: Math.max(...all), turns};
    };
    const facet = of("facet"), llamacpp = of("llamacpp");
    const ratios = facet.turns.map((value, i) => value / llamacpp.turns[i]);
    const alike = ratios.filter((_, i) => sameState(pairs[i], test));
    return {
        test: test.name, facet, llamacpp,
        ratio: {median: quantile(ratios, 0.5), lower_quartile: quantile(ratios, 0.25),
            upper_quartile: quantile(ratios, 0.75), pairs: ratios},
        one_state: {pairs: alike.length, ratio: alike.length > 0 ? quantile(alike, 0.5) : null},
        best_ratio: facet.best / llamacpp.best
    };
}

function table(report) {
    const {machine, peer, options} = report;
    const row = (cells) => cells.map((cell, i) => i === 0 ? cell.padEnd(14) : cell.padStart(i === 3 ? 20 : i === 4 ? 14 : 11)).join("") + "\n";
    let out = `${report.model}\n${machine.cpu}, ${options.threads} threads; Facet ${machine.isa}; ` +
        `llama.cpp ${peer.llamacpp}, ${peer.kernels} (node-llama-cpp ${peer.package})\n` +
        `${report.pairs.length} pairs of turns, ${options.repetitions} runs a test and turn; tokens/s\n\n`;
    out += row(["test", "Facet", "llama.cpp", "ratio (quartiles)", "in one state", "best", "best", "ratio"]);
    for (const {test, facet, llamacpp, ratio, one_state, best_ratio} of report.tests) {
        out += row([test, facet.median.toFixed(2), llamacpp.median.toFixed(2),
            `${ratio.median.toFixed(2)} (${ratio.lower_quartile.toFixed(2)}-${ratio.upper_quartile.toFixed(2)})`,
            one_state.pairs > 0 ? `${one_state.ratio.toFixed(2)} (${one_state.pairs})` : "-", facet.best.toFixed(2), llamacpp.best.toFixed(2),
            best_ratio.toFixed(2)]);
    }
    return out;
}

const options = readOptions();
const tests = listTests(options);
options.package = findPackage(options.folder);
if (options["peer-isa"] != null)
    options.package = packageWithIsa(options.folder, options["peer-isa"]);
options.pin = pinLibrary(options.folder);
const pairs = [];
for (let i = 0; i < options.pairs; i++) {
    say(`pair ${i + 1} of ${options.pairs}`);
    const pair = {};
    for (const name of i % 2 === 0 ? ["facet", "llamacpp"] : ["llamacpp", "facet"])
        pair[name] = turn(name, options, tests);
    pairs.push(pair);
}
const report = {
    model: options.model, machine: options.machine, peer: options.peer,
    options: {threads: options.threads, repetitions: options.repetitions, isa: options.isa ?? null,
        peer_isa: options["peer-isa"] ?? null, pinned: options.pin != null, mmap: false, huge_pages: true},
    tests: tests.map((test) => summarize(test, pairs)), pairs
};
process.stdout.write(options.json ? JSON.stringify(report) + "\n" : table(report));
