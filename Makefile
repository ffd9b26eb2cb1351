# rung: make help

# clang's OpenMP tells ThreadSanitizer who waits for whom; gcc's does not.
cc ?= $(if $(tsan),clang,gcc)
build := build/$(if $(fuzz),fuzz,$(cc))$(if $(asan),-asan)$(if $(ubsan),-ubsan)$(if $(tsan),-tsan)$(if $(cov),-cov)$(if $(valgrind),-valgrind)

folders := base data model train sweep fit
packages := openblas libcjson libzstd libxxhash zlib liblzma
version := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

, := ,
sanitize := $(if $(asan),-fsanitize=address) $(if $(ubsan),-fsanitize=undefined -fno-sanitize-recover=undefined) \
            $(if $(tsan),-fsanitize=thread) \
            $(if $(fuzz),-fsanitize=fuzzer-no-link$(,)address$(,)undefined -fno-sanitize-recover=undefined -Wno-pass-failed \
                         -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
# Contraction into fused multiply-adds is wanted; reassociation is not (results must not depend on the compiler's mood).
# Vectors wider than the processor's registers are welcome: they never go from one file to another (-Wno-psabi).
# valgrind does not know AVX-512, and is so slow that some tests do less there (MEMCHECK, see tests/sanitized.h).
CFLAGS := -std=c17 -D_GNU_SOURCE -O3 -march=$(if $(valgrind),haswell,native) $(if $(valgrind),-DMEMCHECK=1) -ffp-contract=fast -fno-math-errno \
          -fno-trapping-math -fopenmp -g \
          -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wno-psabi \
          -I. $(shell pkg-config --cflags $(packages) 2>/dev/null) $(sanitize) $(if $(cov),--coverage -O2 -Wno-format-truncation) $(extra)
LDFLAGS := -fopenmp $(sanitize) $(if $(cov),--coverage)
LDLIBS := $(or $(shell pkg-config --libs $(packages) 2>/dev/null),-lopenblas -lcjson -lzstd -lxxhash -lz -llzma) -lm

# Compiled once for each instruction set; the program takes the widest that the processor has.
isas := portable $(if $(filter x86_64,$(shell uname -m)),avx2 avx512)
isa_portable := $(if $(filter x86_64,$(shell uname -m)),-march=x86-64)
isa_avx2 := -march=haswell
isa_avx512 := -march=skylake-avx512 -mprefer-vector-width=512

sources := $(filter-out model/vector.c,$(wildcard $(addsuffix /*.c,$(folders))))
objects := $(sources:%.c=$(build)/%.o) $(isas:%=$(build)/model/vector_%.o)
# The model once more with `real` = double, for the gradient check against finite differences.
double_objects := $(patsubst $(build)/%,$(build)/double/%,$(filter $(build)/model/%,$(objects)))
harnesses := $(build)/tests/soak $(build)/tests/faults $(build)/tests/starve.so $(build)/tests/wrong_blas.so # for scripts
tests := $(patsubst tests/%.c,$(build)/tests/%,$(wildcard tests/test_*.c))
chart := $(firstword $(wildcard /usr/share/javascript/chart.js/chart.min.js /usr/share/javascript/chart.js/Chart.min.js) missing-chart.js)

# Everything that is compiled, on all cores unless jobs=n says otherwise.
jobs := $(shell nproc)
make = $(MAKE) --no-print-directory -s $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(jobs))

# v=1 shows whole commands.
q := $(if $(v),,@)
say := @$(if $(v),:,echo)

.DEFAULT_GOAL := rung
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: force rung all help setup check-packages test demo soak faults fuzz coverage coverage-study lint format clean

rung: check-packages ## build ./rung (the default)
	@+$(make) $(build)/rung
	@$(if $(asan)$(ubsan)$(tsan)$(valgrind)$(cov),:,ln -sfn $(build)/rung rung) # builds for tests are not what one measures with

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' Makefile
	@echo "switches:  cc=clang  asan=1  ubsan=1  tsan=1  valgrind=1  cov=1  v=1  jobs=n  only=test_random (one test program)"

setup: ## install what is missing (Debian packages)
	@scripts/setup.sh

check-packages:
	@scripts/setup.sh --check

demo: setup ## corpus, ladder, fit and report in about ten minutes
	@+$(make) rung
	@scripts/demo.sh

test: setup ## build and run every test
	@+$(make) rung
	@+$(make) $(if $(only),$(filter $(build)/tests/$(only),$(tests)),$(tests)) $(harnesses)
	@build=$(build) jobs=$(jobs) memcheck=$(valgrind) tests/run.sh $(only)

soak: setup ## kill a ladder 2000 times, for 30 minutes or more (kills=n minutes=n seed=n)
	@+$(make) rung $(build)/tests/soak
	@scripts/soak.sh $(or $(kills),2000) $(or $(minutes),30) $(or $(seed),1) $(build)

faults: setup ## let every system call and every allocation fail, one after the other (stride=n scenario=train)
	@+$(make) rung $(build)/tests/faults $(build)/tests/starve.so
	@scripts/faults.sh $(or $(stride),1) $(build) $(scenario)

fuzz: setup ## a minute of fuzzing for every reader (seconds=n, runs=n, targets="corpus points")
	@RUNS=$(runs) scripts/fuzz.sh $(or $(seconds),60) $(targets)

coverage-study: ## how often the intervals of rung fit hold the truth (tables=1000 replicates=100 only=name)
	@+$(make) $(build)/tests/study_coverage
	@$(build)/tests/study_coverage $(or $(tables),1000) $(or $(replicates),100) '$(only)' build/study

coverage: setup ## which lines and branches the tests reach (needs gcovr: scripts/setup.sh --tools)
	@scripts/coverage.sh

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

$(isas:%=$(build)/model/vector_%.o): $(build)/model/vector_%.o: model/vector.c
	@mkdir -p $(@D)
	$(say) $(cc) $< '($*)'
	$(q)$(cc) $(CFLAGS) $(isa_$*) -MMD -MP -c -o $@ $<

$(isas:%=$(build)/double/model/vector_%.o): $(build)/double/model/vector_%.o: model/vector.c
	@mkdir -p $(@D)
	$(say) $(cc) $< '($*, double)'
	$(q)$(cc) $(CFLAGS) $(isa_$*) -DRUNG_DOUBLE -MMD -MP -c -o $@ $<

# Every record carries the version: a new commit compiles machine.c anew.
$(build)/base/machine.o: CFLAGS += -DRUNG_VERSION='"$(version)"'
$(build)/base/machine.o: $(build)/version
$(build)/version: force
	@mkdir -p $(@D)
	@echo '$(version)' | cmp -s - $@ || echo '$(version)' >$@
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

$(build)/fuzz_%: tests/fuzz.c $(build)/librung.a
	$(say) link $@
	$(q)$(cc) $(CFLAGS) -DFUZZ_TARGET='"$*"' -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(build)/tests/faults: $(build)/tests/inject.o
$(build)/tests/%.so: tests/%.c
	@mkdir -p $(@D)
	$(say) $(cc) $<
	$(q)$(cc) -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror $(shell pkg-config --cflags openblas 2>/dev/null) -fPIC -shared -o $@ $< -ldl

$(build)/tests/soak $(build)/tests/faults $(build)/tests/study_coverage: $(build)/tests/%: $(build)/tests/%.o $(build)/librung.a
	@mkdir -p $(@D)
	$(say) link $@
	$(q)$(cc) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

-include $(shell find $(build) -name '*.d' 2>/dev/null)
