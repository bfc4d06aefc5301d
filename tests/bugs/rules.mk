# tests/bugs/rules.mk: planted bugs, each of which the tests have to find.

.PHONY: bug-bank
bug-bank: ## plant each bug of tests/bugs/ in a copy of the tree: is it found? NAMES=... only these
	@+MAKE="$(MAKE)" tests/bugs/run.sh --build "$(B)" $(NAMES)
