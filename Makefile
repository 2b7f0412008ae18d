# The two commands of a newcomer are `make run` and `make test`; both install what they need on Debian 12.
#
# The build itself is CMake's (CMakeLists.txt); this file only says which build goes where.

BUILD := build
CMAKE := cmake -G Ninja -DCMAKE_BUILD_TYPE=Release
JOBS := $(shell nproc 2>/dev/null || echo 2)
FORMATTED := $(shell git ls-files --cached --others --exclude-standard '*.cc' '*.h' 2>/dev/null)

.PHONY: run build test schema-check eval asan tsan test-isa bench fuzz format format-check clean help

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

run: build       ## build, then talk to the demo model
	@$(BUILD)/facet chat $(ARGS)

build:           ## the program: build/facet
	@scripts/install_packages.sh build
	@$(CMAKE) -S . -B $(BUILD) -DFACET_TESTS=OFF > $(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@cmake --build $(BUILD) --target facet -j $(JOBS) 1>&2

test:            ## build and run every test
	@scripts/install_packages.sh build test
	@$(CMAKE) -S . -B $(BUILD) -DFACET_TESTS=ON
	@cmake --build $(BUILD) -j $(JOBS)
	@cd $(BUILD) && ctest --output-on-failure -j $(JOBS)
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory schema-check; fi

# Copied, so that npm's packages lie in the build folder.
SCHEMA_CHECK := $(BUILD)/schema-check
schema-check: test-programs ## grammars of JSON Schemas against ajv, the JSON Schema test suite and XGrammar
	@scripts/install_packages.sh schema
	@mkdir -p $(SCHEMA_CHECK) && cp tests/schema/*.mjs tests/schema/package.json $(SCHEMA_CHECK)
	@cd $(SCHEMA_CHECK) && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
	@node $(SCHEMA_CHECK)/check.mjs $(abspath $(BUILD))/grammar_documents

eval: test-programs ## all text prompts of the evaluation set, against the reference's answers
	@FACET_EVAL_ALL=1 $(BUILD)/facet_whole_test --gtest_filter='Evaluation.*'

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
		-DFACET_SANITIZE=address,undefined
	@cmake --build $(BUILD)/fuzz -j $(JOBS)
	@for program in $(BUILD)/fuzz/*_fuzz; do \
		echo "$$program"; name=$$(basename $$program); mkdir -p $(BUILD)/fuzz/corpus/$$name; \
		seeds=fuzz/seeds/$$name; [ -d $$seeds ] || seeds=; \
		$$program $(BUILD)/fuzz/corpus/$$name $$seeds -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 || exit 1; done

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
