// One turn of llama.cpp through node-llama-cpp: loads the file, runs every test, prints one JSON
// object. Started by compare_llamacpp.mjs, which sets up its environment.
//
//   node llamacpp_turn.mjs '{"package": DIR, "model": FILE, "threads": 2, "repetitions": 3,
//                            "tests": [{"name": "tg64", "prompt": false, "count": 64, "depth": 0}],
//                            "facet": PROGRAM}'
//
// Tests as llama-bench defines them. The package's public interface always samples, which costs as
// much as a small model; its native context (initBatch, addToBatch, decodeBatch) is llama_decode and
// nothing else. That is no public interface: this file is written for the version that
// compare_llamacpp.mjs installs.
import {spawnSync} from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {pathToFileURL} from "node:url";

const kBatch = 512;
const request = JSON.parse(process.argv[2]);

// Uniform ids, the same each time; the first is <bos>.
function randomIds(count, vocabulary) {
    let state = 12345n;
    return Uint32Array.from({length: count}, (_, i) => {
        state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
        return i === 0 ? 2 : Number((state >> 33n) % BigInt(vocabulary));
    });
}

class Sequence {
    constructor(native, window) {
        this.native = native;
        this.window = window;
        this.length = 0;
    }

    // Adds ids in batches; logits of the last of each batch.
    async add(ids) {
        for (let at = 0; at < ids.length; at += kBatch) {
            const part = ids.subarray(at, at + kBatch);
            this.native.initBatch(part.length);
            this.native.addToBatch(0, this.length, part, Uint32Array.of(part.length - 1));
            await this.native.decodeBatch();
            this.length += part.length;
        }
    }

    // Brings the cache to the first `depth` of the ids: takes back what is beyond if the sliding
    // window before it is still there, else starts again.
    async fill(ids, depth) {
        if (depth > 0 && this.length >= depth &&
            this.native.removeTokenCellsFromSequence(0, depth, this.length) &&
            this.native.getSequenceKvCacheMinPosition(0) <= Math.max(0, depth - this.window)) {
            this.length = depth;
            return;
        }
        this.native.disposeSequence(0);
        this.length = 0;
        await this.add(ids.subarray(0, depth));
    }
}

async function runOnce(sequence, test, ids) {
    await sequence.fill(ids, test.depth);
    const start = performance.now();
    if (test.prompt) {
        await sequence.add(ids.subarray(test.depth, test.depth + test.count));
    } else {
        for (let i = test.depth; i < test.depth + test.count; i++)
            await sequence.add(ids.subarray(i, i + 1));
    }
    return test.count / (performance.now() - start) * 1e3;
}

// The state of memory now, as facet measures it.
function memoryState() {
    const {LD_PRELOAD, ...environment} = process.env;
    const run = spawnSync(request.facet, ["inspect", "--json", request.model],
        {encoding: "utf8", maxBuffer: 1 << 26, env: environment});
    const {prediction} = JSON.parse(run.stdout);
    return {read_gb_per_s: prediction.read_gb_per_s, ping_pong_ns: prediction.ping_pong_ns};
}

// The library of kernels that was loaded, "libggml-cpu-zen4.so".
function kernelLibrary() {
    const maps = fs.readFileSync("/proc/self/maps", "utf8");
    return /[^/\s]*ggml-cpu[^/\s]*/.exec(maps)?.[0] ?? "unknown";
}

const library = await import(pathToFileURL(path.join(request.package, "dist", "index.js")).href);
const llama = await library.getLlama({
    gpu: false, build: "never", skipDownload: true, maxThreads: 0, progressLogs: false,
    logLevel: library.LlamaLogLevel.error
});
const loadStart = performance.now();
const model = await llama.loadModel({
    modelPath: request.model, gpuLayers: 0, useMmap: false, ignoreMemorySafetyChecks: true
});
const context = await model.createContext({
    contextSize: Math.max(...request.tests.map((test) => test.depth + test.count)) + 8,
    batchSize: kBatch, threads: request.threads, flashAttention: "auto",
    ignoreMemorySafetyChecks: true, failedCreationRemedy: false
});
const loadSeconds = (performance.now() - loadStart) / 1e3;
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const ids = randomIds(context.contextSize, vocabulary);
const sequence = new Sequence(context._ctx, model.fileInsights.swaSize ?? 0);
const results = [];
for (const test of request.tests) {
    await runOnce(sequence, test, ids);  // warms up
    const runs = [], before = memoryState();
    for (let i = 0; i < request.repetitions; i++)
        runs.push(await runOnce(sequence, test, ids));
    results.push({test: test.name, runs, states: [before, memoryState()]});
}
process.stdout.write(JSON.stringify({
    package: JSON.parse(fs.readFileSync(path.join(request.package, "package.json"), "utf8")).version,
    llamacpp: llama.llamaCppRelease.release,
    kernels: kernelLibrary(), load_seconds: loadSeconds, results
}) + "\n");
await context.dispose();
await model.dispose();
await llama.dispose();
