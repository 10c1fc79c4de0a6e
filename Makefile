# Entry points to building, testing and installing. The library itself is built by cargo, called from
# CMakeLists.txt; everything made goes to build/ and target/.

CARGO ?= cargo
CLANGXX ?= clang++-19
CLANG_FORMAT ?= clang-format-19
PREFIX ?= /usr/local
DEMO_SECONDS ?= 5
SECONDS ?= 60

# Where rustup puts cargo, for shells that have not read its environment yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
export CARGO CLANGXX CLANG_FORMAT

STEP := scripts/step
NEED := scripts/need-tools
JOBS := $(shell nproc 2>/dev/null || echo 1)
CONFIGURE := cmake -S . -DSHMDS_CARGO_TARGET_DIR=$(CURDIR)/target -DBUILD_TESTING=OFF -B
BUILD := cmake --build
C_FAMILY = $(filter-out include/shmds.h, $(shell find include c_tests cpp_wrapper crash examples tests benches -name '*.[ch]' -o -name '*.hpp' -o -name '*.cpp'))

MAKEFLAGS += --no-print-directory
.NOTPARALLEL:
.PHONY: help build install demo header docs format package-test clean bench crash crash-pairs crash-full crash-campaign crash-exits crash-faults \
        test test-tools test-format test-lint test-docs \
        test-rust test-models test-c test-cpp test-package test-demo test-bench test-crash

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

build: ## the library, in build/release/lib
	@$(NEED) cargo cxx cmake
	$(CONFIGURE) build/release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	$(BUILD) build/release

install: build ## library, headers and package files to PREFIX, below DESTDIR where set
	DESTDIR=$(DESTDIR) cmake --install build/release

demo: ## a producer and two consumers, in C++ and in C, around one segment; DEMO_SECONDS=5
	@$(NEED) cargo cc cxx cmake
	@$(STEP) "Configure the demo" $(CONFIGURE) build/demo -DSHMDS_BUILD_EXAMPLES=ON -DCMAKE_BUILD_TYPE=Release
	@$(STEP) "Build the library and the demo" $(BUILD) build/demo -j $(JOBS)
	@DEMO_SECONDS=$(DEMO_SECONDS) build/demo/examples/demo/demo

bench: build ## what operations cost, beside other queues; BENCH="--only pair"
	@$(NEED) clang boost
	@scripts/bench $(BENCH)
	@scripts/bench-arrays
	@CRITERION_HOME=$(CURDIR)/target/criterion $(CARGO) bench --locked --manifest-path benches/Cargo.toml --target-dir target/bench

crash: build ## processes killed and stopped inside every operation; CRASH="--only queue/"
	@scripts/crash matrix $(CRASH)

crash-pairs: build ## two of them at once, at all pairs of instructions
	@scripts/crash matrix --pairs $(CRASH)

crash-full: build ## at every instruction of long operations too
	@scripts/crash matrix --full $(CRASH)

crash-campaign: build ## everything at once, killed and stopped at random; SECONDS=60
	@scripts/crash campaign --seconds $(SECONDS) $(CRASH)

crash-faults: build ## whether all that finds the faults planted in a library built for that
	@scripts/crash faults

crash-exits: build ## ends that are no kill: exit, exec, abort, no memory left, a truncated file
	@scripts/crash exits

header: ## include/shmds.h and abi/, made anew from the Rust sources
	@$(NEED) cargo cc abigail
	SHMDS_BLESS=1 $(CARGO) test --test header
	SHMDS_BLESS=1 $(CARGO) test --test abi

docs: ## the C and C++ API reference and the pages of docs/, in build/docs
	@$(NEED) doxygen
	@scripts/docs

format: ## rustfmt and clang-format over all sources
	@$(NEED) cargo rustfmt clang-format
	$(CARGO) fmt
	$(CARGO) fmt --manifest-path benches/Cargo.toml
	$(CARGO) fmt --manifest-path c_tests/systest/Cargo.toml
	$(CARGO) fmt --manifest-path models/Cargo.toml
	$(CARGO) fmt --manifest-path crash/Cargo.toml
	$(CLANG_FORMAT) -i $(C_FAMILY)

package-test: build ## all of what a distribution expects: build systems, no network, Debian packages, docs
	@$(NEED) cargo cc cxx cmake clang pkg-config abigail doxygen lintian meson ninja dpkg
	@$(STEP) "Exported symbols and ABI of the release library" \
		env SHMDS_LIBRARY_DIR=$(CURDIR)/build/release/lib $(CARGO) test --locked --test abi --test signatures --test layout --test versions
	@$(STEP) "Header against library, type by type" scripts/test-systest
	@scripts/package-test full
	@echo "make package-test: all steps passed"

.PHONY: headers-matrix headers-gcc14
headers-matrix: build ## the C++ headers, one by one, under g++, clang 16, 19 and 22
	@$(NEED) cxx clang clang-16 clang-22
	@$(STEP) "Headers" scripts/test-headers g++ clang++-16 $(CLANGXX) clang++-22

headers-gcc14: build ## the same under g++ 14, in a Debian 13 below build/ (root, 0.6 GB)
	@$(NEED) debootstrap
	@$(STEP) "Headers under g++ 14" scripts/test-headers-gcc14

clean: ## removes everything made
	rm -rf build target

test: test-tools test-format test-lint test-docs test-rust test-models test-c test-cpp test-package test-demo test-bench test-crash ## everything
	@$(STEP) "Nothing left in shared memory" scripts/shm-residue check build/shm-before
	@echo "make test: all steps passed"

test-tools:
	@$(STEP) "Tools" $(NEED) cargo rustfmt clippy cc cxx cmake clang clang-format catch2 pkg-config boost abigail doxygen
	@scripts/shm-residue note build/shm-before

test-format:
	@$(STEP) "rustfmt" $(CARGO) fmt --check
	@$(STEP) "rustfmt, benchmarks" $(CARGO) fmt --check --manifest-path benches/Cargo.toml
	@$(STEP) "rustfmt, systest" $(CARGO) fmt --check --manifest-path c_tests/systest/Cargo.toml
	@$(STEP) "rustfmt, models" $(CARGO) fmt --check --manifest-path models/Cargo.toml
	@$(STEP) "rustfmt, crash tests" $(CARGO) fmt --check --manifest-path crash/Cargo.toml
	@$(STEP) "clang-format" $(CLANG_FORMAT) --dry-run --Werror $(C_FAMILY)

test-lint:
	@$(STEP) "clippy" $(CARGO) clippy --locked --all-targets -- -D warnings
	@$(STEP) "clippy, benchmarks" $(CARGO) clippy --locked --manifest-path benches/Cargo.toml --target-dir target/bench --all-targets -- -D warnings
	@$(STEP) "clippy, models" $(CARGO) clippy --locked --manifest-path models/Cargo.toml --target-dir target/models --all-targets -- -D warnings
	@$(STEP) "clippy, crash tests" $(CARGO) clippy --locked --manifest-path crash/Cargo.toml --target-dir target/crash --all-targets -- -D warnings

test-docs:
	@$(STEP) "rustdoc" env RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --locked --no-deps --document-private-items
	@$(STEP) "C and C++ reference" scripts/docs

test-rust:
	@$(STEP) "Rust tests, and C tests against the library with debug assertions" $(CARGO) test --locked

test-models:
	@$(STEP) "Memory order models" $(CARGO) test --release --locked --manifest-path models/Cargo.toml --target-dir target/models

test-c:
	@$(STEP) "Release library" $(MAKE) build
	@$(STEP) "C tests against the release library" \
		env SHMDS_LIBRARY_DIR=$(CURDIR)/build/release/lib $(CARGO) test --locked --test c_abi

test-cpp:
	@$(STEP) "C++ headers, one by one" scripts/test-headers g++ $(CLANGXX)
	@$(STEP) "C++ tests with g++" scripts/test-cpp build/test-gcc g++
	@$(STEP) "C++ tests with $(CLANGXX)" scripts/test-cpp build/test-clang $(CLANGXX)

test-package:
	@$(STEP) "Header against library, type by type" scripts/test-systest
	@$(STEP) "Packages, the quick part" scripts/package-test quick

test-demo:
	@$(STEP) "Demo, 2 s" scripts/test-demo

test-bench:
	@$(STEP) "A slice of the benchmarks" scripts/bench --quick

test-crash:
	@$(STEP) "A slice of the deaths" scripts/crash matrix --stride 131
	@$(STEP) "Everything at once, killed and stopped at random, 5 s" scripts/crash campaign --seconds 5
	@$(STEP) "Some planted faults" scripts/crash faults --only late-record --only early-tail --only late-journal
