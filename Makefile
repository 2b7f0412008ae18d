# The two commands of a newcomer are `make run` and `make test`; both install what they need on Debian 12.
#
# The build itself is CMake's (CMakeLists.txt); this file only says which build goes where.

BUILD := build
CMAKE := cmake -G Ninja -DCMAKE_BUILD_TYPE=Release
JOBS := $(shell nproc 2>/dev/null || echo 2)
FORMATTED := $(shell git ls-files --cached --others --exclude-standard '*.cc' '*.h' '*.c' '*.hpp' '*.cpp' 2>/dev/null)

.PHONY: run build test schema-check client-check eval head-steps asan tsan soak test-isa bench fuzz format format-check clean help

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

run: build       ## build, then talk to the demo model
	@$(BUILD)/facet chat $(ARGS)

build:           ## the program: build/facet
	@scripts/install_packages.sh build
	@$(CMAKE) -S . -B $(BUILD) -DFACET_TESTS=OFF > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@cmake --build $(BUILD) --target facet -j $(JOBS) 1>&2

PREFIX := /usr/local
.PHONY: install
install:         ## program, library, headers and manuals to PREFIX (/usr/local), below DESTDIR if given
	@scripts/install_packages.sh build
	@$(CMAKE) -S . -B $(BUILD) -DFACET_TESTS=OFF -DCMAKE_INSTALL_PREFIX=$(PREFIX) > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@cmake --build $(BUILD) --target facet facet_shared facet_static -j $(JOBS) 1>&2
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD)
	@# So that programs find the library; not for a copy that is only staged.
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" -ne 0 ] || ldconfig

test:            ## build and run every test
	@scripts/install_packages.sh build test
	@$(CMAKE) -S . -B $(BUILD) -DFACET_TESTS=ON
	@cmake --build $(BUILD) -j $(JOBS)
	@cd $(BUILD) && ctest --output-on-failure -j $(JOBS)
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory schema-check client-check; \
	else echo "npm is not installed: schema-check and client-check were not run"; fi

# Copied, so that npm's packages lie in the build folder.
SCHEMA_CHECK := $(BUILD)/schema-check
schema-check: test-programs ## grammars of JSON Schemas against ajv, the JSON Schema test suite and XGrammar
	@scripts/install_packages.sh schema
	@mkdir -p $(SCHEMA_CHECK) && cp tests/schema/*.mjs tests/schema/package.json $(SCHEMA_CHECK)
	@cd $(SCHEMA_CHECK) && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
	@node $(SCHEMA_CHECK)/check.mjs $(abspath $(BUILD))/grammar_documents

# Other people's clients, in their own languages.
CLIENT_CHECK := $(BUILD)/client-check
client-check: test-programs ## the clients of OpenAI, Anthropic and Vercel against facet serve
	@scripts/install_packages.sh schema
	@mkdir -p $(CLIENT_CHECK) && cp tests/clients/* $(CLIENT_CHECK)
	@cd $(CLIENT_CHECK) && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
	@cd $(CLIENT_CHECK) && { python3 -m venv venv >/dev/null 2>&1 && venv/bin/pip install -q -r requirements.txt; } || \
		{ rm -rf venv; echo "python3-venv or its packages can not be had: the Python clients were not run"; }
	@cd $(CLIENT_CHECK) && node run.mjs $(abspath $(BUILD))/facet $(abspath models/facet-demo-Q8_0.gguf) \
		$$([ -x venv/bin/python ] && echo venv/bin/python)

eval: test-programs ## all text prompts of the evaluation set, against the reference's answers
	@FACET_EVAL_ALL=1 $(BUILD)/facet_whole_test --gtest_filter='Evaluation.*'

head-steps: test-programs ## the output head in two stages against one, 100,000 tokens for each type of weights
	@FACET_HEAD_STEPS=100000 $(BUILD)/facet_cpu_test --gtest_filter='OutputHead.GivesTheSameTokensStepAfterStep'

asan:            ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/install_packages.sh build test
	@$(CMAKE) -S . -B $(BUILD)/asan -DFACET_TESTS=ON -DFACET_SANITIZE=address,undefined
	@cmake --build $(BUILD)/asan -j $(JOBS)
	@cd $(BUILD)/asan && ctest --output-on-failure -j $(JOBS)

tsan:            ## the tests under ThreadSanitizer
	@scripts/install_packages.sh build test
	@$(CMAKE) -S . -B $(BUILD)/tsan -DFACET_TESTS=ON -DFACET_SANITIZE=thread
	@cmake --build $(BUILD)/tsan -j $(JOBS)
	@# The long sums of the golden numbers have no threads worth watching, and take minutes here.
	@cd $(BUILD)/tsan && ctest --output-on-failure -j $(JOBS) -E 'Golden|Evaluation'

SOAK_SECONDS := 600
SOAK_SESSIONS := 64
# SOAK=asan or SOAK=tsan: under that sanitizer.
SOAK := release
soak_asan = -DFACET_SANITIZE=address,undefined
soak_tsan = -DFACET_SANITIZE=thread
soak:            ## many conversations at random for SOAK_SECONDS seconds
	@scripts/install_packages.sh build
	@$(CMAKE) -S . -B $(BUILD)/soak-$(SOAK) -DFACET_TESTS=OFF $(soak_$(SOAK))
	@cmake --build $(BUILD)/soak-$(SOAK) -j $(JOBS) --target conversations_soak
	@cd $(BUILD)/soak-$(SOAK) && ./conversations_soak $(SOAK_SECONDS) $(SOAK_SESSIONS)

test-isa:        ## the tests of the CPU device on other processors, emulated
	@JOBS=$(JOBS) scripts/test_other_isas.sh $(abspath $(BUILD)/isa)

bench:           ## micro benchmarks
	@scripts/install_packages.sh build bench
	@$(CMAKE) -S . -B $(BUILD)/bench -DFACET_TESTS=OFF -DFACET_BENCH=ON
	@cmake --build $(BUILD)/bench -j $(JOBS)
	@for program in $(BUILD)/bench/*_bench; do $$program || exit 1; done

FUZZ_SECONDS := 60
fuzz:            ## every fuzz target for FUZZ_SECONDS seconds
	@scripts/install_packages.sh build fuzz
	@CC=clang-14 CXX=clang++-14 $(CMAKE) -S . -B $(BUILD)/fuzz -DFACET_TESTS=OFF -DFACET_FUZZ=ON -DFACET_WERROR=OFF \
		-DFACET_SANITIZE=address,undefined,fuzzer-no-link
	@cmake --build $(BUILD)/fuzz -j $(JOBS)
	@# What is found new goes into the first folder, so that the seeds of fuzz/seeds stay as they are.
	@for program in $(BUILD)/fuzz/*_fuzz; do \
		name=$$(basename $$program _fuzz); seeds=fuzz/seeds/$$name; found=$(BUILD)/fuzz/found/$$name; \
		mkdir -p $$found; [ -d $$seeds ] || seeds=; echo "$$program"; \
		$$program -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 $$found $$seeds || exit 1; done

format:          ## format the sources
	@scripts/install_packages.sh format
	@clang-format-14 -i $(FORMATTED)

format-check:    ## fail if a source is not formatted
	@scripts/install_packages.sh format
	@clang-format-14 --dry-run --Werror $(FORMATTED)

.PHONY: test-programs
test-programs:
	@scripts/install_packages.sh build test
	@$(CMAKE) -S . -B $(BUILD) -DFACET_TESTS=ON
	@cmake --build $(BUILD) -j $(JOBS)

clean:           ## remove everything that was built
	@rm -rf $(BUILD) $(BUILD).log
