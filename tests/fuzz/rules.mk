# tests/fuzz/rules.mk: the fuzz targets: with libFuzzer (clang), with the plain driver replay.c (any compiler, and
# AFL++: make fuzz-replay CC=afl-clang-fast B=build/afl), and with coverage. fuzz_NAME.c is the target NAME.

FUZZ_TARGETS := $(sort $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_SHARED := $(addprefix tests/fuzz/,fuzz.c repair.c archive.c store_look.c) \
               $(addprefix tests/support/,random.c store_kit.c temp_dir.c) $(wildcard tests/support/sim_*.c)
FUZZ_DRIVER := $(addprefix tests/fuzz/,replay.c mutate.c)
# The decoders whose coverage is told.
FUZZ_COVERED := $(wildcard store/format/*.c store/read/*.c store/base/utf8.c store/base/glob.c store/core/verify*.c \
                  store/core/dump*.c tools/import_*.c tools/json.c tools/log_line.c tools/number.c tools/time_text.c tools/args.c)

fuzz_CC := clang
fuzz_CFLAGS = -O1 -g -DSL_DEBUG -fsanitize=fuzzer-no-link $(SANITIZE)
# The map tells run_fuzz.sh which sources a target is made of.
fuzz_LDFLAGS = -fsanitize=fuzzer $(SANITIZE) -Wl,-Map=$@.map
cover_CC := clang
cover_CFLAGS = -O1 -g -fprofile-instr-generate -fcoverage-mapping
cover_LDFLAGS := -fprofile-instr-generate -fcoverage-mapping
plain_CFLAGS = $(CFLAGS) -O1 -g -DSL_DEBUG

$(foreach v,fuzz cover plain,$(foreach part,store tools tests,$(eval $(call object_rule,$v,$(part)))))
$(foreach v,fuzz cover plain,$(eval $(call library_rule,$v))$(eval $(call tool_part_rule,$v)))

# $1 variant: what every target is linked with. exit() of the tool comes back to its target.
define fuzz_archive_rule
$(B)/$1/tests/fuzz/shared.a: $(call objects,$1,$(FUZZ_SHARED) tests/fuzz/call_tool.c) $(call tool_parts,$1)
	@rm -f $$@
	$$(say) ar $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef

# $1 variant, $2 target, $3 driver objects
define fuzz_program_rule
$(B)/$1/tests/fuzz/$2: $(call objects,$1,tests/fuzz/fuzz_$2.c) $3 $(B)/$1/tests/fuzz/shared.a $$($1_LIBRARY)
	$$(say) link $$@
	$$(Q)$$(or $$($1_CC),$$(CC)) $$(CFLAGS) $$($1_LDFLAGS) $$(LDFLAGS) -Wl,--wrap=exit -o $$@ $$(filter %.o,$$^) \
	     $(B)/$1/tests/fuzz/shared.a $$($1_LIBRARY) $$(LIBS)
endef
$(foreach v,fuzz cover plain asan gcov,$(eval $(call fuzz_archive_rule,$v)))
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_program_rule,fuzz,$t)))
$(foreach v,cover plain asan gcov,$(foreach t,$(FUZZ_TARGETS),\
    $(eval $(call fuzz_program_rule,$v,$t,$(call objects,$v,$(FUZZ_DRIVER))))))

FUZZ_REPLAYS := $(FUZZ_TARGETS:%=$(B)/asan/tests/fuzz/%)
check-build: $(FUZZ_REPLAYS)
coverage: $(FUZZ_TARGETS:%=$(B)/gcov/tests/fuzz/%)

.PHONY: fuzz fuzz-all fuzz-coverage fuzz-replay fuzz-seeds fuzz-targets
ifeq ($(CLANG),)
fuzz fuzz-all fuzz-coverage:
	@echo 'libFuzzer comes with clang, which is not installed; tests/fuzz/test_fuzz.sh replays with any compiler' >&2; exit 1
else
fuzz: $(if $(TARGET),$(B)/fuzz/tests/fuzz/$(TARGET)) ## fuzz one target: make fuzz TARGET=name SECONDS=n
	@tests/fuzz/run_fuzz.sh $(B) $(or $(SECONDS),60) $(or $(TARGET),$(error TARGET is one of: $(FUZZ_TARGETS)))

fuzz-all: $(FUZZ_TARGETS:%=$(B)/fuzz/tests/fuzz/%) ## fuzz all targets, SECONDS=n each; tells CPU time and executions so far (SECONDS=0: only that)
	@tests/fuzz/run_fuzz.sh $(B) $(or $(SECONDS),60) $(FUZZ_TARGETS)

fuzz-coverage: $(FUZZ_TARGETS:%=$(B)/cover/tests/fuzz/%) ## what of each decoder the corpora reach
	@tests/fuzz/coverage.sh $(B)/cover/tests/fuzz '$(FUZZ_TARGETS)' $(FUZZ_COVERED)
endif

fuzz-replay: $(FUZZ_TARGETS:%=$(B)/plain/tests/fuzz/%) ## the targets with a main(), for AFL++: CC=afl-clang-fast B=build/afl

fuzz-targets:
	@echo $(FUZZ_TARGETS)

$(eval $(call program_rule,release,$(B)/release/tests/fuzz/make_corpus,\
    $(call objects,release,tests/fuzz/make_corpus.c tests/fuzz/corpus_texts.c $(FUZZ_SHARED))))
fuzz-seeds: $(B)/release/tests/fuzz/make_corpus ## make the first inputs of tests/fuzz/corpus anew
	$< tests/fuzz/corpus
