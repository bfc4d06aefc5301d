# tests/coverage/rules.mk: which lines and branches of store/ the tests take: make coverage.

gcov_CFLAGS = -O1 -g --coverage -DSL_DEBUG -DSL_KILL_POINTS
gcov_LDFLAGS := --coverage

$(foreach part,store tools tests,$(eval $(call object_rule,gcov,$(part))))
$(eval $(call library_rule,gcov))
$(eval $(call tool_part_rule,gcov))
$(foreach d,$(TEST_DIRECTORIES),\
    $(eval $(call program_rule,gcov,$(B)/gcov/$d/run,$(call test_objects,gcov,$d),-lcriterion)))
$(foreach a,$(ATTACKS),\
    $(eval $(call program_rule,gcov,$(B)/gcov/tests/$a/$a,$(call objects,gcov,$(wildcard tests/$a/*.c) $(SUPPORT_SOURCES)),\
        -lcriterion)))

COVERAGE_PROGRAMS := $(TEST_DIRECTORIES:%=$(B)/gcov/%/run) $(foreach a,$(ATTACKS),$(B)/gcov/tests/$a/$a)

.PHONY: coverage
coverage: $(COVERAGE_PROGRAMS) ## run the tests with gcov; lines and branches of store/, and branches never taken
	@tests/coverage/coverage.sh $(B) $(COVERAGE_PROGRAMS)
