# A thin door to Meson: make, make run, make check, make fuzz, make bench, make soak, make flood, make install.
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 3600
FLOOD_SECONDS ?= 1800

all: deps
	@tools/configure $(BUILD) --prefix=$(PREFIX) -Dfast=true
	@ninja -C $(BUILD)

# Installs what is missing, through apt; needs root only when something is.
deps:
	@tools/install-deps build

test-deps:
	@tools/install-deps build test

# The main job on a real capture: an office gateway's rule set over recorded traffic.
run: all
	@samples/edge/run $(BUILD)/src/cli/weir

check: test-deps
	@tools/check

test: all
	@meson test -C $(BUILD) --print-errorlogs

fuzz:
	@tools/install-deps build test
	@tools/fuzz $(FUZZ_SECONDS)

soak: all
	@tests/kernel/run.py --cases '' --soak $(SOAK_SECONDS) --seed $$(date +%s) --shrink --weir $(BUILD)/src/cli/weir

# Random tuples, SYNs and fragments on two workers: does memory stay flat, how long does a burst take.
flood: all
	@$(BUILD)/bench/bench-scale --flood $(FLOOD_SECONDS)

bench: all
	@bench/run $(BUILD)

install: all
	@meson install -C $(BUILD)

clean:
	@rm -rf build build-*

.PHONY: all deps test-deps run check test fuzz soak bench install clean
