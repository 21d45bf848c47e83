# `make help` lists what there is.

CARGO ?= cargo
PREFIX ?= /usr/local
LUA_LIB_DIR ?= $(PREFIX)/share/lua/5.1
DESTDIR ?=

LUALIB := build/lualib
INSTALLED := $(DESTDIR)$(abspath $(LUA_LIB_DIR))

SERVER_PACKAGES := nginx libnginx-mod-http-lua lua-resty-core curl
TEST_PACKAGES := $(SERVER_PACKAGES) luajit2 libluajit2-5.1-dev pkg-config lua-busted lua-check \
	lua-cjson libxml2-utils binutils gcc libc6-dev procps

.DEFAULT_GOAL := help
.PHONY: help build demo test conformance soak bench install uninstall clean

help: ## what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build/lualib: what lua_package_path and lua_package_cpath need, and nothing else
	@command -v cc > /dev/null || ci/install.sh gcc libc6-dev
	$(CARGO) build --release --locked
	@rm -rf $(LUALIB).new
	@cd lua && find . -name '*.lua' -exec install -D -m 644 {} ../$(LUALIB).new/{} \;
	@install -D -m 755 target/release/libkong_response.so $(LUALIB).new/kong/response/core.so
	@rm -rf $(LUALIB) && mv $(LUALIB).new $(LUALIB)

demo: ## upstreams, gateways and plugins on loopback: what clients get before and after
	@ci/install.sh $(SERVER_PACKAGES)
	@$(MAKE) --no-print-directory build
	@examples/demo/run.sh
	@examples/openresty/run.sh

test: ## formatting, lints, Rust tests, Lua specs in LuaJIT and in a real nginx
	@ci/install.sh $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory build
	@ci/test.sh

N ?= 100000
SEED ?= 1

conformance: ## N=100000 SEED=1: random plugins in memory and in nginx, which must agree
	@ci/install.sh $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory build
	@CONFORMANCE_N=$(N) CONFORMANCE_SEED=$(SEED) \
		busted --lua=/usr/bin/luajit spec/nginx/40_conformance_spec.lua

soak: ## TIME=300 SEED=1: nginx under load; clients hang up, upstreams die, nginx is reloaded
	@ci/install.sh $(SERVER_PACKAGES) gcc libc6-dev
	@$(MAKE) --no-print-directory build
	@$(CARGO) run --release --locked --quiet --manifest-path soak/Cargo.toml -- \
		$(or $(TIME),300) $(SEED)

bench: ## what one case of a plugin's test costs
	@ci/install.sh luajit2
	@$(MAKE) --no-print-directory build
	@luajit bench/testing.lua

install: build ## copies build/lualib to LUA_LIB_DIR (below DESTDIR)
	@cd $(LUALIB) && find . -type f -exec install -D -m 644 {} "$(INSTALLED)/{}" \;

uninstall: ## removes what install copied
	@cd lua && find . -name '*.lua' -exec rm -f "$(INSTALLED)/{}" \;
	@rm -f "$(INSTALLED)/kong/response/core.so"
	@cd "$(INSTALLED)" && rmdir kong/response/testing kong/response kong/pdk kong 2> /dev/null || true

clean: ## removes what was built
	@$(CARGO) clean --quiet
	@rm -rf build
