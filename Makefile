# rung: make help

cc ?= gcc
build := build/$(cc)$(if $(asan),-asan)$(if $(ubsan),-ubsan)$(if $(tsan),-tsan)$(if $(cov),-cov)

folders := base data model train sweep fit
packages := openblas libcjson libzstd libxxhash zlib liblzma
version := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

sanitize := $(if $(asan),-fsanitize=address) $(if $(ubsan),-fsanitize=undefined -fno-sanitize-recover=undefined) \
            $(if $(tsan),-fsanitize=thread)
# Contraction into fused multiply-adds is wanted; reassociation is not (results must not depend on the compiler's mood).
CFLAGS := -std=c17 -D_GNU_SOURCE -O3 -march=native -ffp-contract=fast -fno-math-errno -fno-trapping-math -fopenmp -g \
          -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith \
          -I. $(shell pkg-config --cflags $(packages) 2>/dev/null) $(sanitize) $(if $(cov),--coverage -O1) $(extra)
LDFLAGS := -fopenmp $(sanitize) $(if $(cov),--coverage)
LDLIBS := $(or $(shell pkg-config --libs $(packages) 2>/dev/null),-lopenblas -lcjson -lzstd -lxxhash -lz -llzma) -lm

sources := $(wildcard $(addsuffix /*.c,$(folders)))
objects := $(sources:%.c=$(build)/%.o)
# The model once more with `real` = double, for the gradient check against finite differences.
double_objects := $(patsubst %.c,$(build)/double/%.o,$(filter model/%,$(sources)))
tests := $(patsubst tests/%.c,$(build)/tests/%,$(wildcard tests/test_*.c))
chart := $(firstword $(wildcard /usr/share/javascript/chart.js/chart.min.js /usr/share/javascript/chart.js/Chart.min.js) missing-chart.js)

# v=1 shows whole commands.
q := $(if $(v),,@)
say := @$(if $(v),:,echo)

.DEFAULT_GOAL := rung
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: rung all help setup check-packages test demo lint format clean

rung: check-packages ## build ./rung (the default)
	@$(MAKE) --no-print-directory $(build)/rung
	@ln -sfn $(build)/rung rung

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' Makefile
	@echo "switches:  cc=clang  asan=1  ubsan=1  tsan=1  cov=1  v=1  only=test_random (one test program)"

setup: ## install what is missing (Debian packages)
	@scripts/setup.sh

check-packages:
	@scripts/setup.sh --check

demo: setup ## corpus, ladder, fit and report in about ten minutes
	@$(MAKE) --no-print-directory rung
	@scripts/demo.sh

test: setup ## build and run every test
	@$(MAKE) --no-print-directory rung
	@$(MAKE) --no-print-directory $(if $(only),$(filter $(build)/tests/$(only),$(tests)),$(tests))
	@build=$(build) tests/run.sh $(if $(only),$(only),)

lint: ## formatting, floors between folders, compiler warnings of gcc and clang
	@scripts/lint.sh

format: ## clang-format every source in place
	@clang-format -i rung.c $(wildcard $(addsuffix /*.[ch],$(folders) tests))

clean: ## remove build/
	rm -rf build rung

$(build)/rung: $(build)/rung.o $(build)/librung.a
	$(say) link $@
	$(q)$(cc) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(build)/librung.a: $(objects)
	$(q)rm -f $@ && $(AR) rcs $@ $^

$(build)/%.o: %.c
	@mkdir -p $(@D)
	$(say) $(cc) $<
	$(q)$(cc) $(CFLAGS) -MMD -MP -c -o $@ $<

$(build)/double/%.o: %.c
	@mkdir -p $(@D)
	$(say) $(cc) $< '(double)'
	$(q)$(cc) $(CFLAGS) -DRUNG_DOUBLE -MMD -MP -c -o $@ $<

$(build)/base/machine.o: CFLAGS += -DRUNG_VERSION='"$(version)"'
# Files that go into the page are embedded by the assembler; see fit/asset.c.
$(build)/fit/asset.o: CFLAGS += -DCHART_JS='"$(chart)"'
$(build)/fit/asset.o: $(wildcard fit/page.*) $(wildcard $(chart))

$(build)/tests/test_gradient: $(build)/double/tests/test_gradient.o $(double_objects) $(build)/librung.a
	@mkdir -p $(@D)
	$(say) link $@
	$(q)$(cc) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

$(build)/tests/test_%: $(build)/tests/test_%.o $(build)/librung.a
	@mkdir -p $(@D)
	$(say) link $@
	$(q)$(cc) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

-include $(shell find $(build) -name '*.d' 2>/dev/null)
