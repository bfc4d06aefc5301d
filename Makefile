# steplog: library, tool, tests, benchmarks. `make help` lists what there is.
#
# The listing of the directories is the list of sources: a new .c file in store/*/, tools/, bench/ or
# tests/*/ is picked up. Each variant (release, debug, asan, tsan, clang) has its own tree of objects
# under build/, so that they never mix.

CC ?= cc
CFLAGS ?= -O2 -g
LDFLAGS ?=
AR ?= ar
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
# -Werror in `make check`; not for people who build with a compiler that we have not seen.
WERROR ?=
JOBS ?= 2
B := build
# By one name, however it was given: the lists of headers that objects depend on know them by it.
override B := $(patsubst $(CURDIR)/%,%,$(B))

VERSION := $(shell sed -n 's/^\#define STEPLOG_VERSION "\(.*\)"/\1/p' include/steplog/types.h)
SO_VERSION := $(firstword $(subst ., ,$(VERSION)))
SO := libsteplog.so.$(SO_VERSION)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wcast-qual -Wundef -Wvla
# No fused multiply-add: an encoder that tries whether a number comes back must see what a decoder will.
BASE_CFLAGS := -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(WARNINGS)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

DEPENDENCIES := liblz4 libxxhash
DEPENDENCY_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(DEPENDENCIES) 2>/dev/null)
DEPENDENCY_LIBS := $(shell $(PKG_CONFIG) --libs $(DEPENDENCIES) 2>/dev/null || echo -llz4 -lxxhash)
LIBS = $(DEPENDENCY_LIBS) -lm -pthread

PUBLIC_HEADERS := include/steplog.h $(wildcard include/steplog/*.h)
LIBRARY_SOURCES := $(wildcard store/*/*.c)
TOOL_SOURCES := $(wildcard tools/*.c)
# examples/name.c and examples/name/*.c are one program each.
EXAMPLE_NAMES := $(patsubst examples/%.c,%,$(wildcard examples/*.c)) \
                 $(patsubst examples/%/,%,$(sort $(dir $(wildcard examples/*/*.c))))
BENCH_SOURCES := $(wildcard bench/*.c)
SUPPORT_SOURCES := $(wildcard tests/support/*.c)
STRESS_SOURCES := $(wildcard tests/stress/*.c)
# A directory of tests with a main.c is one program, which attacks the store: tests/README.md.
ATTACKS := $(patsubst tests/%/main.c,%,$(wildcard tests/*/main.c))
# One Criterion program for each directory that holds test_*.c; other .c files there are its helpers.
TEST_DIRECTORIES := $(filter-out tests/stress tests/support tests/fuzz $(ATTACKS:%=tests/%),\
                      $(patsubst %/,%,$(sort $(dir $(shell find tests -name 'test_*.c' 2>/dev/null)))))

# While a part has no sources yet the rest still builds.
TOOL := $(if $(wildcard tools/steplog.c),$(B)/steplog)
EXAMPLES := $(EXAMPLE_NAMES:%=$(B)/examples/%)
BENCH := $(if $(BENCH_SOURCES),$(B)/bench)
CLANG := $(shell command -v clang 2>/dev/null)

ifdef V
Q :=
say = @:
else
Q := @
say = @printf '%-8s %s\n'
endif

.DELETE_ON_ERROR:
# Objects are kept: make would delete those it made only on the way to a program.
.SECONDARY:
.PHONY: all lib tool examples bench bench-full check check-build quickstart import-table stress install clean help

all: lib $(B)/$(SO) tool $(B)/steplog.pc ## library, shared library, tool and pkg-config file (the default)

lib: $(B)/libsteplog.a ## only the static library

tool: $(TOOL) ## only the tool, build/steplog

examples: $(EXAMPLES) ## the example programs, build/examples/

# ---- objects, one tree for each variant ----

release_CFLAGS = $(CFLAGS)
debug_CFLAGS = $(CFLAGS) -O1 -g -DSL_DEBUG
asan_CFLAGS = $(CFLAGS) -O1 -g -DSL_DEBUG $(SANITIZE)
tsan_CFLAGS = $(CFLAGS) -O1 -g -DSL_DEBUG -fsanitize=thread
attack_CFLAGS = $(CFLAGS) -O2 -g -DSL_DEBUG -DSL_KILL_POINTS
clang_CFLAGS = $(CFLAGS)
asan_LDFLAGS := $(SANITIZE)
tsan_LDFLAGS := -fsanitize=thread
clang_CC := clang

# What each part may include: only the library and its tests see store/ (and the one bench named below).
store_INCLUDES := -Iinclude -Istore
tools_INCLUDES := -Iinclude -Itools
# bench_codec.c and bench_rivals.c time value blocks, which no public call does. zstd is compared with where it is.
ZSTD_LIBS := $(shell $(PKG_CONFIG) --libs libzstd 2>/dev/null)
bench_INCLUDES = -Iinclude -Ibench -Istore -DBENCH_CFLAGS='"$(CFLAGS)"' $(if $(ZSTD_LIBS),-DBENCH_ZSTD)
examples_INCLUDES := -Iinclude
tests_INCLUDES := -Iinclude -Istore -Itests -Itools

# $1 variant
compile = $(or $($1_CC),$(CC)) $(BASE_CFLAGS) $(WERROR) $(DEPENDENCY_CFLAGS) $($1_CFLAGS) -MMD -MP
link = $(CC) $(CFLAGS) $($1_LDFLAGS) $(LDFLAGS)

# $1 variant, $2 part
define object_rule
$(B)/$1/$2/%.o: $2/%.c
	@mkdir -p $$(@D)
	$$(say) cc $$@
	$$(Q)$$(call compile,$1) $$($2_INCLUDES) -c $$< -o $$@
endef

# $1 variant
define library_rule
$1_LIBRARY := $(if $(filter release,$1),$(B)/libsteplog.a,$(B)/$1/libsteplog.a)
$(if $(filter release,$1),$(B)/libsteplog.a,$(B)/$1/libsteplog.a): $(LIBRARY_SOURCES:%.c=$(B)/$1/%.o)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(say) ar $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef

# $1 variant, $2 program, $3 objects, $4 more libraries
define program_rule
$2: $3 $$($1_LIBRARY)
	@mkdir -p $$(@D)
	$$(say) link $$@
	$$(Q)$$(call link,$1) -o $$@ $3 $$($1_LIBRARY) $4 $$(LIBS)
endef

objects = $(patsubst %.c,$(B)/$1/%.o,$2)

VARIANTS := release debug asan tsan clang attack
$(foreach v,$(VARIANTS),$(foreach part,store tools bench examples tests,$(eval $(call object_rule,$v,$(part)))))
$(foreach v,$(VARIANTS),$(eval $(call library_rule,$v)))

# ---- programs ----

$(eval $(call program_rule,release,$(B)/steplog,$(call objects,release,$(TOOL_SOURCES))))
$(eval $(call program_rule,asan,$(B)/asan/steplog,$(call objects,asan,$(TOOL_SOURCES))))
$(foreach n,$(EXAMPLE_NAMES),$(eval $(call program_rule,release,$(B)/examples/$n,\
    $(call objects,release,$(wildcard examples/$n.c examples/$n/*.c)))))
$(eval $(call program_rule,release,$(B)/bench,$(call objects,release,$(BENCH_SOURCES)),$(ZSTD_LIBS)))
$(eval $(call program_rule,asan,$(B)/asan/benchmark,$(call objects,asan,$(BENCH_SOURCES)),$(ZSTD_LIBS)))

# Tests of the tool's own parts are linked with these parts; its main() steps aside for Criterion's.
# $1 variant
define tool_part_rule
$(B)/$1/tools/steplog_without_main.o: tools/steplog.c
	@mkdir -p $$(@D)
	$$(say) cc $$@
	$$(Q)$$(call compile,$1) $$(tools_INCLUDES) -Dmain=steplog_tool_main -Wno-missing-prototypes -c $$< -o $$@
endef
$(foreach v,debug asan,$(eval $(call tool_part_rule,$v)))
tool_parts = $(patsubst %/steplog.o,%/steplog_without_main.o,$(call objects,$1,$(TOOL_SOURCES)))

# $1 variant, $2 directory
test_objects = $(call objects,$1,$(wildcard $2/*.c) $(SUPPORT_SOURCES)) $(if $(filter tests/tools,$2),$(call tool_parts,$1))
$(foreach v,debug asan,$(foreach d,$(TEST_DIRECTORIES),\
    $(eval $(call program_rule,$v,$(B)/$v/$d/run,$(call test_objects,$v,$d),-lcriterion))))
$(foreach f,$(STRESS_SOURCES),\
    $(eval $(call program_rule,tsan,$(B)/tsan/$(f:%.c=%),$(call objects,tsan,$f $(SUPPORT_SOURCES)))))

$(foreach v,attack asan,$(foreach a,$(ATTACKS),\
    $(eval $(call program_rule,$v,$(B)/$v/tests/$a/$a,$(call objects,$v,$(wildcard tests/$a/*.c) $(SUPPORT_SOURCES)),\
        -lcriterion))))

$(eval $(call program_rule,release,$(B)/release/tests/stress/many_writers,\
    $(call objects,release,tests/stress/many_writers.c $(SUPPORT_SOURCES)),-lcriterion))

$(B)/$(SO): $(call objects,release,$(LIBRARY_SOURCES))
	$(say) link $@
	$(Q)$(CC) -shared -Wl,-soname,$(SO) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
	@ln -sf $(SO) $(B)/libsteplog.so

# Depends on variables that change without a file changing, so it is always written.
.PHONY: $(B)/steplog.pc
$(B)/steplog.pc: steplog.pc.in
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	     -e 's|@VERSION@|$(VERSION)|' -e 's|@PRIVATE_LIBS@|$(strip $(LIBS))|' $< > $@

# Parts of tests/ and bench/ that need rules of their own.
include $(wildcard tests/*/rules.mk bench/*/rules.mk)

# ---- what people run ----

check: ## install what the tests need if missing; build and run every test, also under sanitizers
	@.ci/install-deps check
	@+tests/support/run_checks.sh "$(MAKE)" "$(B)" "$(JOBS)"

# What run_checks.sh runs. The clang tree only proves that clang has nothing to say either.
check-build: all examples $(if $(TOOL),$(B)/asan/steplog) $(if $(BENCH),$(BENCH) $(B)/asan/benchmark) $(STRESS_SOURCES:%.c=$(B)/tsan/%) \
             $(foreach a,$(ATTACKS),$(B)/attack/tests/$a/$a $(B)/asan/tests/$a/$a) \
             $(TEST_DIRECTORIES:%=$(B)/debug/%/run) $(TEST_DIRECTORIES:%=$(B)/asan/%/run) \
             $(if $(CLANG),$(call objects,clang,$(LIBRARY_SOURCES)))

quickstart: ## install what the build needs if missing; build, run the example job, show what was recorded
	@.ci/install-deps build
	@+$(MAKE) --no-print-directory -j$(JOBS) all examples
	@examples/quickstart.sh

bench: $(BENCH) $(TOOL) $(EXAMPLES) ## build and run the benchmarks, about 4 minutes; build/bench.json, build/bench-*.svg
	$(BENCH) --quick $(SECTIONS)

bench-full: $(BENCH) $(TOOL) $(EXAMPLES) ## the same with up to 1e9 points: about an hour, 10 GB of disk
	$(BENCH) --full $(SECTIONS)

import-table: $(TOOL) ## print what importing real logs costs: make import-table DATA=dir
	bench/import_table.sh $(TOOL) $(DATA)

stress: $(B)/release/tests/stress/many_writers ## 8 processes of 1,000,000 rows each, 3 followers, 2 kills; ROWS=n for other sizes
	$< $(or $(ROWS),1000000)

install: all ## install into DESTDIR/PREFIX (default /usr/local)
	install -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(INCLUDEDIR)/steplog' '$(DESTDIR)$(BINDIR)'
	install -m 644 $(B)/libsteplog.a '$(DESTDIR)$(LIBDIR)'
	install -m 755 $(B)/$(SO) '$(DESTDIR)$(LIBDIR)'
	ln -sf $(SO) '$(DESTDIR)$(LIBDIR)/libsteplog.so'
	install -m 644 $(B)/steplog.pc '$(DESTDIR)$(LIBDIR)/pkgconfig'
	install -m 644 include/steplog.h '$(DESTDIR)$(INCLUDEDIR)'
	install -m 644 $(wildcard include/steplog/*.h) '$(DESTDIR)$(INCLUDEDIR)/steplog'
ifneq ($(TOOL),)
	install -m 755 $(TOOL) '$(DESTDIR)$(BINDIR)'
endif
ifneq ($(wildcard tools/steplog.1),)
	install -d '$(DESTDIR)$(MANDIR)/man1'
	install -m 644 tools/steplog.1 '$(DESTDIR)$(MANDIR)/man1'
endif
ifneq ($(wildcard tools/steplog.bash-completion),)
	install -d '$(DESTDIR)$(COMPLETIONDIR)'
	install -m 644 tools/steplog.bash-completion '$(DESTDIR)$(COMPLETIONDIR)/steplog'
endif

clean: ## remove build/
	rm -rf $(B)

help: ## this list
	@echo 'steplog $(VERSION)'
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile tests/*/rules.mk bench/*/rules.mk | awk -F'|' '{ printf "  make %-13s %s\n", $$1, $$2 }'
	@echo 'Variables: CC CFLAGS LDFLAGS PREFIX DESTDIR JOBS; V=1 shows commands, WERROR=-Werror stops at warnings.'

-include $(shell find $(B) -name '*.d' 2>/dev/null)
