# tests/coverage/rules.mk: which lines and branches of store/ the tests take: make coverage.

# Nothing is inlined: else a branch of a header is counted where it was inlined, and half of it decided there.
gcov_CFLAGS = -O1 -g -DSL_DEBUG -DSL_KILL_POINTS -DSL_COUNTS $(if $(filter store/%,$<),--coverage -fno-inline)
gcov_LDFLAGS := --coverage

$(foreach part,store tools tests,$(eval $(call object_rule,gcov,$(part))))
$(eval $(call library_rule,gcov))
$(eval $(call tool_part_rule,gcov))
$(foreach d,$(TEST_DIRECTORIES),\
    $(eval $(call program_rule,gcov,$(B)/gcov/$d/run,$(call test_objects,gcov,$d),-lcriterion)))
$(foreach a,$(ATTACKS),\
    $(eval $(call program_rule,gcov,$(B)/gcov/tests/$a/$a,$(call objects,gcov,$(wildcard tests/$a/*.c) $(SUPPORT_SOURCES)),\
        -lcriterion)))

$(eval $(call program_rule,gcov,$(B)/gcov/steplog,$(call objects,gcov,$(TOOL_SOURCES))))

# The fuzz targets, which are run too, are prerequisites in tests/fuzz/rules.mk.
COVERAGE_PROGRAMS := $(TEST_DIRECTORIES:%=$(B)/gcov/%/run) $(foreach a,$(ATTACKS),$(B)/gcov/tests/$a/$a) $(B)/gcov/steplog

.PHONY: coverage
coverage: $(COVERAGE_PROGRAMS) ## run the tests with gcov; lines and branches of store/, and branches never taken
	@tests/coverage/coverage.sh $(B)
